-- The versions in `incoming`, without those that a removed crime (`recorded`) had, or older ones: deliveries from
-- before the removal may be merged again at any time. Versions pulled later are let in: the source has the crime again.
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
