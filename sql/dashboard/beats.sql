-- The beats that records of a district have.
SELECT DISTINCT coalesce(beat, 'none') AS place
FROM places
WHERE $district IN ('all', coalesce(district, 'none'))
ORDER BY place
