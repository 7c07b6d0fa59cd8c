-- Which beats and community areas are out of line with their own history: the last 28 complete days against the 13
-- windows of 28 days before. The expected count of a unit is its share of the city's crimes in these windows, times the
-- city's crimes now: the season and late reporting affect the whole city and cancel out, and so does a rise of the
-- whole city, which compstat shows instead. A unit whose records come later than those of others would seem to fall, so
-- the windows before are counted as they were known when they were as old, where the lake saw that itself (windows_seen
-- of them). The control limits are those of the Poisson distribution, widened by the randomness of the history itself
-- and by the extra variation of such units from window to window (a negative binomial distribution); on each side, a
-- unit in line crosses them about once in a thousand times. Hundreds of units are watched, so expect as many alarms by
-- chance alone as false_alarms says, and check whether an alarm is still there tomorrow. An alarm says that something
-- is different, not why: a festival, a new way of recording or a moved boundary does it too. A festival in the history
-- widens the limits of all units for a year, and can cost an alarm. The spread is one for all: where it is uneven, or
-- shares drift, there are several times as many alarms as false_alarms says. A unit that is a large part of the city
-- affects the others: if it doubles, they seem to fall. Windows are used that begin after the last gap: before the
-- lake's first record, 28 days or more without a record, or a change day that was never pulled. With fewer than three
-- there are no limits and no alarms, nor while nothing at all is recorded. A unit with little history or none has wide
-- limits, so that two records under a mistaken number are no alarm. Records without the unit are left out. The greatest
-- rise comes first, units with fewer than ten crimes last.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: Always 28d.
-- @column first_day: First day of the period.
-- @column last_day: Last day of the period, the last complete day.
-- @column unit_kind: beat or community area.
-- @column unit: Beat, or number of the community area. [beat, community_area]
-- @column crimes: Records of the unit in the period. [occurred_on]
-- @column expected_crimes: Its share of history_crimes of all units of its kind, times their crimes in the period; NULL
--   without history. [beat, community_area, occurred_on]
-- @column lower_limit: The smallest number of crimes that is no alarm; 0 where few are no alarm either. [beat,
--   community_area, occurred_on]
-- @column upper_limit: The largest number of crimes that is no alarm. [beat, community_area, occurred_on]
-- @column z_expected: 2 * (sqrt(crimes) - sqrt(expected_crimes)): about how many standard deviations crimes are off, if
--   they come independently. [beat, community_area, occurred_on]
-- @column alarm: 1 above the upper limit, -1 below the lower limit, else 0. [beat, community_area, occurred_on]
-- @column history_crimes: Records of the unit in the windows before. [occurred_on]
-- @column windows: Windows of 28 days before the period that are used, at most 13. [occurred_on]
-- @column windows_seen: How many of these are counted as the lake knew them when they were as old as the period is now;
--   the others as they are known today.
-- @column dispersion: How much more units of that kind varied than the Poisson distribution: the variance is mean +
--   dispersion * mean squared. [beat, community_area, occurred_on]
-- @column false_alarms: Alarms to expect in all units of that kind if none was out of line. [beat, community_area,
--   occurred_on]
-- @chart bars unit, z_expected where unit_kind = beat
-- @count crimes: z_expected, alarm
-- @count history_crimes: expected_crimes, lower_limit, upper_limit, z_expected, alarm
-- @ranked
-- @adds_up unit_kind, unit
-- @key unit_kind, unit
-- @period 28d
-- @total crimes
-- @area unit: beat where unit_kind = beat
-- @area unit: community_area where unit_kind = community area
-- @signed z_expected, alarm
-- @python early_warning

WITH numbered AS (
    SELECT window_number, CAST(date_add('day', CAST(-28 * window_number AS INTEGER), :as_of_day) AS DATE) AS known_day
    FROM UNNEST(sequence(0, 13)) AS windows (window_number)
),

-- Window 0 is the period, 1 the 28 days before it, and so on.
counted_windows AS (
    SELECT
        CAST(numbered.window_number AS BIGINT) AS window_number,
        CAST(
            date_add('day', CAST(-27 - 28 * numbered.window_number AS INTEGER), :last_complete_day) AS DATE
        ) AS first_day,
        CAST(date_add('day', CAST(-28 * numbered.window_number AS INTEGER), :last_complete_day) AS DATE) AS last_day,
        numbered.known_day,
        CASE WHEN numbered.window_number > 0 AND seen_days.known_day IS NOT NULL THEN 1 ELSE 0 END AS is_seen
    FROM numbered
    LEFT JOIN seen_days ON seen_days.known_day = numbered.known_day
),

recent_crimes AS (
    SELECT
        versions.beat,
        CAST(versions.community_area AS VARCHAR) AS community_area,
        counted_windows.window_number
    FROM counted_windows
    JOIN versions
        ON versions.occurred_on BETWEEN counted_windows.first_day AND counted_windows.last_day
        AND (
            (
                counted_windows.is_seen = 1
                AND versions.known_from <= counted_windows.known_day
                AND (versions.known_until IS NULL OR versions.known_until > counted_windows.known_day)
            )
            OR (counted_windows.is_seen = 0 AND versions.known_until IS NULL)
        )
),

units AS (
    SELECT 'beat' AS unit_kind, beat AS unit, window_number FROM recent_crimes WHERE beat IS NOT NULL
    UNION ALL
    SELECT 'community area' AS unit_kind, community_area AS unit, window_number
    FROM recent_crimes
    WHERE community_area IS NOT NULL
),

-- Whole windows since the last gap, the period not counted: the day after a gap belongs to them.
covered AS (
    SELECT
        CAST(
            floor(CAST(date_diff('day', max(day_after), :last_complete_day) + 1 AS DOUBLE) / 28) AS BIGINT
        ) - 1 AS windows
    FROM gaps
),

used AS (
    SELECT
        CASE WHEN max(covered.windows) > 13 THEN 13 WHEN max(covered.windows) < 0 THEN 0 ELSE max(covered.windows) END
            AS windows,
        sum(
            CASE
                WHEN counted_windows.window_number BETWEEN 1 AND covered.windows AND counted_windows.is_seen = 1 THEN 1
                ELSE 0
            END
        ) AS windows_seen
    FROM counted_windows
    CROSS JOIN covered
)

SELECT
    :as_of_day AS as_of_day,
    CAST(date_add('day', -27, :last_complete_day) AS DATE) AS first_day,
    :last_complete_day AS last_day,
    units.unit_kind,
    units.unit,
    units.window_number,
    count(*) AS crimes,
    max(used.windows) AS windows,
    CAST(max(used.windows_seen) AS BIGINT) AS windows_seen
FROM units
CROSS JOIN used
GROUP BY units.unit_kind, units.unit, units.window_number
ORDER BY units.unit_kind, units.unit, units.window_number
