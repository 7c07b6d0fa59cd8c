-- The district that most records of each beat have.
SELECT beat, district
FROM places
WHERE period = 'all' AND beat IS NOT NULL AND district IS NOT NULL
GROUP BY beat, district
QUALIFY row_number() OVER (PARTITION BY beat ORDER BY sum(crimes) DESC, district) = 1
ORDER BY beat
