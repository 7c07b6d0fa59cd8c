-- The days of which the lake itself saw what was known, from the day before its first change day on. A pull that came
-- more than three days after a day K spoils K, if it was of K or of a change day before it: of a record that was edited
-- between K and the pull only a later version came. So a replay, which pulls everything years later, has seen no day.
WITH days AS (
    SELECT CAST(date_add('day', CAST(number AS INTEGER), :first_change_day) AS DATE) AS known_day
    FROM UNNEST(
        sequence(-1, CAST(date_diff('day', :first_change_day, :as_of_day) AS INTEGER))
    ) AS numbers (number)
),

marked AS (
    SELECT
        days.known_day,
        max(CAST(date_add('day', CAST(pulls.days_after - 4 AS INTEGER), pulls.change_day) AS DATE))
            OVER (ORDER BY days.known_day ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) AS spoilt_until
    FROM days
    LEFT JOIN pulls
        ON pulls.change_day
            = CASE WHEN days.known_day < :first_change_day THEN :first_change_day ELSE days.known_day END
)

SELECT known_day
FROM marked
WHERE spoilt_until IS NULL OR spoilt_until < known_day
