-- Crimes of the newest day past the publication lag, and of the same weekday in the eight weeks before.
SELECT
  occurred_on,
  COUNT(*) AS crimes
FROM crimes
WHERE occurred_on IN (
  :newest_day,
  CAST(DATE_ADD('day', -7, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -14, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -21, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -28, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -35, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -42, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -49, :newest_day) AS DATE),
  CAST(DATE_ADD('day', -56, :newest_day) AS DATE)
)
GROUP BY occurred_on
ORDER BY occurred_on
