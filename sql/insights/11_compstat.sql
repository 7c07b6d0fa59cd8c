-- What changed: each district and class of offense in the last 28 complete days against the 28 before, and in the year
-- to date against the year before, both beside the range of the five years before. Windows end on the last complete
-- day, eight days before the as-of day in Chicago, never today. Late records keep coming for weeks, so an earlier
-- window as it is known today always has more of them than the present one. Therefore it is compared as it was known
-- when it was as old (before_basis): seen, if the lake pulled every change day up to then in time; estimated from the
-- delays it learned (see insight_reporting_delay), with an interval that is to hold it in 95 of 100 cases; unknown, if
-- there is too little to learn from: then it is compared as it is known today. Where change days were pulled later (a
-- backfill, the replay of an export), records that were edited since are missing from what was known then, and the
-- interval is wide enough for that. A period in which a change day was never pulled is compared with nothing.
-- Percentages are left out on purpose: from 2 to 4 is not a real doubling. A flag is not proof. Chance alone flags
-- about one cell in 30 where crimes come independently and nothing has changed, and one in 10 where there are only two
-- or three crimes. Real crimes move with the season and from year to year: in Chicago from 2016 to 2018 one cell in
-- eight of 28d is flagged, and four in ten of ytd, where counts are so large that a z of 3 is a few percent. So read a
-- flag together with the change and with the five years; these are few, and a value is often outside their range by
-- chance. Windows that the lake does not hold completely are not compared: those before its first record, those that
-- touch 28 days or more without any record in the city, so that a stray old record does not make a year count as
-- complete, and those of which late records would have come on a change day that was never pulled. A year to date that
-- includes 29 February has one day more than the others. The numbers in the end, with all records known by the 90th day
-- after, are a nowcast (Lawless 1994) with an interval of 95 %; the interval treats what comes late as independent of
-- place.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, the 28 days that end on the last complete day, or ytd, from 1 January of its year to it.
-- @column first_day: First day of the period.
-- @column last_day: Last day of the period, the last complete day.
-- @column district: Police district; all for the city; NULL where it is not recorded. [district]
-- @column offense_class: violent or property index crime, other, unmapped, or all. Unmapped, a code that is in no table
--   of codes, has rows only if any record of these windows or of the five years is of it.
-- @column crimes: Records that occurred in the period.
-- @column crimes_before: Records of the 28 days before (28d), or of the same days a year before (ytd), as they were
--   known when they were as old as the period is now; NULL where the lake does not hold them whole. [change_day, id,
--   ingested_at, occurred_on]
-- @column before_basis: How crimes_before is known: seen, estimated or unknown. [occurred_on]
-- @column crimes_before_low: The fewest that crimes_before can be: itself if seen, else the low end of its interval.
--   [change_day, id, ingested_at, occurred_on]
-- @column crimes_before_high: The most that it can be. [change_day, id, ingested_at, occurred_on]
-- @column crimes_before_now: Records of the same days as they are known today. [occurred_on]
-- @column change: Crimes less crimes before. [change_day, id, ingested_at, occurred_on]
-- @column z_before: 2 * (sqrt(crimes) - sqrt(crimes before)); where nothing has changed it is 0 give or take 1.4.
--   [change_day, id, ingested_at, occurred_on]
-- @column late_crimes: Records of the period still to come, as estimated by insight_reporting_delay; 0 for days about
--   which nothing is known. [change_day, id, ingested_at, occurred_on]
-- @column crimes_in_the_end_low: The fewest records that the period will have in the end, in 95 of 100 cases; NULL if
--   nothing is known about delays. [change_day, id, ingested_at, occurred_on]
-- @column crimes_in_the_end_high: The most. [change_day, id, ingested_at, occurred_on]
-- @column flag: 1 for a rise, where z against crimes_before_high is 3 or more; -1 for a fall, where z against
--   crimes_before_low is -3 or less; else 0. [change_day, id, ingested_at, occurred_on]
-- @column five_years_low: Fewest records of the same days in the five years before: for 28d, the 28 days that end on
--   the same date. [occurred_on]
-- @column five_years_high: Most records of the same days in the five years before. [occurred_on]
-- @column five_years_mean: Mean of the same. [occurred_on]
-- @column years: How many of the five years the lake holds whole. [occurred_on]
-- @column five_years_position: below, within or above that range; below only if crimes_in_the_end_high is; NULL where
--   there are no years. [change_day, id, ingested_at, occurred_on]
-- @chart bars district, change where period = 28d, offense_class = all
-- @count crimes: change, z_before, late_crimes, crimes_in_the_end_low, crimes_in_the_end_high, flag,
--   five_years_position
-- @count crimes_before_now: crimes_before, crimes_before_low, crimes_before_high, change, z_before, flag
-- @count crimes_before: change, z_before, flag, crimes_before_low, crimes_before_high
-- @count five_years_low: five_years_mean, five_years_position
-- @count five_years_high: five_years_mean, five_years_position
-- @about before_basis: crimes_before
-- @adds_up district, offense_class
-- @unsummed crimes_before: each row rounds its own estimate
-- @key district, offense_class
-- @period 28d, ytd
-- @total crimes
-- @unsummed five_years_low, five_years_high: it is of another year in each district and class
-- @signed change, z_before, flag

WITH last_days AS (
    SELECT years_back, CAST(date_add('year', -years_back, :last_complete_day) AS DATE) AS last_day
    FROM (VALUES (0), (1), (2), (3), (4), (5)) AS years (years_back)
),

presents AS (
    SELECT '28d' AS period, CAST(date_add('day', -27, :last_complete_day) AS DATE) AS first_day
    UNION ALL
    SELECT
        'ytd' AS period,
        CAST(date_add('day', 1 - day_of_year(:last_complete_day), :last_complete_day) AS DATE) AS first_day
),

windows AS (
    SELECT
        '28d' AS period,
        CASE WHEN years_back = 0 THEN 'now' ELSE 'past year' END AS part,
        years_back,
        CAST(date_add('day', -27, last_day) AS DATE) AS first_day,
        last_day
    FROM last_days
    UNION ALL
    SELECT
        'ytd' AS period,
        CASE WHEN years_back = 0 THEN 'now' ELSE 'past year' END AS part,
        years_back,
        CAST(date_add('day', 1 - day_of_year(last_day), last_day) AS DATE) AS first_day,
        last_day
    FROM last_days
    UNION ALL
    SELECT
        '28d' AS period,
        'before' AS part,
        0 AS years_back,
        CAST(date_add('day', -55, :last_complete_day) AS DATE) AS first_day,
        CAST(date_add('day', -28, :last_complete_day) AS DATE) AS last_day
    UNION ALL
    SELECT
        'ytd' AS period,
        'before' AS part,
        years_back,
        CAST(date_add('day', 1 - day_of_year(last_day), last_day) AS DATE) AS first_day,
        last_day
    FROM last_days
    WHERE years_back = 1
),

-- A period in which a change day was never pulled lacks records: it is compared with nothing.
lacking AS (
    SELECT
        period,
        CASE WHEN :pulled_since > :first_change_day AND :pulled_since > first_day THEN 1 ELSE 0 END AS is_lacking
    FROM presents
),

compared AS (
    SELECT
        windows.period,
        windows.part,
        windows.years_back,
        windows.first_day,
        windows.last_day,
        CAST(
            date_add(
                'day', CAST(-date_diff('day', windows.last_day, :last_complete_day) AS INTEGER), :as_of_day
            ) AS DATE
        ) AS known_day,
        CASE
            WHEN windows.part <> 'now' AND max(lacking.is_lacking) = 1 THEN 0
            WHEN count(gaps.day_after) = 0 THEN 1
            ELSE 0
        END AS is_whole
    FROM windows
    JOIN lacking ON lacking.period = windows.period
    LEFT JOIN gaps
        ON gaps.day_after > windows.first_day
        AND (gaps.day_before IS NULL OR gaps.day_before < windows.last_day)
    GROUP BY windows.period, windows.part, windows.years_back, windows.first_day, windows.last_day
),

-- No window begins more than six years before the last complete day.
daily AS (
    SELECT occurred_on, district, offense_class, count(*) AS crimes
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('year', -6, :last_complete_day) AS DATE) AND :last_complete_day
    GROUP BY occurred_on, district, offense_class
),

-- Known today, with what is still to come (now) or what was not known yet (before), in millionths of records.
settling AS (
    SELECT
        compared.period,
        compared.part,
        compared.years_back,
        daily.district,
        daily.offense_class,
        daily.crimes,
        daily.crimes * coalesce(completeness.late_per_million, 0) AS late,
        daily.crimes * coalesce(completeness.late_variance_per_million, 0) AS late_variance,
        daily.crimes * coalesce(completeness.late_error_per_million, 0) AS late_error,
        daily.crimes * coalesce(shares_then.share_per_million, 1000000) AS known,
        daily.crimes * coalesce(shares_then.variance_per_million, 0) AS known_variance,
        daily.crimes * coalesce(shares_then.error_per_million, 0) AS known_error,
        0 AS seen
    FROM compared
    JOIN daily ON daily.occurred_on BETWEEN compared.first_day AND compared.last_day
    LEFT JOIN completeness
        ON compared.part = 'now' AND completeness.days_since = date_diff('day', daily.occurred_on, :as_of_day)
    LEFT JOIN shares_then
        ON compared.part = 'before'
        AND shares_then.days_then = date_diff('day', daily.occurred_on, compared.known_day)
        AND shares_then.days_now = CASE
            WHEN date_diff('day', daily.occurred_on, :as_of_day) > 90 THEN 91
            ELSE date_diff('day', daily.occurred_on, :as_of_day)
        END
),

-- The windows before, as the lake knew them when they were as old.
seen AS (
    SELECT
        compared.period,
        compared.part,
        compared.years_back,
        versions.district,
        versions.offense_class,
        count(*) AS seen
    FROM compared
    JOIN versions
        ON versions.occurred_on BETWEEN compared.first_day AND compared.last_day
        AND versions.known_from <= compared.known_day
        AND (versions.known_until IS NULL OR versions.known_until > compared.known_day)
    WHERE compared.part = 'before'
    GROUP BY compared.period, compared.part, compared.years_back, versions.district, versions.offense_class
),

both AS (
    SELECT * FROM settling
    UNION ALL
    SELECT period, part, years_back, district, offense_class, 0, 0, 0, 0, 0, 0, 0, seen FROM seen
),

counted AS (
    SELECT
        period,
        part,
        years_back,
        district,
        offense_class,
        sum(crimes) AS crimes,
        sum(late) AS late,
        sum(late_variance) AS late_variance,
        sum(late_error) AS late_error,
        sum(known) AS known,
        sum(known_variance) AS known_variance,
        sum(known_error) AS known_error,
        sum(seen) AS seen
    FROM both
    GROUP BY period, part, years_back, district, offense_class
),

places AS (
    SELECT DISTINCT district FROM counted
    UNION ALL
    SELECT 'all' AS district
),

classes AS (
    SELECT names.offense_class
    FROM (VALUES ('all'), ('violent'), ('property'), ('other')) AS names (offense_class)
    UNION ALL
    SELECT DISTINCT 'unmapped' AS offense_class FROM counted WHERE offense_class = 'unmapped'
),

cells AS (
    SELECT
        compared.period,
        compared.part,
        compared.years_back,
        compared.first_day,
        compared.last_day,
        compared.known_day,
        compared.is_whole,
        places.district,
        classes.offense_class
    FROM compared
    CROSS JOIN places
    CROSS JOIN classes
),

filled AS (
    SELECT
        cells.period,
        cells.part,
        cells.years_back,
        cells.first_day,
        cells.last_day,
        cells.known_day,
        cells.is_whole,
        cells.district,
        cells.offense_class,
        CAST(coalesce(sum(counted.crimes), 0) AS BIGINT) AS crimes,
        CAST(coalesce(sum(counted.late), 0) AS DOUBLE) / 1000000 AS late_crimes,
        CAST(coalesce(sum(counted.late_variance), 0) AS DOUBLE) / 1000000 AS late_variance,
        CAST(coalesce(sum(counted.late_error), 0) AS DOUBLE) / 1000000 AS late_error,
        CAST(coalesce(sum(counted.known), 0) AS DOUBLE) / 1000000 AS known,
        CAST(coalesce(sum(counted.known_variance), 0) AS DOUBLE) / 1000000 AS known_variance,
        CAST(coalesce(sum(counted.known_error), 0) AS DOUBLE) / 1000000 AS known_error,
        CAST(coalesce(sum(counted.seen), 0) AS BIGINT) AS seen
    FROM cells
    LEFT JOIN counted
        ON counted.period = cells.period
        AND counted.part = cells.part
        AND counted.years_back = cells.years_back
        AND (cells.district = 'all' OR counted.district IS NOT DISTINCT FROM cells.district)
        AND (cells.offense_class = 'all' OR counted.offense_class = cells.offense_class)
    GROUP BY
        cells.period,
        cells.part,
        cells.years_back,
        cells.first_day,
        cells.last_day,
        cells.known_day,
        cells.is_whole,
        cells.district,
        cells.offense_class
),

beside AS (
    SELECT
        period,
        district,
        offense_class,
        max(CASE WHEN part = 'now' THEN first_day END) AS first_day,
        max(CASE WHEN part = 'now' THEN last_day END) AS last_day,
        max(CASE WHEN part = 'now' THEN crimes END) AS crimes,
        max(CASE WHEN part = 'now' THEN late_crimes END) AS late_crimes,
        max(CASE WHEN part = 'now' THEN late_variance + late_error * late_error END) AS late_variance,
        max(CASE WHEN part = 'before' AND is_whole = 1 THEN crimes END) AS crimes_before_now,
        max(CASE WHEN part = 'before' AND is_whole = 1 THEN known END) AS known_before,
        max(CASE WHEN part = 'before' THEN known_variance + known_error * known_error END) AS known_variance,
        max(CASE WHEN part = 'before' AND is_whole = 1 THEN seen END) AS seen_before,
        max(CASE WHEN part = 'before' THEN known_day END) AS known_day,
        min(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_low,
        max(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_high,
        sum(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_sum,
        count(CASE WHEN part = 'past year' AND is_whole = 1 THEN 1 END) AS years
    FROM filled
    GROUP BY period, district, offense_class
),

-- Late records come in bursts that the whole city shares: their variance grows with the square of a part's own.
of_city AS (
    SELECT
        period,
        late_crimes AS city_late,
        crimes_before_now - known_before AS city_unknown
    FROM beside
    WHERE district = 'all' AND offense_class = 'all'
),

learned AS (
    SELECT max(is_learnt) AS is_learned, max(dispersion) - 1 AS bursts FROM completeness
),

-- What is pulled long after lacks records that were edited in between, of the present too: how many there will be in
-- the end cannot be told.
replayed AS (
    SELECT CASE WHEN count(*) = 0 THEN 1 ELSE 0 END AS is_replayed FROM seen_days WHERE known_day = :as_of_day
),

based AS (
    SELECT
        beside.period,
        beside.district,
        beside.offense_class,
        beside.first_day,
        beside.last_day,
        beside.crimes,
        beside.late_crimes,
        beside.crimes_before_now,
        beside.known_before,
        beside.seen_before,
        beside.known_day,
        beside.five_years_low,
        beside.five_years_high,
        beside.five_years_sum,
        beside.years,
        learned.is_learned,
        CASE
            WHEN beside.crimes_before_now IS NULL THEN NULL
            WHEN seen_days.known_day IS NOT NULL THEN 'seen'
            WHEN learned.is_learned = 1 THEN 'estimated'
            ELSE 'unknown'
        END AS before_basis,
        lacking.is_lacking,
        replayed.is_replayed,
        1.96 * sqrt(
            beside.late_variance
            + coalesce(
                CAST(beside.late_crimes * beside.late_crimes * learned.bursts AS DOUBLE)
                / NULLIF(of_city.city_late, 0),
                0
            )
        ) AS late_margin,
        1.96 * sqrt(
            beside.known_variance
            + coalesce(
                CAST(
                    (beside.crimes_before_now - beside.known_before) * (beside.crimes_before_now - beside.known_before)
                    * learned.bursts AS DOUBLE
                ) / NULLIF(of_city.city_unknown, 0),
                0
            )
        ) AS known_margin
    FROM beside
    JOIN of_city ON of_city.period = beside.period
    JOIN lacking ON lacking.period = beside.period
    LEFT JOIN seen_days ON seen_days.known_day = beside.known_day
    CROSS JOIN replayed
    CROSS JOIN learned
),

ranged AS (
    SELECT
        based.*,
        CASE before_basis
            WHEN 'seen' THEN seen_before
            WHEN 'estimated' THEN CAST(floor(known_before + 0.5) AS BIGINT)
            ELSE crimes_before_now
        END AS crimes_before,
        CASE
            WHEN before_basis <> 'estimated' THEN seen_before
            -- A replay shows of the days before what its stamps show, and lacks of the present what was edited since.
            WHEN is_replayed = 1 AND seen_before < known_before - known_margin THEN seen_before
            WHEN known_before < known_margin THEN 0
            ELSE CAST(floor(known_before - known_margin) AS BIGINT)
        END AS lowest,
        CASE
            WHEN before_basis = 'seen' THEN seen_before
            WHEN before_basis = 'estimated'
                AND (is_replayed = 0 OR known_day >= :serial_ids_from)
                AND known_before + known_margin < crimes_before_now
                THEN CAST(ceil(known_before + known_margin) AS BIGINT)
            ELSE crimes_before_now
        END AS highest
    FROM based
),

judged AS (
    SELECT
        ranged.*,
        -- What is known today can have lost records since: the ends never exclude the figure itself.
        CASE WHEN lowest > crimes_before THEN crimes_before ELSE lowest END AS crimes_before_low,
        CASE WHEN highest < crimes_before THEN crimes_before ELSE highest END AS crimes_before_high,
        CASE
            WHEN is_learned = 0 OR is_lacking = 1 OR is_replayed = 1 THEN NULL
            WHEN late_crimes > late_margin
                THEN crimes + CAST(floor(late_crimes - late_margin) AS BIGINT)
            ELSE crimes
        END AS crimes_in_the_end_low,
        CASE
            WHEN is_learned = 1 AND is_lacking = 0 AND is_replayed = 0
                THEN crimes + CAST(ceil(late_crimes + late_margin) AS BIGINT)
        END AS crimes_in_the_end_high
    FROM ranged
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    district,
    offense_class,
    crimes,
    crimes_before,
    before_basis,
    crimes_before_low,
    crimes_before_high,
    crimes_before_now,
    crimes - crimes_before AS change,
    2 * (sqrt(CAST(crimes AS DOUBLE)) - sqrt(CAST(crimes_before AS DOUBLE))) AS z_before,
    late_crimes,
    crimes_in_the_end_low,
    crimes_in_the_end_high,
    CASE
        WHEN 2 * (sqrt(CAST(crimes AS DOUBLE)) - sqrt(CAST(crimes_before_high AS DOUBLE))) >= 3 THEN 1
        WHEN 2 * (sqrt(CAST(crimes AS DOUBLE)) - sqrt(CAST(crimes_before_low AS DOUBLE))) <= -3 THEN -1
        ELSE 0
    END AS flag,
    five_years_low,
    five_years_high,
    CAST(five_years_sum AS DOUBLE) / NULLIF(years, 0) AS five_years_mean,
    years,
    CASE
        WHEN years = 0 THEN NULL
        WHEN crimes > five_years_high THEN 'above'
        WHEN coalesce(crimes_in_the_end_high, crimes) < five_years_low THEN 'below'
        ELSE 'within'
    END AS five_years_position
FROM judged
ORDER BY period, district NULLS LAST, offense_class
