-- One city's incidents: the rank of the row that stands for each and its month, as one number, NULL where no row counts;
-- and whether any row of it has an arrest.
--
-- Reads `ranked_rows`, the rows of ranked.sql.
SELECT
  scheme,
  MIN(CASE WHEN may_count THEN rank * 100000 + year(month) * 12 + month(month) END) AS first_row,
  BOOL_OR(arrest) AS has_arrest
FROM ranked_rows
GROUP BY scheme, incident_key
