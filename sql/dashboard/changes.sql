-- The two windows of compstat side by side.
SELECT
  now.first_day,
  now.last_day,
  year.first_day AS year_first_day,
  now.district,
  now.offense_class,
  now.crimes,
  now.crimes_before,
  now.before_basis,
  now.crimes_before_low,
  now.crimes_before_high,
  now.crimes_before_now,
  now.change,
  now.z_before,
  now.late_crimes,
  now.crimes_in_the_end_low,
  now.crimes_in_the_end_high,
  now.flag,
  year.crimes AS year_crimes,
  year.crimes_before AS year_crimes_before,
  year.before_basis AS year_before_basis,
  year.crimes_before_low AS year_crimes_before_low,
  year.crimes_before_high AS year_crimes_before_high,
  year.crimes_before_now AS year_crimes_before_now,
  year.change AS year_change,
  year.z_before AS year_z_before,
  year.late_crimes AS year_late_crimes,
  year.crimes_in_the_end_low AS year_crimes_in_the_end_low,
  year.crimes_in_the_end_high AS year_crimes_in_the_end_high,
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
