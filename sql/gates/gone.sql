-- Ids of crimes that the source no longer has: no version of them is in a gate. One that it publishes again is there.
SELECT id FROM crimes_removed
EXCEPT
SELECT id FROM crimes_now WHERE id IN (SELECT id FROM crimes_removed)
