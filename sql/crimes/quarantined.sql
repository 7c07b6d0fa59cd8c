-- The records in `typed` that could not be typed, each once, as they first came.
SELECT
  record_md5,
  RTRIM(RTRIM(reason), ';') AS reason,
  raw,
  id_text AS id,
  updated_on_text AS updated_on,
  ingested_at
FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY record_md5 ORDER BY ingested_at) AS age
  FROM typed
  WHERE reason IS NOT NULL
) AS records
WHERE age = 1
