-- The different versions among `typed` that can be typed; of a version that came twice, the later pull.
SELECT *
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY id, record_md5 ORDER BY ingested_at DESC) AS recency
  FROM typed
  WHERE reason IS NULL
) AS versions
WHERE recency = 1
