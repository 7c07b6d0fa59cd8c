-- When in the day crime is recorded, by bands of six hours.
-- Times are the city's own clock and often estimates: 00:00 and 12:00 stand for "some time that night" or "that day",
-- which lifts the night and the afternoon bands. An arrest share is the part of the records with an arrest so far, not
-- clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column time_of_day: night 0-5 h, morning 6-11 h, afternoon 12-17 h, evening 18-23 h. [time_of_day]
-- @column crimes: Records of the band in the period.
-- @column share: Crimes divided by all crimes of the period.
-- @column crimes_per_hour: Crimes divided by the hours of the band in the period, six a day. [occurred_on]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column violent_share: Violent crimes divided by crimes. [is_violent]
-- @column arrest_share: Part of the crimes with an arrest recorded so far. [arrest]
-- @chart bars time_of_day, crimes where period = 28d
-- @count crimes: share, crimes_per_hour, violent_share, arrest_share
-- @count violent_crimes: violent_share
-- @share arrest_share: crimes
-- @adds_up time_of_day
-- @key time_of_day
-- @total crimes, violent_crimes

WITH counted AS (
    SELECT
        periods.period,
        date_diff('day', periods.first_day, periods.last_day) + 1 AS days,
        crimes.time_of_day,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, periods.first_day, periods.last_day, crimes.time_of_day
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    time_of_day,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
    CAST(crimes AS DOUBLE) / NULLIF(6 * days, 0) AS crimes_per_hour,
    violent_crimes,
    CAST(violent_crimes AS DOUBLE) / NULLIF(crimes, 0) AS violent_share,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share
FROM counted
JOIN periods USING (period)
ORDER BY
    period,
    CASE time_of_day WHEN 'night' THEN 1 WHEN 'morning' THEN 2 WHEN 'afternoon' THEN 3 WHEN 'evening' THEN 4 END
