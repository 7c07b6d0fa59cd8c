-- Crimes by month, for any choice of class, district and beat.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: all; ends on the as-of day.
-- @column offense_class: violent, property, other or unmapped, by FBI code. [offense_class]
-- @column district: Police district, three digits; NULL where it is not recorded. [district]
-- @column beat: Police beat, four digits; NULL where it is not recorded. [beat]
-- @column month: First day of the month. [month]
-- @column crimes: Records of the month.
-- @column first_crime_on: Day of the first of them. [occurred_on]

SELECT
    :as_of_day AS as_of_day,
    'all' AS period,
    offense_class,
    district,
    beat,
    month,
    count(*) AS crimes,
    min(occurred_on) AS first_crime_on
FROM crimes
WHERE occurred_on <= :as_of_day
GROUP BY offense_class, district, beat, month
ORDER BY offense_class, district NULLS LAST, beat NULLS LAST, month
