-- Crimes by offense class, and in all, for a choice of period, district and beat; zeros where a class has none. Records
-- whose code is of no class have a row if there are any.
SELECT
  names.offense_class,
  CAST(coalesce(sum(places.crimes), 0) AS BIGINT) AS crimes,
  CAST(coalesce(sum(places.arrests), 0) AS BIGINT) AS arrests,
  sum(places.arrests) / nullif(sum(places.crimes), 0) AS arrest_share,
  CAST(coalesce(sum(places.domestic_crimes), 0) AS BIGINT) AS domestic_crimes
FROM (VALUES ('all'), ('violent'), ('property'), ('other'), ('unmapped')) AS names (offense_class)
LEFT JOIN places
  ON names.offense_class IN ('all', places.offense_class)
  AND places.period = $period
  AND $district IN ('all', coalesce(places.district, 'none'))
  AND $beat IN ('all', coalesce(places.beat, 'none'))
GROUP BY names.offense_class
HAVING names.offense_class <> 'unmapped' OR count(places.crimes) > 0
ORDER BY names.offense_class
