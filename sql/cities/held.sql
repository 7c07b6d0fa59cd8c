-- How much of each month a city's crimes have: rows, and days with a row; and the newest change day of any.
--
-- Reads `ranked_rows`, the rows of ranked.sql.
SELECT
  month,
  scheme,
  COUNT(*) AS row_count,
  COUNT(DISTINCT occurred_on) AS days,
  MAX(change_day) AS newest_change_day
FROM ranked_rows
GROUP BY month, scheme
ORDER BY month, scheme
