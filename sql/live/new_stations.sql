-- The stations of new reports: their first hour and day among these, and the sum of their places in thousandths of a
-- degree.

SELECT
    station,
    MIN(district) AS district,
    MIN(hour_number) AS first_hour,
    MIN(day_number) AS first_day,
    CAST(COALESCE(SUM(cell_lat), 0) AS BIGINT) AS lat_sum,
    CAST(COALESCE(SUM(cell_lon), 0) AS BIGINT) AS lon_sum,
    COUNT(cell_lat) AS placed
FROM new_reports
WHERE is_counted AND station IS NOT NULL
GROUP BY station
