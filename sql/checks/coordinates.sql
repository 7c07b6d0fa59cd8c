-- Places of the rows known on the as-of day: how many there are, how many lack one, and how many lie outside the city.
SELECT
  COUNT(*) AS row_count,
  COUNT(*) FILTER (WHERE latitude IS NULL OR longitude IS NULL) AS no_place,
  COUNT(*) FILTER (WHERE latitude < :south OR latitude > :north OR longitude < :west OR longitude > :east) AS outside
FROM crimes
