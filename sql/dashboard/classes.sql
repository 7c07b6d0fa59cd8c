-- Crimes by offense class, and in all, for a choice of period, district and beat; zeros where a class has none.
SELECT
  names.offense_class,
  CAST(coalesce(sum(places.crimes), 0) AS BIGINT) AS crimes,
  CAST(coalesce(sum(places.arrests), 0) AS BIGINT) AS arrests,
  sum(places.arrests) / nullif(sum(places.crimes), 0) AS arrest_share,
  CAST(coalesce(sum(places.domestic_crimes), 0) AS BIGINT) AS domestic_crimes
FROM (VALUES ('all'), ('violent'), ('property'), ('other')) AS names (offense_class)
LEFT JOIN places
  ON names.offense_class IN ('all', places.offense_class)
  AND places.period = $period
  AND $district IN ('all', coalesce(places.district, 'none'))
  AND $beat IN ('all', coalesce(places.beat, 'none'))
GROUP BY names.offense_class
ORDER BY names.offense_class
