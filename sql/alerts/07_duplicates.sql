-- One matter reported twice: two reports with the same complainant, kind and day on which it happened, registered on
-- one day under two numbers, at whichever stations. Whoever counts reports counts it twice. Revisions come with four,
-- eight and sixteen. A cancelled report still counts, an amended one never counts again, and sensitive reports name no
-- complainant.
--
-- @title Perhaps reported twice
-- @window day
-- @evidence complainant_ref, major_head, occurred_day, day_number
-- @false_alarms None by chance: but one person can report two offenses of a kind, so ask before you count.

WITH touched AS (
    SELECT
        complainant_ref,
        head,
        occurred_day,
        day_number,
        MIN(district) AS district,
        MIN(event_id) AS event_id
    FROM new_complaints
    GROUP BY complainant_ref, head, occurred_day, day_number
),

counted AS (
    SELECT
        touched.complainant_ref,
        touched.head,
        touched.occurred_day,
        touched.day_number,
        touched.district,
        touched.event_id,
        COUNT(DISTINCT complaints.fir_id) AS reports
    FROM touched
    INNER JOIN complaints
        ON complaints.complainant_ref = touched.complainant_ref
        AND complaints.head = touched.head
        AND complaints.occurred_day = touched.occurred_day
        AND complaints.day_number = touched.day_number
    GROUP BY
        touched.complainant_ref, touched.head, touched.occurred_day, touched.day_number, touched.district,
        touched.event_id
)

SELECT
    counted.complainant_ref || '|' || counted.head || '|' || CAST(counted.occurred_day AS VARCHAR) AS subject,
    counted.district,
    counted.day_number AS window_number,
    levels.level AS revision,
    CAST(2 * levels.factor AS BIGINT) AS at_least,
    CAST(NULL AS BIGINT) AS before_reports,
    CAST(NULL AS BIGINT) AS periods,
    CAST(NULL AS INTEGER) AS cell_lat,
    CAST(NULL AS INTEGER) AS cell_lon,
    counted.event_id
FROM counted
INNER JOIN (VALUES (1, 1), (2, 2), (3, 4), (4, 8)) AS levels (level, factor)
    ON counted.reports >= 2 * levels.factor
