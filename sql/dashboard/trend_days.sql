-- Crimes by stretches of $days days that end on the last complete day or a multiple of them before or after it, as far
-- back as $stretches of them, with what is expected when all is known. Days that the city has not published at all are
-- left out, and so is a stretch with such a day.
WITH known AS (
  SELECT occurred_on, sum(crimes) AS crimes
  FROM days
  WHERE $offense_class IN ('all', offense_class)
    AND $district IN ('all', coalesce(district, 'none'))
    AND $beat IN ('all', coalesce(beat, 'none'))
  GROUP BY occurred_on
),

calendar AS (
  SELECT
    CAST(as_of_day - lag AS DATE) AS occurred_on,
    CAST(floor((date_diff('day', as_of_day - lag, last_complete_day)) / $days) AS INTEGER) AS stretch
  FROM about, (SELECT CAST(unnest(range(0, 730)) AS INTEGER) AS lag)
),

joined AS (
  SELECT
    calendar.stretch,
    calendar.occurred_on,
    coalesce(known.crimes, 0) AS crimes,
    coalesce(delay.completeness, 1.0) AS completeness,
    coalesce(delay.unsettled, 0) AS unsettled
  FROM calendar
  LEFT JOIN known USING (occurred_on)
  LEFT JOIN insight_reporting_delay AS delay USING (occurred_on)
)

SELECT
  min(occurred_on) AS first_day,
  max(occurred_on) AS last_day,
  CAST(sum(crimes) AS BIGINT) AS crimes,
  sum(crimes / completeness) AS expected_crimes,
  max(unsettled) AS unsettled
FROM joined
WHERE stretch < $stretches
GROUP BY stretch
HAVING min(completeness) > 0 AND count(*) = $days
ORDER BY first_day
