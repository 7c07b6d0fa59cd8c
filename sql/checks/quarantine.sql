-- Rows in quarantine by reason, the commonest first, beside the rows of the table.
SELECT
  reason,
  COUNT(*) AS quarantined,
  (SELECT COUNT(*) FROM crimes_now) AS typed
FROM crimes_quarantine
GROUP BY reason
ORDER BY quarantined DESC, reason
