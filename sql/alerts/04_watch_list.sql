-- A vehicle of the watch list: a report names it, in whatever role, and arrives while it is on the list. Reports of any
-- kind and version are seen, up to seven days after they were registered; a vehicle is told apart by a keyed hash of
-- its number plate. Revisions come with two, four and eight reports of the day; further versions and copies of a report
-- are one with it. A cancelled report still counts.
--
-- @title A vehicle of the watch list
-- @window day
-- @evidence fir_id
-- @false_alarms None by chance: as many as plates that were written down wrongly.

WITH first_seen AS (
    SELECT
        new_named.*,
        ROW_NUMBER() OVER (
            PARTITION BY new_named.ref, new_named.day_number
            ORDER BY new_named.event_id, new_named.cell_lat NULLS LAST, new_named.cell_lon NULLS LAST
        ) AS place
    FROM new_named
),

counted AS (
    SELECT
        first_seen.ref,
        first_seen.day_number,
        first_seen.district,
        first_seen.cell_lat,
        first_seen.cell_lon,
        first_seen.event_id,
        COUNT(DISTINCT named.fir_id) AS reports
    FROM first_seen
    INNER JOIN named ON named.ref = first_seen.ref AND named.day_number = first_seen.day_number
    WHERE first_seen.place = 1
    GROUP BY
        first_seen.ref, first_seen.day_number, first_seen.district, first_seen.cell_lat, first_seen.cell_lon,
        first_seen.event_id
)

SELECT
    counted.ref AS subject,
    counted.district,
    counted.day_number AS window_number,
    levels.level AS revision,
    CAST(levels.factor AS BIGINT) AS at_least,
    CAST(NULL AS BIGINT) AS before_reports,
    CAST(NULL AS BIGINT) AS periods,
    counted.cell_lat,
    counted.cell_lon,
    counted.event_id
FROM counted
INNER JOIN (VALUES (1, 1), (2, 2), (3, 4), (4, 8)) AS levels (level, factor)
    ON counted.reports >= levels.factor
