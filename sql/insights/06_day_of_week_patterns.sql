-- On which weekdays crime is recorded, all seven, each against the mean day of its period.
-- Crimes per day allows for a weekday that falls once more than another, as one does in 365 days; in 28 days each falls
-- four times.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column iso_weekday: 1 Monday to 7 Sunday.
-- @column weekday: Name of the weekday.
-- @column crimes: Records of the weekday in the period.
-- @column share: Crimes divided by all crimes of the period.
-- @column days: How often the weekday falls in the period. [occurred_on]
-- @column crimes_per_day: Crimes divided by days. [occurred_on]
-- @column ratio_to_mean_day: Crimes per day divided by those of all days of the period. [occurred_on]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @chart bars weekday, crimes_per_day where period = 365d
-- @count crimes: share, crimes_per_day, ratio_to_mean_day
-- @count violent_crimes
-- @adds_up iso_weekday
-- @key iso_weekday
-- @total crimes, violent_crimes

WITH weekdays AS (
    SELECT iso_weekday, weekday
    FROM (
        VALUES (1, 'Monday'), (2, 'Tuesday'), (3, 'Wednesday'), (4, 'Thursday'),
               (5, 'Friday'), (6, 'Saturday'), (7, 'Sunday')
    ) AS days_of_week (iso_weekday, weekday)
),

-- Whole weeks since the Sunday 2000-01-02 at the two ends of the period: a weekday function would not survive
-- translation between the engines.
calendar AS (
    SELECT
        periods.period,
        weekdays.iso_weekday,
        weekdays.weekday,
        CAST(
            floor(CAST(date_diff('day', DATE '2000-01-02', periods.last_day) - weekdays.iso_weekday AS DOUBLE) / 7)
            - floor(
                CAST(date_diff('day', DATE '2000-01-02', periods.first_day) - 1 - weekdays.iso_weekday AS DOUBLE) / 7
            ) AS INTEGER
        ) AS days
    FROM periods
    CROSS JOIN weekdays
),

counted AS (
    SELECT
        periods.period,
        crimes.iso_weekday,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.iso_weekday
),

filled AS (
    SELECT
        calendar.period,
        calendar.iso_weekday,
        calendar.weekday,
        coalesce(calendar.days, 0) AS days,
        coalesce(counted.crimes, 0) AS crimes,
        coalesce(counted.violent_crimes, 0) AS violent_crimes
    FROM calendar
    LEFT JOIN counted ON counted.period = calendar.period AND counted.iso_weekday = calendar.iso_weekday
),

compared AS (
    SELECT
        period,
        iso_weekday,
        weekday,
        crimes,
        CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
        days,
        CAST(crimes AS DOUBLE) / NULLIF(days, 0) AS crimes_per_day,
        CAST(sum(crimes) OVER (PARTITION BY period) AS DOUBLE)
        / NULLIF(sum(days) OVER (PARTITION BY period), 0) AS mean_day,
        violent_crimes
    FROM filled
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    iso_weekday,
    weekday,
    crimes,
    share,
    days,
    crimes_per_day,
    crimes_per_day / NULLIF(mean_day, 0) AS ratio_to_mean_day,
    violent_crimes
FROM compared
JOIN periods USING (period)
ORDER BY period, iso_weekday
