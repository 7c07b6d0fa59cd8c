-- Rows in quarantine by reason, the most common first, compared with the rows of the table; and how many of both came
-- with the last pull that brought anything new.
WITH last_pull AS (
  SELECT MAX(ingested_at) AS pulled_at
  FROM (SELECT ingested_at FROM crimes_now UNION ALL SELECT ingested_at FROM crimes_quarantine) AS pulls
)

SELECT
  reason,
  COUNT(*) AS quarantined,
  (SELECT COUNT(*) FROM crimes_now) AS typed,
  COUNT(CASE WHEN ingested_at = pulled_at THEN 1 END) AS quarantined_last,
  (SELECT COUNT(*) FROM crimes_now CROSS JOIN last_pull WHERE ingested_at = pulled_at) AS typed_last
FROM crimes_quarantine CROSS JOIN last_pull
GROUP BY reason
ORDER BY quarantined DESC, reason
