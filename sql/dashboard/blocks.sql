-- Crimes by block and class, and of all classes, for a choice of period, district and beat.
SELECT
  block,
  CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  max(last_crime_on) AS last_crime_on,
  sum(latitude * crimes) / nullif(sum(crimes) FILTER (WHERE latitude IS NOT NULL), 0) AS latitude,
  sum(longitude * crimes) / nullif(sum(crimes) FILTER (WHERE longitude IS NOT NULL), 0) AS longitude
FROM blocks
WHERE period = $period
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY GROUPING SETS ((block, offense_class), (block))
ORDER BY crimes DESC, block NULLS LAST, offense_class
