-- Crimes by class, and of all classes, in stretches of $days days that end on the last complete day or a multiple of
-- $days before or after it, up to $stretches of them, with the counts expected once all is known. A stretch is left out
-- if one of its days is not published at all, or is before the first day with records. Records whose code is of no
-- class have rows if there are any.
WITH known AS (
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
  SELECT
    CAST(as_of_day - lag AS DATE) AS occurred_on,
    CAST(floor(date_diff('day', as_of_day - lag, last_complete_day) / $days) AS INTEGER) AS stretch
  FROM about
  CROSS JOIN (SELECT CAST(unnest(range(0, 730)) AS INTEGER) AS lag) AS lags
  WHERE CAST(as_of_day - lag AS DATE) >= (SELECT min(occurred_on) FROM days)
),

joined AS (
  SELECT
    calendar.stretch,
    calendar.occurred_on,
    names.offense_class,
    coalesce(known.crimes, 0) AS crimes,
    coalesce(delay.completeness, 1.0) AS completeness,
    coalesce(delay.unsettled, 0) AS unsettled
  FROM calendar
  CROSS JOIN names
  LEFT JOIN known ON known.occurred_on = calendar.occurred_on AND known.offense_class = names.offense_class
  LEFT JOIN insight_reporting_delay AS delay ON delay.occurred_on = calendar.occurred_on
)

SELECT
  min(occurred_on) AS first_day,
  max(occurred_on) AS last_day,
  offense_class,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  sum(crimes / completeness) AS expected_crimes,
  max(unsettled) AS unsettled
FROM joined
WHERE stretch < $stretches
GROUP BY stretch, offense_class
HAVING min(completeness) > 0 AND count(*) = $days
ORDER BY first_day, offense_class
