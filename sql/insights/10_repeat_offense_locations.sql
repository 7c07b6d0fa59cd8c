-- On which blocks crime is recorded again and again: those with at least ten crimes in the period.
-- A block is not an address: the city hides the last two digits of the number and shifts the coordinates, and deriving
-- the exact address is against its terms of use. Long streets of shops and large buildings lead because many people
-- pass there. Blocks that differ only in upper and lower case are one, unless they have letters beyond ASCII. An arrest
-- share is the part of the records with an arrest so far, not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column block_rank: 1 for the most crimes; ties in alphabetical order. [block]
-- @column block: Block in upper case; as it was published where it has letters beyond ASCII. [block]
-- @column crimes: Records of the block in the period, at least 10.
-- @column share: Crimes divided by all crimes of the period, those on other blocks included.
-- @column crime_types: How many different offense categories occur. [primary_type]
-- @column most_common_type: The most frequent offense category; the first in the alphabet of those that tie.
--   [block, primary_type]
-- @column first_crime_on: Day of the first crime in the period. [occurred_on]
-- @column last_crime_on: Day of the last crime in the period. [occurred_on]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column domestic_crimes: Crimes that the city marks as domestic violence. [domestic]
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @chart bars block, crimes where period = 365d
-- @count crimes: share, crime_types, most_common_type, arrest_share
-- @count violent_crimes
-- @count domestic_crimes
-- @count arrests: arrest_share
-- @ranked block_rank
-- @key block

WITH -- Engines put letters beyond ASCII into upper case each in its own way.
named AS (
    SELECT
        CASE
            WHEN block = upper(block) THEN block
            WHEN regexp_like(block, '[^ -~]') THEN block
            ELSE upper(block)
        END AS block,
        primary_type,
        occurred_on,
        is_violent,
        domestic,
        arrest
    FROM crimes
),

counted AS (
    SELECT
        periods.period,
        named.block,
        named.primary_type,
        count(*) AS crimes,
        min(named.occurred_on) AS first_crime_on,
        max(named.occurred_on) AS last_crime_on,
        count(*) FILTER (WHERE named.is_violent) AS violent_crimes,
        count(*) FILTER (WHERE named.domestic) AS domestic_crimes,
        count(*) FILTER (WHERE named.arrest) AS arrests
    FROM periods
    JOIN named ON named.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, named.block, named.primary_type
),

-- A category that is not recorded is never the most common one beside a named one.
compared AS (
    SELECT
        period,
        block,
        primary_type,
        crimes,
        first_crime_on,
        last_crime_on,
        violent_crimes,
        domestic_crimes,
        arrests,
        max(CASE WHEN primary_type IS NOT NULL THEN crimes END) OVER (PARTITION BY period, block) AS most
    FROM counted
),

blocks AS (
    SELECT
        period,
        block,
        CAST(sum(crimes) AS BIGINT) AS crimes,
        count(primary_type) AS crime_types,
        min(CASE WHEN crimes = most THEN primary_type END) AS most_common_type,
        min(first_crime_on) AS first_crime_on,
        max(last_crime_on) AS last_crime_on,
        CAST(sum(violent_crimes) AS BIGINT) AS violent_crimes,
        CAST(sum(domestic_crimes) AS BIGINT) AS domestic_crimes,
        CAST(sum(arrests) AS BIGINT) AS arrests
    FROM compared
    GROUP BY period, block
),

shared AS (
    SELECT
        period,
        block,
        crimes,
        CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
        crime_types,
        most_common_type,
        first_crime_on,
        last_crime_on,
        violent_crimes,
        domestic_crimes,
        arrests
    FROM blocks
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    row_number() OVER (PARTITION BY period ORDER BY crimes DESC, block) AS block_rank,
    block,
    crimes,
    share,
    crime_types,
    most_common_type,
    first_crime_on,
    last_crime_on,
    violent_crimes,
    domestic_crimes,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share
FROM shared
JOIN periods USING (period)
WHERE crimes >= 10 AND block IS NOT NULL
ORDER BY period, block_rank
