-- From which day on the lake itself saw what was known on each day: the day before its first change day, or the last
-- change day that was not pulled within three days, whichever is later. What was edited or published before such a pull
-- came with its last change stamp only. `late_until` is that last change day; NULL if all were pulled in time.
WITH latest AS (
    SELECT max(change_day) AS late_until FROM pulls WHERE days_after > 3
)

SELECT
    CASE
        WHEN late_until IS NOT NULL THEN late_until
        ELSE CAST(date_add('day', -1, :first_change_day) AS DATE)
    END AS seen_since,
    late_until
FROM latest
