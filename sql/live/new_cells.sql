-- New reports of each major head in each cell of a thousandth of a degree, by day, with the block of 5 × 5 cells that
-- has the cell, one of the reports and its district.

SELECT
    major_head AS head,
    cell_lat,
    cell_lon,
    day_number,
    MIN(block_lat) AS block_lat,
    MIN(block_lon) AS block_lon,
    COUNT(*) AS reports,
    MIN(district) AS district,
    MIN(event_id) AS event_id
FROM new_reports
WHERE is_counted AND cell_lat IS NOT NULL AND cell_lon IS NOT NULL
GROUP BY major_head, cell_lat, cell_lon, day_number
