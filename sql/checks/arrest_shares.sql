-- Arrests recorded, by offense class: crimes of 28 days that have had eight weeks for an arrest to be recorded,
-- compared with those of the 365 days before them.
SELECT
  offense_class,
  COUNT(*) FILTER (WHERE occurred_on > CAST(DATE_ADD('day', -84, :as_of_day) AS DATE)) AS recent_crimes,
  COUNT(*) FILTER (WHERE occurred_on > CAST(DATE_ADD('day', -84, :as_of_day) AS DATE) AND arrest) AS recent_arrests,
  COUNT(*) FILTER (WHERE occurred_on <= CAST(DATE_ADD('day', -84, :as_of_day) AS DATE)) AS year_crimes,
  COUNT(*) FILTER (WHERE occurred_on <= CAST(DATE_ADD('day', -84, :as_of_day) AS DATE) AND arrest) AS year_arrests
FROM crimes
WHERE occurred_on <= CAST(DATE_ADD('day', -56, :as_of_day) AS DATE)
  AND occurred_on > CAST(DATE_ADD('day', -449, :as_of_day) AS DATE)
GROUP BY offense_class
ORDER BY offense_class
