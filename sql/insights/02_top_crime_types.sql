-- Which offense categories are recorded most, every category ranked within its period.
-- Categories are the city's own and renamed ones are folded into their present name; violent follows the FBI code of
-- each record, so one category can hold violent and other crimes. An arrest share is the part of the records with an
-- arrest so far, not clearance; it is low for recent periods because arrests are added for months.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column type_rank: 1 for the most frequent; ties in alphabetical order. [primary_type]
-- @column primary_type: Offense category. [primary_type]
-- @column crimes: Records of the category in the period.
-- @column share: Crimes divided by all crimes of the period.
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @column domestic_share: Part of the crimes that the city marks as domestic violence. [domestic]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @chart bars primary_type, crimes where period = 28d
-- @count crimes: share, arrest_share, domestic_share
-- @count arrests: arrest_share
-- @count violent_crimes
-- @share domestic_share: crimes
-- @ranked type_rank
-- @adds_up primary_type
-- @key primary_type
-- @total crimes, arrests, violent_crimes

WITH counted AS (
    SELECT
        periods.period,
        crimes.primary_type,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests,
        count(*) FILTER (WHERE crimes.domestic) AS domestic_crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.primary_type
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    row_number() OVER (PARTITION BY period ORDER BY crimes DESC, primary_type NULLS LAST) AS type_rank,
    primary_type,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share,
    CAST(domestic_crimes AS DOUBLE) / NULLIF(crimes, 0) AS domestic_share,
    violent_crimes
FROM counted
JOIN periods USING (period)
ORDER BY period, type_rank
