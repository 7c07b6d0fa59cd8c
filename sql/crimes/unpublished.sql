-- Rows (`held`) of the months that differ whose ids did not come with the source's records of these months: removed,
-- changed since, or of another month now.
SELECT id, updated_on
FROM held
WHERE change_day <= :until
  AND month IN (SELECT month FROM differing)
  AND id NOT IN (SELECT id FROM published_versions)
ORDER BY id
