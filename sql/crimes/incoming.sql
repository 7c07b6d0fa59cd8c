-- The distinct versions in `typed` that could be typed; for a version that came twice, the later pull.
SELECT *
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id, record_md5 ORDER BY ingested_at DESC) AS recency
  FROM typed
  WHERE reason IS NULL
) AS versions
WHERE recency = 1
