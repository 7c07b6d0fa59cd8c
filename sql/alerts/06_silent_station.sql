-- A station from which nothing came: no report that was registered in a block of six hours, and arrived within ten
-- minutes after it, though the same blocks of the same weekday had so many that none is rarer than chance. It compares
-- with the four to eight weeks before that lie after the first hour in which the station was seen, and there too with
-- reports that arrived within these ten minutes. Revision 2 withdraws the alert: reports of the block arrived later,
-- within an hour of being registered. A block closes when every shard has been read to ten minutes after its end. If
-- the stream itself brings nothing, every station is silent.
--
-- @title No reports from a station
-- @window block
-- @chance 4
-- @evidence station, block_number
-- @false_alarms At most 1 in 10,000 station-blocks, for any steady rate, if reports come independently. Only stations
--   with about ten reports in six hours can be watched at all.

-- A block can be missed only where there was one weeks before: however many close at once, those are few.
WITH candidates AS (
    SELECT blocks.station, blocks.block_number + 28 * weeks.week AS block_number
    FROM blocks
    CROSS JOIN UNNEST(sequence(1, 8)) AS weeks (week)
    WHERE blocks.block_number + 28 * weeks.week BETWEEN :closed_from AND :closed_to
    UNION
    SELECT new_blocks.station, new_blocks.block_number FROM new_blocks WHERE new_blocks.block_number <= :closed_to
),

silent AS (
    SELECT
        candidates.station,
        candidates.block_number,
        COALESCE(blocks.reports, 0) AS reports,
        new_blocks.event_id
    FROM candidates
    LEFT JOIN blocks ON blocks.station = candidates.station AND blocks.block_number = candidates.block_number
    LEFT JOIN new_blocks
        ON new_blocks.station = candidates.station AND new_blocks.block_number = candidates.block_number
    WHERE COALESCE(blocks.in_time, 0) = 0
),

earlier AS (
    SELECT silent.*, silent.block_number - 28 * weeks.week AS then_number
    FROM silent
    CROSS JOIN UNNEST(sequence(1, 8)) AS weeks (week)
),

history AS (
    SELECT
        earlier.station,
        earlier.block_number,
        earlier.reports,
        earlier.event_id,
        stations.district,
        COUNT(*) AS periods,
        CAST(COALESCE(SUM(blocks.in_time), 0) AS BIGINT) AS before_reports
    FROM earlier
    INNER JOIN stations ON stations.station = earlier.station AND stations.first_hour < 6 * earlier.then_number
    LEFT JOIN blocks ON blocks.station = earlier.station AND blocks.block_number = earlier.then_number
    GROUP BY earlier.station, earlier.block_number, earlier.reports, earlier.event_id, stations.district
)

-- After so many reports in so many periods, none in one more comes once in 10,000 times.
SELECT
    history.station AS subject,
    history.district,
    CAST(history.block_number AS INTEGER) AS window_number,
    revisions.revision,
    CAST(revisions.revision - 1 AS BIGINT) AS at_least,
    history.before_reports,
    history.periods,
    CAST(NULL AS INTEGER) AS cell_lat,
    CAST(NULL AS INTEGER) AS cell_lon,
    history.event_id
FROM history
INNER JOIN (VALUES (4, 42), (5, 51), (6, 60), (7, 69), (8, 79)) AS needed (periods, least)
    ON needed.periods = history.periods AND history.before_reports >= needed.least
INNER JOIN (VALUES (1), (2)) AS revisions (revision) ON history.reports >= revisions.revision - 1
