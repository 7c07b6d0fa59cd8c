-- Crimes by offense class, and in all, for a choice of period, district and beat.
SELECT
  coalesce(offense_class, 'all') AS offense_class,
  CAST(coalesce(sum(crimes), 0) AS BIGINT) AS crimes,
  CAST(coalesce(sum(arrests), 0) AS BIGINT) AS arrests,
  sum(arrests) / nullif(sum(crimes), 0) AS arrest_share,
  CAST(coalesce(sum(domestic_crimes), 0) AS BIGINT) AS domestic_crimes
FROM places
WHERE period = $period
  AND $district IN ('all', coalesce(district, 'none'))
  AND $beat IN ('all', coalesce(beat, 'none'))
GROUP BY ROLLUP (offense_class)
ORDER BY offense_class
