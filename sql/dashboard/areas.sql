-- Crimes by district, community area or beat ($level) for a choice of period, class, district and beat.
SELECT
  CASE $level WHEN 'district' THEN district WHEN 'beat' THEN beat ELSE CAST(community_area AS VARCHAR) END AS area,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  CAST(sum(domestic_crimes) AS BIGINT) AS domestic_crimes
FROM places
WHERE period = $period
  AND $offense_class IN ('all', offense_class)
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY area
ORDER BY crimes DESC, area NULLS LAST
