-- The districts that records have.
SELECT DISTINCT coalesce(district, 'none') AS place
FROM places
ORDER BY place
