-- The periods that insights speak of, each with its first day and up to the as-of day; NULL for `all` where nothing is
-- known.
SELECT '28d' AS period, CAST(date_add('day', -27, :as_of_day) AS DATE) AS first_day
UNION ALL
SELECT '365d' AS period, CAST(date_add('day', -364, :as_of_day) AS DATE) AS first_day
UNION ALL
SELECT 'all' AS period, min(occurred_on) AS first_day FROM crimes WHERE occurred_on <= :as_of_day
