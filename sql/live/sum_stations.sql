-- The stations of what ticks have added, each once: `added` has them as new_stations gives them, tick by tick.

SELECT
    station,
    MIN(district) AS district,
    MIN(first_hour) AS first_hour,
    MIN(first_day) AS first_day,
    CAST(SUM(lat_sum) AS BIGINT) AS lat_sum,
    CAST(SUM(lon_sum) AS BIGINT) AS lon_sum,
    CAST(SUM(placed) AS BIGINT) AS placed
FROM added
GROUP BY station
