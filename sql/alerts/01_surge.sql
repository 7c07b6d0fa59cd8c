-- A station registers far more reports in an hour than in the same hour of the same weekday before: at least five, and
-- more than chance explains at a steady rate. It compares with the up to eight weeks before that lie after the first
-- hour in which the station was seen; an hour without reports is one with none. Revisions come at twice, four and eight
-- times the number that raises the alert. A cancelled report still counts, an amended one never counts again, and
-- sensitive reports, which name no station, are not seen. A surge that goes on raises an alert for every hour.
--
-- @title Far more reports than usual in an hour
-- @window hour
-- @chance 4
-- @evidence station, hour_number
-- @false_alarms At most 1 in 10,000 station-hours that have a report, or had one in the weeks before, for any steady
--   rate, if reports come independently: one a week with sixty busy stations. More if reports come in bunches.

WITH earlier AS (
    SELECT
        new_hours.station,
        new_hours.hour_number,
        new_hours.event_id,
        new_hours.hour_number - 168 * weeks.week AS then_number
    FROM new_hours
    CROSS JOIN UNNEST(sequence(1, 8)) AS weeks (week)
),

history AS (
    SELECT
        earlier.station,
        earlier.hour_number,
        earlier.event_id,
        stations.district,
        COUNT(*) AS periods,
        CAST(COALESCE(SUM(hours.reports), 0) AS BIGINT) AS before_reports
    FROM earlier
    INNER JOIN stations ON stations.station = earlier.station AND stations.first_hour < earlier.then_number
    LEFT JOIN hours ON hours.station = earlier.station AND hours.hour_number = earlier.then_number
    GROUP BY earlier.station, earlier.hour_number, earlier.event_id, stations.district
),

-- Beyond the table, twice as many as before are always more than the limit.
limited AS (
    SELECT history.*, COALESCE(limits.most, 2 * history.before_reports) + 1 AS more
    FROM history
    LEFT JOIN limits
        ON limits.chance = :chance
        AND limits.periods = history.periods
        AND limits.before_reports = history.before_reports
),

judged AS (
    SELECT limited.*, hours.reports, CASE WHEN limited.more < 5 THEN 5 ELSE limited.more END AS needed
    FROM limited
    INNER JOIN hours ON hours.station = limited.station AND hours.hour_number = limited.hour_number
)

SELECT
    judged.station AS subject,
    judged.district,
    judged.hour_number AS window_number,
    levels.level AS revision,
    judged.needed * levels.factor AS at_least,
    judged.before_reports,
    judged.periods,
    CAST(NULL AS INTEGER) AS cell_lat,
    CAST(NULL AS INTEGER) AS cell_lon,
    judged.event_id
FROM judged
INNER JOIN (VALUES (1, 1), (2, 2), (3, 4), (4, 8)) AS levels (level, factor)
    ON judged.reports >= judged.needed * levels.factor
