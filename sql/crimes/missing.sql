-- Which of the records `arrived` from the source the lake lacks: its rows (`held`) have none of that id, or an older
-- version.
SELECT arrived.position
FROM arrived
LEFT JOIN held ON held.id = arrived.id
WHERE held.id IS NULL OR held.updated_on < arrived.updated_on
ORDER BY arrived.position
