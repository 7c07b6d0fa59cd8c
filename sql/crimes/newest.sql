-- For each repeated id in `typed`, the version that wins. Records of one publication have the same stamp: the one that
-- was reported first wins.
SELECT *
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, ingested_at DESC, reported_at, record_md5 DESC) AS version_rank
  FROM typed
  WHERE reason IS NULL
    AND id IN (SELECT id FROM repeated)
) AS versions
WHERE version_rank = 1
