-- All versions of the ids that came: `candidates` are rows of the table (with the file they are in) and new ones
-- (without). The newest change stamp wins, then the later pull; the digest only settles what would otherwise be chance.
-- A new row that equals one of the table is no version of its own.
SELECT
  c.*,
  c.filename IS NULL AS is_new,
  ROW_NUMBER() OVER (
    PARTITION BY c.id ORDER BY c.updated_on DESC, c.ingested_at DESC, c.record_md5 DESC
  ) AS version_rank,
  FIRST_VALUE(c.change_day) OVER (
    PARTITION BY c.id ORDER BY c.updated_on DESC, c.ingested_at DESC, c.record_md5 DESC
  ) AS winning_day,
  ROW_NUMBER() OVER (
    PARTITION BY c.id, c.change_day ORDER BY c.updated_on DESC, c.ingested_at DESC, c.record_md5 DESC
  ) AS rank_of_day
FROM candidates AS c
WHERE c.filename IS NOT NULL
  OR NOT EXISTS (
    SELECT 1
    FROM candidates AS k
    WHERE k.filename IS NOT NULL AND k.id = c.id AND k.record_md5 = c.record_md5
  )
