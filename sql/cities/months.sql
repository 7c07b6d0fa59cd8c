-- How many rows and incidents a city's crimes have, by month, offense and scheme. Known arrests are incidents with one.
--
-- Reads `ranked_rows`, the rows of ranked.sql, and `incidents`, those of incidents.sql.
WITH counted_rows AS (
  SELECT month, scheme, offense, rank, COUNT(*) AS row_count
  FROM ranked_rows
  GROUP BY month, scheme, offense, rank
),

counted_incidents AS (
  SELECT scheme, first_row, COUNT(*) AS incidents, COUNT_IF(has_arrest) AS known_arrests
  FROM incidents
  WHERE first_row IS NOT NULL
  GROUP BY scheme, first_row
)

SELECT
  counted_rows.month,
  counted_rows.scheme,
  counted_rows.offense,
  CAST(SUM(counted_rows.row_count) AS BIGINT) AS row_count,
  CAST(COALESCE(SUM(counted_incidents.incidents), 0) AS BIGINT) AS incidents,
  CAST(COALESCE(SUM(counted_incidents.known_arrests), 0) AS BIGINT) AS known_arrests
FROM counted_rows
LEFT JOIN counted_incidents
  ON counted_incidents.scheme = counted_rows.scheme
  AND counted_incidents.first_row = counted_rows.rank * 100000 + year(counted_rows.month) * 12 + month(counted_rows.month)
GROUP BY counted_rows.month, counted_rows.scheme, counted_rows.offense
ORDER BY counted_rows.month, counted_rows.scheme, counted_rows.offense
