-- Crimes by day of the last two years, for any choice of class, district and beat.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 730d, which ends on the as-of day.
-- @column offense_class: violent, property, other or unmapped, by FBI code. [offense_class]
-- @column district: Police district, three digits; NULL where it is not recorded. [district]
-- @column beat: Police beat, four digits; NULL where it is not recorded. [beat]
-- @column occurred_on: Day on which it happened. [occurred_on]
-- @column crimes: Records of the day.

SELECT
    :as_of_day AS as_of_day,
    '730d' AS period,
    offense_class,
    district,
    beat,
    occurred_on,
    count(*) AS crimes
FROM crimes
WHERE occurred_on BETWEEN CAST(date_add('day', -729, :as_of_day) AS DATE) AND :as_of_day
GROUP BY offense_class, district, beat, occurred_on
ORDER BY offense_class, district NULLS LAST, beat NULLS LAST, occurred_on
