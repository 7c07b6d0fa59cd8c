-- On which blocks the same kind of crime happened again: at least five crimes of an offense category on at least two
-- days of the period, the blocks with the most repeats first.
-- A block is dozens of addresses, so a repeat is seldom known to be the same victim; the city hides the last two digits
-- of the number and shifts the coordinates, and deriving the exact address is against its terms of use. Long streets of
-- shops and large buildings lead because many people pass there, and where there are many crimes some follow each other
-- by chance: near_repeat tests whether they come closer together than chance explains. Several records of
-- one day can be one event, so they are no repeat. Blocks that differ only in upper and lower case are one, unless they
-- have letters beyond ASCII.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d or 365d.
-- @column first_day: First day of the period. [occurred_on]
-- @column last_day: Last day of the period, the last complete day.
-- @column repeat_rank: 1 for the most repeats, then the most crimes; ties in alphabetical order.
--   [block, occurred_on, primary_type]
-- @column block: Block in upper case; as it was published where it has letters beyond ASCII. [block]
-- @column beat: Police beat of most of the crimes, the first of those that tie; NULL where none is known. [beat]
-- @column primary_type: Offense category. [primary_type]
-- @column crimes: Records of the category on the block in the period, at least 5.
-- @column days: Different days on which they occurred, at least 2. [occurred_on]
-- @column repeats_within_14_days: Of those days, how many came 1 to 14 days after the one before.
--   [block, occurred_on, primary_type]
-- @column mean_days_between: Days from the first to the last, divided by one less than the different days. [occurred_on]
-- @column first_crime_on: First of those days. [occurred_on]
-- @column last_crime_on: Last of those days. [occurred_on]
-- @column days_since_last: Days from the last one to the as-of day. [occurred_on]
-- @chart bars block, repeats_within_14_days where period = 28d
-- @count crimes: beat, days, repeats_within_14_days, mean_days_between, first_crime_on, last_crime_on,
--   days_since_last
-- @ranked repeat_rank
-- @key block, primary_type
-- @period 28d, 365d

WITH -- Engines put letters beyond ASCII into upper case each in its own way.
named AS (
    SELECT
        CASE
            WHEN block = upper(block) THEN block
            WHEN regexp_like(block, '[^ -~]') THEN block
            ELSE upper(block)
        END AS block,
        beat,
        primary_type,
        occurred_on
    FROM crimes
    WHERE block IS NOT NULL
        AND primary_type IS NOT NULL
        AND occurred_on BETWEEN CAST(date_add('day', -364, :last_complete_day) AS DATE) AND :last_complete_day
),

by_day AS (
    SELECT periods.period, named.block, named.primary_type, named.occurred_on, named.beat, count(*) AS crimes
    FROM periods
    JOIN named ON named.occurred_on BETWEEN periods.first_day AND periods.last_day
    WHERE periods.period <> 'all'
    GROUP BY periods.period, named.block, named.primary_type, named.occurred_on, named.beat
),

summed AS (
    SELECT
        period,
        block,
        primary_type,
        occurred_on,
        beat,
        crimes,
        sum(crimes) OVER (PARTITION BY period, block, primary_type) AS crimes_of_period
    FROM by_day
),

-- Most blocks have too few, so that looking for repeats on them would be in vain.
of_day AS (
    SELECT period, block, primary_type, occurred_on, beat, crimes FROM summed WHERE crimes_of_period >= 5
),

-- Two beats on one day make two rows of it, with no day between them.
followed AS (
    SELECT
        period,
        block,
        primary_type,
        occurred_on,
        crimes,
        date_diff(
            'day',
            lag(occurred_on) OVER (PARTITION BY period, block, primary_type ORDER BY occurred_on),
            occurred_on
        ) AS days_after
    FROM of_day
),

repeated AS (
    SELECT
        period,
        block,
        primary_type,
        CAST(sum(crimes) AS BIGINT) AS crimes,
        count(DISTINCT occurred_on) AS days,
        count(*) FILTER (WHERE days_after BETWEEN 1 AND 14) AS repeats,
        min(occurred_on) AS first_crime_on,
        max(occurred_on) AS last_crime_on
    FROM followed
    GROUP BY period, block, primary_type
    HAVING count(DISTINCT occurred_on) >= 2
),

beats AS (
    SELECT period, block, primary_type, beat, sum(crimes) AS crimes
    FROM of_day
    WHERE beat IS NOT NULL
    GROUP BY period, block, primary_type, beat
),

ranked_beats AS (
    SELECT
        period,
        block,
        primary_type,
        beat,
        row_number() OVER (PARTITION BY period, block, primary_type ORDER BY crimes DESC, beat) AS beat_rank
    FROM beats
)

SELECT
    :as_of_day AS as_of_day,
    repeated.period,
    periods.first_day,
    periods.last_day,
    row_number() OVER (
        PARTITION BY repeated.period
        ORDER BY repeated.repeats DESC, repeated.crimes DESC, repeated.block, repeated.primary_type
    ) AS repeat_rank,
    repeated.block,
    ranked_beats.beat,
    repeated.primary_type,
    repeated.crimes,
    repeated.days,
    repeated.repeats AS repeats_within_14_days,
    CAST(date_diff('day', repeated.first_crime_on, repeated.last_crime_on) AS DOUBLE) / (repeated.days - 1)
    AS mean_days_between,
    repeated.first_crime_on,
    repeated.last_crime_on,
    date_diff('day', repeated.last_crime_on, :as_of_day) AS days_since_last
FROM repeated
JOIN periods ON periods.period = repeated.period
LEFT JOIN ranked_beats
    ON ranked_beats.period = repeated.period
    AND ranked_beats.block = repeated.block
    AND ranked_beats.primary_type = repeated.primary_type
    AND ranked_beats.beat_rank = 1
ORDER BY repeated.period, repeat_rank
