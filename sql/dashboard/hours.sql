-- Crimes by hour, weekday and class, and of all classes, for a choice of period, district and beat.
SELECT
  hour,
  iso_weekday,
  CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
  CAST(sum(crimes) AS BIGINT) AS crimes
FROM hours
WHERE period = $period
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY GROUPING SETS ((hour, iso_weekday, offense_class), (hour, iso_weekday))
ORDER BY hour, iso_weekday, offense_class
