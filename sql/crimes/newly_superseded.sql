-- The `losers` that crimes_superseded (`kept`) does not have yet: it keeps the version that each change day ended with.
SELECT *
FROM losers
WHERE NOT EXISTS (
  SELECT 1
  FROM kept
  WHERE kept.id = losers.id
    AND kept.change_day = losers.change_day
    AND (
      kept.record_md5 = losers.record_md5
      OR kept.updated_on > losers.updated_on
      OR (kept.updated_on = losers.updated_on AND kept.ingested_at > losers.ingested_at)
      OR (
        kept.updated_on = losers.updated_on
        AND kept.ingested_at = losers.ingested_at
        AND kept.record_md5 > losers.record_md5
      )
    )
)
