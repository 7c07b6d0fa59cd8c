-- How many lines were delivered for each change day, with how many records, in how many batches.
SELECT
  change_day,
  COUNT(*) AS lines,
  COUNT(DISTINCT id) AS records,
  COUNT(DISTINCT _batch) AS batches,
  MAX(_pulled_at) AS last_pulled_at
FROM crime_landing.deliveries
WHERE city = 'chicago' AND change_day BETWEEN '2024-01-01' AND '2024-01-31'
GROUP BY change_day
ORDER BY change_day
