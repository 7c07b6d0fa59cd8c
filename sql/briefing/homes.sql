-- The district and the community area in which most of a beat's crimes lie. The counts decide but are not in the
-- result.
WITH counted AS (
  SELECT beat, district, community_area, sum(crimes) AS crimes
  FROM places
  WHERE period = 'all' AND beat IS NOT NULL
  GROUP BY GROUPING SETS ((beat, district), (beat, community_area))
)

SELECT
  beat,
  first(district ORDER BY crimes DESC, district) FILTER (WHERE district IS NOT NULL) AS district,
  CAST(
    first(community_area ORDER BY crimes DESC, community_area) FILTER (WHERE community_area IS NOT NULL) AS VARCHAR
  ) AS community_area
FROM counted
GROUP BY beat
ORDER BY beat
