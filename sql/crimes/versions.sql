-- All versions of the incoming ids: `candidates` are rows of the table (with the file they are in) and new ones
-- (without). The newest change stamp wins, then the version pulled last, whether it was new then or not; the digest
-- only decides ties that would otherwise be random. A new row that equals one in the table is not a version of its own.
WITH seen AS (
  SELECT
    *,
    MAX(ingested_at) OVER (PARTITION BY id, record_md5) AS seen_at,
    ROW_NUMBER() OVER (
      PARTITION BY id, record_md5 ORDER BY CASE WHEN filename IS NULL THEN 1 ELSE 0 END
    ) AS copy
  FROM candidates
)

SELECT
  *,
  filename IS NULL AS is_new,
  ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, seen_at DESC, record_md5 DESC) AS version_rank,
  FIRST_VALUE(change_day) OVER (PARTITION BY id ORDER BY updated_on DESC, seen_at DESC, record_md5 DESC) AS winning_day,
  ROW_NUMBER() OVER (
    PARTITION BY id, change_day ORDER BY updated_on DESC, seen_at DESC, record_md5 DESC
  ) AS rank_of_day
FROM seen
WHERE copy = 1
