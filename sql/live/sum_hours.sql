-- Reports of each station and hour: `added` has them as new_hours gives them, tick by tick.

SELECT station, hour_number, CAST(SUM(reports) AS BIGINT) AS reports
FROM added
GROUP BY station, hour_number
