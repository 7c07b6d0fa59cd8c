-- Crimes by month and class, and of all classes, of a city that does not say when records changed: all whole months
-- after the first with records up to the last complete day. Records whose code is of no class have rows if there are
-- any.
WITH known AS (
  SELECT
    month,
    CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
    sum(crimes) AS crimes
  FROM months
  WHERE $district IN ('all', coalesce(district, 'none'))
    AND $beat IN ('all', coalesce(beat, 'none'))
  GROUP BY GROUPING SETS ((month, offense_class), (month))
),

names AS (
  SELECT listed.offense_class
  FROM (VALUES ('all'), ('violent'), ('property'), ('other')) AS listed (offense_class)
  UNION ALL
  SELECT DISTINCT offense_class FROM known WHERE offense_class = 'unmapped'
),

calendar AS (
  SELECT CAST(found.month AS DATE) AS month, CAST(last_day(found.month) AS DATE) AS last_day
  FROM about
  CROSS JOIN (
    SELECT unnest(generate_series(min(month), max(month), INTERVAL 1 MONTH)) AS month, min(month) AS first_month
    FROM months
  ) AS found
  -- The first month that the lake holds may have begun before its records do.
  WHERE found.month > found.first_month AND last_day(found.month) <= about.last_complete_day
)

SELECT
  calendar.month AS first_day,
  calendar.last_day,
  names.offense_class,
  CAST(coalesce(known.crimes, 0) AS BIGINT) AS crimes
FROM calendar
CROSS JOIN names
LEFT JOIN known ON known.month = calendar.month AND known.offense_class = names.offense_class
ORDER BY first_day, names.offense_class
