-- Rows (`held`) of differing months whose ids did not come with the source's records of these months: removed, changed
-- since, or now in another month.
SELECT id, updated_on
FROM held
WHERE change_day <= :until
  AND month IN (SELECT month FROM differing)
  AND id NOT IN (SELECT id FROM published_versions)
ORDER BY id
