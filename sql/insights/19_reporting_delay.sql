-- How complete the last days are: what is known of each of the last 91 days, and what will be known in the end. The
-- share is learned from the ages of the records that came with the last 56 change days. With few change days it is
-- rough; a lag with change_days 0 is assumed to bring nothing. "In the end" means by the 90th day after; later records
-- are not predicted. Days of which the city has published nothing yet (the last seven in Chicago) have completeness 0
-- and no expected number. If there is nothing to learn from, completeness is NULL. A trend should be drawn as unsettled
-- where unsettled is 1. Delays can look longer or shorter than they are. If past change days are pulled afterwards, or
-- a portal export is replayed, an edited record appears only with its last stamp, as if it had come then. In Chicago,
-- ids are given in the order of reporting, so they say when such a record and those of a history became known; in
-- cities whose ids say nothing, the records still to come are overstated then. An edit that moves the day of a crime
-- moves its delay. A change day that brought nothing recent counts as not pulled, even if the city published nothing
-- then; so completeness reads too low in towns with few records: with one every other day, 0.64 instead of 0.86. Where
-- small numbers are hidden, first_published_in_window is not: it counts records of many days and all places.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 90d; it is about days that are not complete, so it ends on the as-of day.
-- @column first_day: First day of the period, 90 days before the last one.
-- @column last_day: Last day of the period, the as-of day.
-- @column days_since: How many days before the as-of day.
-- @column occurred_on: The day on which the crimes occurred.
-- @column crimes: Records of the day known so far.
-- @column completeness: Share of the records known by the 90th day after that is known so many days after, to six
--   decimals; NULL if there is nothing to learn from. [change_day, id, ingested_at, occurred_on]
-- @column expected_crimes: Crimes divided by completeness; NULL where nothing is complete. [change_day, id,
--   ingested_at, occurred_on]
-- @column still_expected: Expected crimes less crimes. [change_day, id, ingested_at, occurred_on]
-- @column first_published_in_window: Records that came this many days after they occurred, in the change days learned
--   from. [change_day, id, ingested_at, occurred_on]
-- @column change_days: How many change days it was learned from at this lag.
-- @column unsettled: 1 where completeness is below 0.98 or NULL, else 0. [change_day, id, ingested_at, occurred_on]
-- @chart line days_since, completeness
-- @count crimes: expected_crimes, still_expected
-- @adds_up occurred_on
-- @key occurred_on
-- @period 90d
-- @total crimes
-- @needs stamps

WITH counted AS (
    SELECT occurred_on, count(*) AS crimes
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('day', -90, :as_of_day) AS DATE) AND :as_of_day
    GROUP BY occurred_on
),

days AS (
    SELECT
        days_since,
        CAST(date_add('day', CAST(-days_since AS INTEGER), :as_of_day) AS DATE) AS occurred_on,
        completeness,
        first_published,
        change_days
    FROM completeness
),

known AS (
    SELECT
        days.days_since,
        days.occurred_on,
        coalesce(counted.crimes, 0) AS crimes,
        days.completeness,
        CAST(coalesce(counted.crimes, 0) AS DOUBLE) / NULLIF(days.completeness, 0) AS expected_crimes,
        days.first_published,
        days.change_days
    FROM days
    LEFT JOIN counted ON counted.occurred_on = days.occurred_on
)

SELECT
    :as_of_day AS as_of_day,
    '90d' AS period,
    CAST(date_add('day', -90, :as_of_day) AS DATE) AS first_day,
    :as_of_day AS last_day,
    days_since,
    occurred_on,
    crimes,
    completeness,
    expected_crimes,
    expected_crimes - crimes AS still_expected,
    first_published AS first_published_in_window,
    change_days,
    CASE WHEN completeness >= 0.98 THEN 0 ELSE 1 END AS unsettled
FROM known
ORDER BY days_since
