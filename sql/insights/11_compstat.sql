-- What changed: each district and class of offense in the last 28 complete days against the 28 before, and in the year
-- to date against the year before, both beside the range of the five years before.
-- Windows end on the last complete day, eight days before the as-of day in Chicago, never today. Percentages are left
-- out on purpose: from 2 to 4 is not a real doubling. A flag is not proof. Chance alone flags about one cell in 30
-- where crimes come independently and nothing has changed, and one in 10 where there are only two or three crimes. Real
-- crimes move with the season and from year to year: in Chicago from 2016 to 2018 one cell in eight of 28d is flagged,
-- and four in ten of ytd, where counts are so large that a z of 3 is a few percent. So read a flag together with the
-- change and with the five years; these are few, and a value is often outside their range by chance. The newest days
-- still lack late records: late_crimes estimates how many, and a fall is flagged only if it remains one when they are
-- added. Windows that the lake does not hold completely are not compared: those before its first record, and those that
-- touch 28 days or more without any record in the city, so that a stray old record does not make a year count as
-- complete. A year to date that includes 29 February has one day more than the others.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, the 28 days that end on the last complete day, or ytd, from 1 January of its year to it.
-- @column first_day: First day of the period.
-- @column last_day: Last day of the period, the last complete day.
-- @column district: Police district; all for the city; NULL where it is not recorded. [district]
-- @column offense_class: violent or property index crime, other, or all.
-- @column crimes: Records that occurred in the period.
-- @column crimes_before: Records of the 28 days before (28d), or of the same days a year before (ytd); NULL where the
--   lake does not hold them whole. [occurred_on]
-- @column change: Crimes less crimes before. [occurred_on]
-- @column z_before: 2 * (sqrt(crimes) - sqrt(crimes before)); where nothing has changed it is 0 give or take 1.4.
--   [occurred_on]
-- @column late_crimes: Records of the period still to come, as estimated by insight_reporting_delay; 0 for days about
--   which nothing is known. [change_day]
-- @column flag: 1 for a rise, where z_before is 3 or more; -1 for a fall, where it is -3 or less and still is when the
--   late crimes are added; else 0. [change_day, occurred_on]
-- @column five_years_low: Fewest records of the same days in the five years before: for 28d, the 28 days that end on
--   the same date. [occurred_on]
-- @column five_years_high: Most records of the same days in the five years before. [occurred_on]
-- @column five_years_mean: Mean of the same. [occurred_on]
-- @column years: How many of the five years the lake holds whole. [occurred_on]
-- @column five_years_position: below, within or above that range; below only if late crimes do not change it; NULL
--   where there are no years. [change_day, occurred_on]
-- @chart bars district, change where period = 28d, offense_class = all
-- @count crimes: change, z_before, late_crimes, flag, five_years_position
-- @count crimes_before: change, z_before, flag
-- @count five_years_low: five_years_mean, five_years_position
-- @count five_years_high: five_years_mean, five_years_position
-- @adds_up district, offense_class
-- @key district, offense_class
-- @period 28d, ytd
-- @total crimes
-- @unsummed five_years_low, five_years_high: it is of another year in each district and class
-- @signed change, z_before, flag

WITH last_days AS (
    SELECT years_back, CAST(date_add('year', -years_back, :last_complete_day) AS DATE) AS last_day
    FROM (VALUES (0), (1), (2), (3), (4), (5)) AS years (years_back)
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

record_days AS (
    SELECT occurred_on AS record_day FROM crimes WHERE occurred_on <= :last_complete_day
    UNION
    SELECT CAST(date_add('day', 1, :last_complete_day) AS DATE) AS record_day
),

followed AS (
    SELECT lag(record_day) OVER (ORDER BY record_day) AS day_before, record_day AS day_after FROM record_days
),

-- The time before the first record, and every gap of 28 days or more without one.
gaps AS (
    SELECT day_before, day_after
    FROM followed
    WHERE day_before IS NULL OR date_diff('day', day_before, day_after) > 28
),

compared AS (
    SELECT
        windows.period,
        windows.part,
        windows.years_back,
        windows.first_day,
        windows.last_day,
        CASE WHEN count(gaps.day_after) = 0 THEN 1 ELSE 0 END AS is_whole
    FROM windows
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

settling AS (
    SELECT
        daily.occurred_on,
        daily.district,
        daily.offense_class,
        daily.crimes,
        daily.crimes * coalesce(completeness.late_per_million, 0) AS late_millionths
    FROM daily
    LEFT JOIN completeness ON completeness.days_since = date_diff('day', daily.occurred_on, :as_of_day)
),

counted AS (
    SELECT
        compared.period,
        compared.part,
        compared.years_back,
        settling.district,
        settling.offense_class,
        sum(settling.crimes) AS crimes,
        sum(settling.late_millionths) AS late_millionths
    FROM compared
    JOIN settling ON settling.occurred_on BETWEEN compared.first_day AND compared.last_day
    GROUP BY compared.period, compared.part, compared.years_back, settling.district, settling.offense_class
),

places AS (
    SELECT DISTINCT district FROM counted
    UNION ALL
    SELECT 'all' AS district
),

cells AS (
    SELECT
        compared.period,
        compared.part,
        compared.years_back,
        compared.first_day,
        compared.last_day,
        compared.is_whole,
        places.district,
        classes.offense_class
    FROM compared
    CROSS JOIN places
    CROSS JOIN (VALUES ('all'), ('violent'), ('property'), ('other')) AS classes (offense_class)
),

filled AS (
    SELECT
        cells.period,
        cells.part,
        cells.years_back,
        cells.first_day,
        cells.last_day,
        cells.is_whole,
        cells.district,
        cells.offense_class,
        CAST(coalesce(sum(counted.crimes), 0) AS BIGINT) AS crimes,
        CAST(coalesce(sum(counted.late_millionths), 0) AS DOUBLE) / 1000000 AS late_crimes
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
        max(CASE WHEN part = 'before' AND is_whole = 1 THEN crimes END) AS crimes_before,
        min(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_low,
        max(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_high,
        sum(CASE WHEN part = 'past year' AND is_whole = 1 THEN crimes END) AS five_years_sum,
        count(CASE WHEN part = 'past year' AND is_whole = 1 THEN 1 END) AS years
    FROM filled
    GROUP BY period, district, offense_class
),

judged AS (
    SELECT
        period,
        district,
        offense_class,
        first_day,
        last_day,
        crimes,
        crimes_before,
        2 * (sqrt(CAST(crimes AS DOUBLE)) - sqrt(CAST(crimes_before AS DOUBLE))) AS z_before,
        2 * (sqrt(crimes + late_crimes) - sqrt(CAST(crimes_before AS DOUBLE))) AS z_in_the_end,
        late_crimes,
        five_years_low,
        five_years_high,
        CAST(five_years_sum AS DOUBLE) / NULLIF(years, 0) AS five_years_mean,
        years
    FROM beside
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
    crimes - crimes_before AS change,
    z_before,
    late_crimes,
    CASE WHEN z_before >= 3 THEN 1 WHEN z_before <= -3 AND z_in_the_end <= -3 THEN -1 ELSE 0 END AS flag,
    five_years_low,
    five_years_high,
    five_years_mean,
    years,
    CASE
        WHEN years = 0 THEN NULL
        WHEN crimes > five_years_high THEN 'above'
        WHEN crimes + late_crimes < five_years_low THEN 'below'
        ELSE 'within'
    END AS five_years_position
FROM judged
ORDER BY period, district NULLS LAST, offense_class
