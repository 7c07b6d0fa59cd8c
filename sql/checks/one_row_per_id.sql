-- How many rows the table has, and how many ids more than once. Looks at the whole table, whatever the as-of day.
SELECT
  COUNT(*) AS row_count,
  COUNT(DISTINCT id) AS ids,
  COUNT(*) - COUNT(DISTINCT id) AS surplus_rows
FROM crimes_now
