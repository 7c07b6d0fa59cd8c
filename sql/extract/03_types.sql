-- Crimes by offense category, for any choice of period, class, district and beat. Arrests are not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d or 365d, which end on the last complete day, or all, which ends on the as-of day.
-- @column offense_class: violent, property, other or unmapped, by FBI code. [offense_class]
-- @column district: Police district, three digits; NULL where it is not recorded. [district]
-- @column beat: Police beat, four digits; NULL where it is not recorded. [beat]
-- @column primary_type: Offense category. [primary_type]
-- @column crimes: Records of the period.
-- @column arrests: Crimes with an arrest recorded so far. [arrest]

SELECT
    :as_of_day AS as_of_day,
    periods.period,
    crimes.offense_class,
    crimes.district,
    crimes.beat,
    crimes.primary_type,
    count(*) AS crimes,
    count(*) FILTER (WHERE crimes.arrest) AS arrests
FROM periods
JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
GROUP BY periods.period, crimes.offense_class, crimes.district, crimes.beat, crimes.primary_type
ORDER BY
    periods.period,
    crimes.offense_class NULLS LAST,
    crimes.district NULLS LAST,
    crimes.beat NULLS LAST,
    crimes.primary_type NULLS LAST
