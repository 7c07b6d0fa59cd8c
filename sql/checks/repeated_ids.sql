-- The ids that stand in the table more than once, a few of them.
SELECT id, COUNT(*) AS row_count
FROM crimes_now
GROUP BY id
HAVING COUNT(*) > 1
ORDER BY id
LIMIT 10
