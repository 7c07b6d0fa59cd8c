-- The places of the permitted crimes and of older versions of them, and how many crimes are at each. What is no place on
-- the earth, infinite or not a number, is left out.
SELECT latitude, longitude, sum(crimes) AS crimes
FROM (
  SELECT latitude, longitude, 1 AS crimes FROM permitted
  UNION ALL
  SELECT latitude, longitude, 0 AS crimes FROM older
)
WHERE latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180
GROUP BY latitude, longitude
