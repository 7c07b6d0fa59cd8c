-- Which record versions were delivered more than once, the most frequent first. Look-back and retried puts cause this;
-- it is harmless.
SELECT
  id,
  _md5,
  COUNT(*) AS times,
  COUNT(DISTINCT change_day) AS days,
  MIN(_pulled_at) AS first_pulled_at,
  MAX(_pulled_at) AS last_pulled_at
FROM crime_landing.deliveries
WHERE city = 'chicago' AND change_day BETWEEN '2024-01-01' AND '2024-01-31'
GROUP BY id, _md5
HAVING COUNT(*) > 1
ORDER BY times DESC, id, _md5
LIMIT 100
