-- Which offense categories domestic violence is recorded as; only categories that have any.
-- The mark is the city's own, set when the relation of victim and offender is known, and much domestic violence is
-- never reported: the figures are what was recorded, not how common it is. An arrest share is the part of the records
-- with an arrest so far, not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column primary_type: Offense category. [primary_type]
-- @column domestic_crimes: Crimes of the category marked as domestic violence. [domestic]
-- @column share_of_domestic: Domestic crimes divided by those of all categories. [domestic]
-- @column share_of_type: Domestic crimes divided by all crimes of the category. [domestic]
-- @column arrests: Domestic crimes with an arrest recorded so far. [arrest, domestic]
-- @column arrest_share: Arrests divided by domestic crimes. [arrest, domestic]
-- @chart bars primary_type, domestic_crimes where period = 28d
-- @count domestic_crimes: share_of_domestic, share_of_type, arrest_share
-- @count arrests: arrest_share
-- @ranked
-- @adds_up primary_type
-- @key primary_type
-- @total domestic_crimes

WITH counted AS (
    SELECT
        periods.period,
        crimes.primary_type,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.domestic) AS domestic_crimes,
        count(*) FILTER (WHERE crimes.domestic AND crimes.arrest) AS arrests
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.primary_type
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    primary_type,
    domestic_crimes,
    CAST(domestic_crimes AS DOUBLE) / NULLIF(sum(domestic_crimes) OVER (PARTITION BY period), 0) AS share_of_domestic,
    CAST(domestic_crimes AS DOUBLE) / NULLIF(crimes, 0) AS share_of_type,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(domestic_crimes, 0) AS arrest_share
FROM counted
JOIN periods USING (period)
WHERE domestic_crimes > 0
ORDER BY period, domestic_crimes DESC, primary_type NULLS LAST
