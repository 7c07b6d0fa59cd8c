-- Crimes by month and class, and of all classes, with the counts expected once all is known: all whole months from the
-- first with records to the last of which every day has been published. Records whose code is of no class have rows if
-- there are any.
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

recent AS (
  SELECT
    occurred_on,
    CASE WHEN grouping(offense_class) = 1 THEN 'all' ELSE offense_class END AS offense_class,
    sum(crimes) AS crimes
  FROM days
  WHERE $district IN ('all', coalesce(district, 'none'))
    AND $beat IN ('all', coalesce(beat, 'none'))
  GROUP BY GROUPING SETS ((occurred_on, offense_class), (occurred_on))
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
  WHERE found.month > found.first_month AND last_day(found.month) <= about.as_of_day
),

late AS (
  SELECT
    CAST(date_trunc('month', delay.occurred_on) AS DATE) AS month,
    names.offense_class,
    sum(coalesce(recent.crimes, 0) * (1 / nullif(delay.completeness, 0) - 1)) AS still_expected,
    min(delay.completeness) AS completeness,
    max(delay.unsettled) AS unsettled
  FROM insight_reporting_delay AS delay
  CROSS JOIN names
  LEFT JOIN recent ON recent.occurred_on = delay.occurred_on AND recent.offense_class = names.offense_class
  GROUP BY ALL
)

SELECT
  calendar.month AS first_day,
  calendar.last_day,
  names.offense_class,
  CAST(coalesce(known.crimes, 0) AS BIGINT) AS crimes,
  coalesce(known.crimes, 0) + coalesce(late.still_expected, 0) AS expected_crimes,
  coalesce(late.unsettled, 0) AS unsettled
FROM calendar
CROSS JOIN names
LEFT JOIN known ON known.month = calendar.month AND known.offense_class = names.offense_class
LEFT JOIN late ON late.month = calendar.month AND late.offense_class = names.offense_class
WHERE coalesce(late.completeness, 1) > 0
ORDER BY first_day, offense_class
