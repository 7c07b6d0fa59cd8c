-- Crimes by class, and of all classes, in stretches of $days days that end on the last complete day or a multiple of
-- $days before it, up to $stretches of them: of a city that does not say when records changed, so that nobody can tell
-- how many are still to come. A stretch is left out if one of its days is before the first day with records. Records
-- whose code is of no class have rows if there are any.
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
    CAST(last_complete_day - lag AS DATE) AS occurred_on,
    CAST(floor(lag / $days) AS INTEGER) AS stretch
  FROM about
  CROSS JOIN (SELECT CAST(unnest(range(0, 730)) AS INTEGER) AS lag) AS lags
  WHERE CAST(last_complete_day - lag AS DATE) >= (SELECT min(occurred_on) FROM days)
)

SELECT
  min(calendar.occurred_on) AS first_day,
  max(calendar.occurred_on) AS last_day,
  names.offense_class,
  CAST(coalesce(sum(known.crimes), 0) AS BIGINT) AS crimes
FROM calendar
CROSS JOIN names
LEFT JOIN known ON known.occurred_on = calendar.occurred_on AND known.offense_class = names.offense_class
WHERE calendar.stretch < $stretches
GROUP BY calendar.stretch, names.offense_class
HAVING count(*) = $days
ORDER BY first_day, names.offense_class
