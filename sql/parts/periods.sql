-- The periods of insights, each with its first day; all end on the as-of day. NULL for `all` if nothing is known.
SELECT '28d' AS period, CAST(date_add('day', -27, :as_of_day) AS DATE) AS first_day
UNION ALL
SELECT '365d' AS period, CAST(date_add('day', -364, :as_of_day) AS DATE) AS first_day
UNION ALL
SELECT 'all' AS period, min(occurred_on) AS first_day FROM crimes WHERE occurred_on <= :as_of_day
