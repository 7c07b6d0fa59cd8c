-- Crimes by district, community area or beat ($level) and class, and of all classes, for a choice of period, district
-- and beat.
SELECT
  CASE $level WHEN 'district' THEN district WHEN 'beat' THEN beat ELSE CAST(community_area AS VARCHAR) END AS area,
  CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  CAST(sum(arrests) AS BIGINT) AS arrests,
  CAST(sum(domestic_crimes) AS BIGINT) AS domestic_crimes
FROM places
WHERE period = $period
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY GROUPING SETS ((area, offense_class), (area))
ORDER BY crimes DESC, area NULLS LAST, offense_class
