-- New reports, of any kind and counted or not, that name a vehicle of the watch list, if they arrived while it was on
-- the list: from from_s on, and before until_s, seconds since 1970. The same report may be there in several versions.

WITH seen AS (
    SELECT new_reports.*, vehicles.ref
    FROM new_reports
    CROSS JOIN UNNEST(regexp_extract_all(new_reports.vehicles, '"ref": ?"([^"]+)"', 1)) AS vehicles (ref)
    WHERE new_reports.is_known
)

SELECT DISTINCT
    seen.ref,
    seen.day_number,
    seen.fir_id,
    seen.event_id,
    seen.district,
    seen.cell_lat,
    seen.cell_lon
FROM seen
INNER JOIN watch_list
    ON watch_list.ref = seen.ref AND seen.arrived_s >= watch_list.from_s AND seen.arrived_s < watch_list.until_s
