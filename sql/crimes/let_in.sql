-- The versions `incoming` without those that a removed crime (`recorded`) had, or that are older: deliveries from before
-- it was removed may be merged again at any time. What was pulled later is let in: the source has it again.
SELECT *
FROM incoming
WHERE NOT EXISTS (
  SELECT 1
  FROM recorded
  WHERE recorded.id = incoming.id
    AND (
      recorded.updated_on > incoming.updated_on
      OR (recorded.updated_on = incoming.updated_on AND recorded.ingested_at >= incoming.ingested_at)
    )
)
