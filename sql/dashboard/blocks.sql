-- Crimes by block for a choice of period, class, district and beat.
SELECT
  block,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  max(last_day) AS last_day,
  avg(latitude) AS latitude,
  avg(longitude) AS longitude
FROM blocks
WHERE period = $period
  AND $offense_class IN ('all', offense_class)
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY block
ORDER BY crimes DESC, block NULLS LAST
