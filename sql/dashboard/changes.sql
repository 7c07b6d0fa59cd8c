-- The two windows of compstat side by side.
SELECT
  now.first_day,
  now.last_day,
  year.first_day AS year_first_day,
  now.district,
  now.offense_class,
  now.crimes,
  now.crimes_before,
  now.change,
  now.z_before,
  now.late_crimes,
  now.flag,
  year.crimes AS year_crimes,
  year.crimes_before AS year_crimes_before,
  year.change AS year_change,
  year.z_before AS year_z_before,
  year.late_crimes AS year_late_crimes,
  year.flag AS year_flag,
  year.five_years_low,
  year.five_years_high,
  year.five_years_position
FROM insight_compstat AS now
JOIN insight_compstat AS year
  ON year.district IS NOT DISTINCT FROM now.district AND year.offense_class = now.offense_class
WHERE now.period = '28d'
  AND year.period = 'ytd'
ORDER BY now.district = 'all' DESC, now.district NULLS LAST, now.offense_class
