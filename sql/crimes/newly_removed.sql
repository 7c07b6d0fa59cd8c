-- The rows `leaving` crimes that crimes_removed (`recorded`) does not have yet. A crime that was published again after it
-- had been removed was pulled again, so its row is another.
SELECT *
FROM leaving
WHERE NOT EXISTS (
  SELECT 1
  FROM recorded
  WHERE recorded.id = leaving.id
    AND recorded.record_md5 = leaving.record_md5
    AND recorded.ingested_at = leaving.ingested_at
)
