-- Crimes of each type among the documents out of a legacy database, and persons in them, of crimes that are one item.
SELECT
  item.primary_type.s AS primary_type,
  COUNT(*) AS crimes,
  SUM(COALESCE(CARDINALITY(item.roles.l), 0)) AS persons
FROM crime_landing.documents
WHERE item.kind.s = 'crime' AND item.part.s = '-' AND item.parts.n IS NULL
GROUP BY item.primary_type.s
ORDER BY crimes DESC, primary_type
LIMIT 100
