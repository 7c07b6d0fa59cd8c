-- The cells that are hot in the last 28 days, the areas they lie in, and whether they are not hot over 365 days.
SELECT
  now.offense_class,
  now.cell,
  now.crimes,
  cells.district,
  cells.community_area,
  CAST(year.cell IS NULL AS INTEGER) AS is_new
FROM insight_hotspots AS now
LEFT JOIN insight_hotspots AS year
  ON year.cell = now.cell AND year.offense_class = now.offense_class AND year.period = '365d' AND year.is_hot = 1
LEFT JOIN cells ON cells.cell = now.cell
WHERE now.period = '28d' AND now.is_hot = 1
ORDER BY now.offense_class, now.cell
