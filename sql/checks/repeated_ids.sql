-- A few of the ids that are in the table more than once.
SELECT id, COUNT(*) AS row_count
FROM crimes_now
GROUP BY id
HAVING COUNT(*) > 1
ORDER BY id
LIMIT 10
