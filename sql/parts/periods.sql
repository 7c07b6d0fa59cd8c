-- The periods of insights, each with its first and its last day. 28d and 365d are whole: they end on the last complete
-- day, the last one of which the city has published nearly everything. `all` is everything known, up to the as-of day;
-- it has no first day if nothing is known.
SELECT
    '28d' AS period,
    CAST(date_add('day', -27, :last_complete_day) AS DATE) AS first_day,
    :last_complete_day AS last_day
UNION ALL
SELECT
    '365d' AS period,
    CAST(date_add('day', -364, :last_complete_day) AS DATE) AS first_day,
    :last_complete_day AS last_day
UNION ALL
SELECT 'all' AS period, min(occurred_on) AS first_day, :as_of_day AS last_day
FROM crimes
WHERE occurred_on <= :as_of_day
