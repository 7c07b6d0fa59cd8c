-- At which hours of which weekdays crime is recorded: all 168 cells of the week, the empty ones too.
-- Times are the city's own clock and often estimates: the peaks at hours 0 and 12 are mostly artifacts of recording.
-- A cell of 28d rests on four days, so a difference between two cells is often chance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column hour: Hour of the day, 0 to 23.
-- @column iso_weekday: 1 Monday to 7 Sunday.
-- @column crimes: Records of the hour and weekday in the period.
-- @column share: Crimes divided by all crimes of the period.
-- @column crimes_per_day: Crimes divided by how often the weekday falls in the period. [occurred_on]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @chart heat iso_weekday, hour, crimes where period = 365d
-- @count crimes: share, crimes_per_day
-- @count violent_crimes
-- @adds_up hour, iso_weekday
-- @key hour, iso_weekday
-- @total crimes, violent_crimes

WITH hours AS (
    SELECT hour
    FROM (
        VALUES (0), (1), (2), (3), (4), (5), (6), (7), (8), (9), (10), (11),
               (12), (13), (14), (15), (16), (17), (18), (19), (20), (21), (22), (23)
    ) AS hours_of_day (hour)
),

weekdays AS (
    SELECT iso_weekday
    FROM (VALUES (1), (2), (3), (4), (5), (6), (7)) AS days_of_week (iso_weekday)
),

-- Whole weeks since the Sunday 2000-01-02 at the two ends of the period: a weekday function would not survive
-- translation between the engines.
cells AS (
    SELECT
        periods.period,
        hours.hour,
        weekdays.iso_weekday,
        floor(CAST(date_diff('day', DATE '2000-01-02', periods.last_day) - weekdays.iso_weekday AS DOUBLE) / 7)
        - floor(
            CAST(date_diff('day', DATE '2000-01-02', periods.first_day) - 1 - weekdays.iso_weekday AS DOUBLE) / 7
        ) AS days
    FROM periods
    CROSS JOIN hours
    CROSS JOIN weekdays
),

counted AS (
    SELECT
        periods.period,
        crimes.hour,
        crimes.iso_weekday,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.hour, crimes.iso_weekday
),

filled AS (
    SELECT
        cells.period,
        cells.hour,
        cells.iso_weekday,
        cells.days,
        coalesce(counted.crimes, 0) AS crimes,
        coalesce(counted.violent_crimes, 0) AS violent_crimes
    FROM cells
    LEFT JOIN counted
        ON counted.period = cells.period AND counted.hour = cells.hour AND counted.iso_weekday = cells.iso_weekday
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    hour,
    iso_weekday,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
    CAST(crimes AS DOUBLE) / NULLIF(days, 0) AS crimes_per_day,
    violent_crimes
FROM filled
JOIN periods USING (period)
ORDER BY period, hour, iso_weekday
