-- Crimes of whole months by class. A month is whole if it had ended by the last complete day, which insights know: later
-- ones still grow, because the city publishes the last days late.
WITH complete AS (
    SELECT max(last_day) AS last_day
    FROM {{ source(var('city'), 'insight_crime_summary') }}
    WHERE period = '28d'
)

SELECT crimes.month, crimes.offense_class, count(*) AS crimes
FROM {{ ref('stg_crimes') }} AS crimes
CROSS JOIN complete
WHERE crimes.month + INTERVAL '1' MONTH <= complete.last_day + INTERVAL '1' DAY
GROUP BY crimes.month, crimes.offense_class
