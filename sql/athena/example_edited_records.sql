-- Which records came in several versions, that is, were edited between pulls, and whether an arrest was added.
SELECT
  id,
  COUNT(DISTINCT _md5) AS versions,
  COUNT(DISTINCT arrest) > 1 AS arrest_changed,
  COUNT(DISTINCT primary_type) > 1 AS type_changed,
  MIN(updated_on) AS first_updated_on,
  MAX(updated_on) AS last_updated_on
FROM crime_landing.deliveries
WHERE city = 'chicago' AND change_day BETWEEN '2024-01-01' AND '2024-01-31'
GROUP BY id
HAVING COUNT(DISTINCT _md5) > 1
ORDER BY versions DESC, id
LIMIT 100
