-- The rows in `leaving` that crimes_removed (`recorded`) does not have yet. A crime that was published again after its
-- removal was pulled again, so it has a different row.
SELECT *
FROM leaving
WHERE NOT EXISTS (
  SELECT 1
  FROM recorded
  WHERE recorded.id = leaving.id
    AND recorded.record_md5 = leaving.record_md5
    AND recorded.ingested_at = leaving.ingested_at
)
