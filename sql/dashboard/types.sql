-- Crimes by offense category for a choice of period, class, district and beat.
SELECT
  primary_type,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  sum(arrests) / nullif(sum(crimes), 0) AS arrest_share
FROM types
WHERE period = $period
  AND $offense_class IN ('all', offense_class)
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY primary_type
ORDER BY crimes DESC, primary_type NULLS LAST
