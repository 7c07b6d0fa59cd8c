-- The same as incidents.sql for a city whose rows are incidents of their own.
--
-- Reads `ranked_rows`, the rows of ranked.sql.
SELECT
  scheme,
  CASE WHEN may_count THEN rank * 100000 + year(month) * 12 + month(month) END AS first_row,
  arrest AS has_arrest
FROM ranked_rows
