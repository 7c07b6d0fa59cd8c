-- At which kinds of place crime is recorded, every kind ranked within its period.
-- The descriptions are as the city published them and have changed over the years, so one kind of place can appear
-- under several names in a long period. An arrest share is the part of the records with an arrest so far, not
-- clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column location_rank: 1 for the most frequent; ties in alphabetical order. [location_description]
-- @column location_description: Kind of place; NULL where not recorded. [location_description]
-- @column crimes: Records of that kind of place in the period.
-- @column share: Crimes divided by all crimes of the period.
-- @column arrest_share: Part of the crimes with an arrest recorded so far. [arrest]
-- @column domestic_share: Part of the crimes that the city marks as domestic violence. [domestic]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column most_common_type: The most frequent offense category there; the first in the alphabet of those that tie.
--   [location_description, primary_type]
-- @chart bars location_description, crimes where period = 28d
-- @count crimes: share, arrest_share, domestic_share, most_common_type
-- @count violent_crimes
-- @share arrest_share: crimes
-- @share domestic_share: crimes
-- @ranked location_rank
-- @adds_up location_description
-- @key location_description
-- @total crimes, violent_crimes

WITH counted AS (
    SELECT
        periods.period,
        crimes.location_description,
        crimes.primary_type,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests,
        count(*) FILTER (WHERE crimes.domestic) AS domestic_crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.location_description, crimes.primary_type
),

-- A category that is not recorded comes last, so that it is never the most common one beside a named one.
ranked AS (
    SELECT
        period,
        location_description,
        primary_type,
        crimes,
        arrests,
        domestic_crimes,
        violent_crimes,
        row_number() OVER (
            PARTITION BY period, location_description
            ORDER BY CASE WHEN primary_type IS NULL THEN 1 ELSE 0 END, crimes DESC, primary_type NULLS LAST
        ) AS type_rank
    FROM counted
),

places AS (
    SELECT
        period,
        location_description,
        CAST(sum(crimes) AS BIGINT) AS crimes,
        CAST(sum(arrests) AS DOUBLE) / NULLIF(sum(crimes), 0) AS arrest_share,
        CAST(sum(domestic_crimes) AS DOUBLE) / NULLIF(sum(crimes), 0) AS domestic_share,
        CAST(sum(violent_crimes) AS BIGINT) AS violent_crimes,
        max(CASE WHEN type_rank = 1 THEN primary_type END) AS most_common_type
    FROM ranked
    GROUP BY period, location_description
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    row_number() OVER (PARTITION BY period ORDER BY crimes DESC, location_description NULLS LAST) AS location_rank,
    location_description,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
    arrest_share,
    domestic_share,
    violent_crimes,
    most_common_type
FROM places
JOIN periods USING (period)
ORDER BY period, location_rank
