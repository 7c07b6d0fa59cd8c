-- Crimes by hour and weekday, for any choice of period, class, district and beat.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d or 365d, which end on the last complete day, or all, which ends on the as-of day.
-- @column offense_class: violent, property, other or unmapped, by FBI code. [offense_class]
-- @column district: Police district, three digits; NULL where it is not recorded. [district]
-- @column beat: Police beat, four digits; NULL where it is not recorded. [beat]
-- @column hour: Hour of the day, 0 to 23. [hour]
-- @column iso_weekday: 1 Monday to 7 Sunday. [iso_weekday]
-- @column crimes: Records of the period.

SELECT
    :as_of_day AS as_of_day,
    periods.period,
    crimes.offense_class,
    crimes.district,
    crimes.beat,
    crimes.hour,
    crimes.iso_weekday,
    count(*) AS crimes
FROM periods
JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
GROUP BY periods.period, crimes.offense_class, crimes.district, crimes.beat, crimes.hour, crimes.iso_weekday
ORDER BY
    periods.period,
    crimes.offense_class NULLS LAST,
    crimes.district NULLS LAST,
    crimes.beat NULLS LAST,
    crimes.hour NULLS LAST,
    crimes.iso_weekday NULLS LAST
