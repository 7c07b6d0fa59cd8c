-- Crimes by month, with what is expected when all is known; only whole months of which every day has been published.
WITH known AS (
  SELECT month, sum(crimes) AS crimes
  FROM months
  WHERE $offense_class IN ('all', offense_class)
    AND $district IN ('all', coalesce(district, 'none'))
    AND $beat IN ('all', coalesce(beat, 'none'))
  GROUP BY month
),

late AS (
  SELECT
    CAST(date_trunc('month', delay.occurred_on) AS DATE) AS month,
    sum(coalesce(counted.crimes, 0) * (1 / nullif(delay.completeness, 0) - 1)) AS still_expected,
    min(delay.completeness) AS completeness,
    max(delay.unsettled) AS unsettled
  FROM insight_reporting_delay AS delay
  LEFT JOIN (
    SELECT occurred_on, sum(crimes) AS crimes
    FROM days
    WHERE $offense_class IN ('all', offense_class)
      AND $district IN ('all', coalesce(district, 'none'))
      AND $beat IN ('all', coalesce(beat, 'none'))
    GROUP BY occurred_on
  ) AS counted USING (occurred_on)
  GROUP BY 1
)

SELECT
  known.month AS first_day,
  CAST(last_day(known.month) AS DATE) AS last_day,
  CAST(known.crimes AS BIGINT) AS crimes,
  known.crimes + coalesce(late.still_expected, 0) AS expected_crimes,
  coalesce(late.unsettled, 0) AS unsettled
FROM known
LEFT JOIN late USING (month)
CROSS JOIN about
WHERE coalesce(late.completeness, 1) > 0 AND last_day(known.month) <= about.as_of_day
ORDER BY first_day
