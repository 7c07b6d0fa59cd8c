-- The times of which the lake does not hold what was recorded: before its first record; every 28 days or more without a
-- record in the city, so that a stray old record does not make a year count as complete; and the last 90 days before a
-- change day that was never pulled, with which their late records would have come (:pulled_since is the day after the
-- last such day, is_unpulled is 1). A window is whole if it touches none of them; day_before and day_after are not part
-- of the gap.
WITH record_days AS (
    SELECT occurred_on AS record_day FROM crimes WHERE occurred_on <= :last_complete_day
    UNION
    SELECT CAST(date_add('day', 1, :last_complete_day) AS DATE) AS record_day
),

followed AS (
    SELECT lag(record_day) OVER (ORDER BY record_day) AS day_before, record_day AS day_after FROM record_days
)

SELECT day_before, day_after, 0 AS is_unpulled
FROM followed
WHERE day_before IS NULL OR date_diff('day', day_before, day_after) > 28
UNION ALL
SELECT CAST(date_add('day', -91, :pulled_since) AS DATE) AS day_before, :pulled_since AS day_after, 1 AS is_unpulled
WHERE :pulled_since > :first_change_day
