-- Records of an export whose change should have been delivered on certain days but was not.
SELECT exported.id, exported.updated_on, exported.primary_type
FROM crime_landing.exports AS exported
LEFT JOIN (
  SELECT DISTINCT id
  FROM crime_landing.deliveries
  WHERE city = 'chicago' AND change_day BETWEEN '2024-01-01' AND '2024-01-31'
) AS delivered ON delivered.id = exported.id
WHERE delivered.id IS NULL
  AND CAST(DATE_PARSE(exported.updated_on, '%m/%d/%Y %I:%i:%s %p') AS DATE) BETWEEN DATE '2024-01-01' AND DATE '2024-01-31'
ORDER BY exported.id
LIMIT 100
