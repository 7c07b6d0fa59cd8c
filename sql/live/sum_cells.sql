-- Reports of each major head, cell and day: `added` has them as new_cells gives them, tick by tick.

SELECT
    head,
    cell_lat,
    cell_lon,
    MIN(block_lat) AS block_lat,
    MIN(block_lon) AS block_lon,
    day_number,
    CAST(SUM(reports) AS BIGINT) AS reports
FROM added
GROUP BY head, cell_lat, cell_lon, day_number
