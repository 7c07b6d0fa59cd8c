-- Crimes by hour and weekday for a choice of period, class, district and beat.
SELECT
  hour,
  iso_weekday,
  CAST(sum(crimes) AS BIGINT) AS crimes
FROM hours
WHERE period = $period
  AND $offense_class IN ('all', offense_class)
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY hour, iso_weekday
ORDER BY hour, iso_weekday
