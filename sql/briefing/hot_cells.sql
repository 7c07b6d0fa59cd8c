-- The cells that are hot in the last 28 complete days, the areas they are in, and what shows whether they are always
-- hot: the crimes in and around each cell in 28 and in 365 days; by class, the share of the city's crimes of 365 days
-- that fall in the 28; and how many cells and classes were examined. A cell without a crime of the class in 365 days
-- has NULL there.
WITH city AS (
  SELECT
    offense_class,
    CAST(sum(crimes) FILTER (WHERE period = '28d') AS DOUBLE) / sum(crimes) FILTER (WHERE period = '365d') AS share
  FROM insight_hotspots
  GROUP BY offense_class
)

SELECT
  now.offense_class,
  now.cell,
  now.crimes,
  cells.district,
  cells.community_area,
  now.local_crimes,
  year.local_crimes AS year_local_crimes,
  city.share AS city_share,
  (SELECT count(*) FROM insight_hotspots WHERE period = '365d') AS looked_at
FROM insight_hotspots AS now
JOIN city ON city.offense_class = now.offense_class
LEFT JOIN insight_hotspots AS year
  ON year.cell = now.cell AND year.offense_class = now.offense_class AND year.period = '365d'
LEFT JOIN cells ON cells.cell = now.cell
WHERE now.period = '28d' AND now.is_hot = 1
ORDER BY now.offense_class, now.cell
