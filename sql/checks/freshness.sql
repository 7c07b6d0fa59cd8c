-- The newest day with a crime, and the newest change day, known on the as-of day.
SELECT
  MAX(occurred_on) AS newest_occurred_on,
  MAX(change_day) AS newest_change_day
FROM crimes
WHERE occurred_on <= :as_of_day
