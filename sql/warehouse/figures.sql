-- By month of registering (UTC): reports, their versions summed, and when the newest was registered. Any row that is
-- missing, repeated or of another version shows in them.
SELECT
  CAST(DATE_TRUNC('month', registered_at AT TIME ZONE 'UTC') AS DATE) AS month,
  COUNT(*) AS reports,
  SUM(version) AS versions,
  MAX(registered_at) AS newest
FROM fir_history
GROUP BY 1
ORDER BY 1;
