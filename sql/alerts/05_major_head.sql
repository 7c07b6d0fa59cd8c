-- A report of one of the gravest kinds, once: whichever version of it first has that kind, up to seven days after it was
-- registered. A report that becomes another grave kind raises an alert of its own. That it was cancelled takes nothing
-- back. Of sensitive ones only the district is known.
--
-- @title A grave offense
-- @window fir
-- @evidence fir_id
-- @false_alarms None by chance: as many as reports under a wrong section.

WITH seen AS (
    SELECT
        new_reports.*,
        ROW_NUMBER() OVER (
            PARTITION BY new_reports.fir_id, new_reports.major_head
            ORDER BY new_reports.event_id, new_reports.cell_lat NULLS LAST, new_reports.cell_lon NULLS LAST
        ) AS place
    FROM new_reports
    WHERE new_reports.is_known
        AND new_reports.major_head IN (
            'murder', 'dacoity', 'kidnapping', 'rape', 'child offence', 'dowry death', 'riot'
        )
)

SELECT
    fir_id || '|' || major_head AS subject,
    district,
    0 AS window_number,
    1 AS revision,
    CAST(1 AS BIGINT) AS at_least,
    CAST(NULL AS BIGINT) AS before_reports,
    CAST(NULL AS BIGINT) AS periods,
    cell_lat,
    cell_lon,
    event_id
FROM seen
WHERE place = 1
