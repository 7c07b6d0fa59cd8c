-- Crimes by offense category and class, and of all classes, for a choice of period, district and beat.
SELECT
  primary_type,
  CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  sum(arrests) / nullif(sum(crimes), 0) AS arrest_share
FROM types
WHERE period = $period
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY GROUPING SETS ((primary_type, offense_class), (primary_type))
ORDER BY crimes DESC, primary_type NULLS LAST, offense_class
