-- The records in `arrived` (from the source) that the lake lacks: its rows (`held`) have no such id, or an older
-- version.
SELECT arrived.position
FROM arrived
LEFT JOIN held ON held.id = arrived.id
WHERE held.id IS NULL OR held.updated_on < arrived.updated_on
ORDER BY arrived.position
