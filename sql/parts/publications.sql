-- When the records of the last 145 days were first published: how many of each day on which change day.
--
-- It is the change day of a record's first version, if the lake pulled that day in time. Later pulls and histories show
-- only the last stamp of a record, however often it was edited. Where the city numbers its records as they are reported
-- the id tells better: a record was reported by the first change day with ten ids as great or greater
-- (greatest_ids.sql), and published then or when the city's lag was over.
WITH recent AS (
    SELECT id, occurred_on, change_day
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('day', -145, :as_of_day) AS DATE) AND :as_of_day
),

older AS (
    SELECT id, min(change_day) AS change_day
    FROM crimes_superseded
    WHERE change_day <= :as_of_day
    GROUP BY id
),

dated AS (
    SELECT id, CAST(NULL AS DATE) AS reported_by FROM recent
    UNION ALL
    SELECT id, change_day AS reported_by FROM greatest_ids
),

reported AS (
    SELECT
        id,
        reported_by,
        min(reported_by) OVER (
            ORDER BY id, reported_by NULLS FIRST ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS reported_on
    FROM dated
),

first_seen AS (
    SELECT
        recent.id,
        recent.occurred_on,
        CAST(
            date_add(
                'day', CAST(date_diff('day', :last_complete_day, :as_of_day) - 1 AS INTEGER), recent.occurred_on
            ) AS DATE
        ) AS lag_over_on,
        CASE WHEN older.change_day < recent.change_day THEN older.change_day ELSE recent.change_day END AS seen_on
    FROM recent
    LEFT JOIN older ON older.id = recent.id
),

-- The first day on which the record could be published, as far as its id tells.
first_possible AS (
    SELECT
        first_seen.occurred_on,
        first_seen.seen_on,
        CASE WHEN pulls.days_after <= 3 THEN 1 ELSE 0 END AS is_seen_in_time,
        CASE
            WHEN reported.reported_on < first_seen.lag_over_on THEN first_seen.lag_over_on
            ELSE reported.reported_on
        END AS possible_on
    FROM first_seen
    LEFT JOIN reported ON reported.id = first_seen.id AND reported.reported_by IS NULL
    LEFT JOIN pulls ON pulls.change_day = first_seen.seen_on
),

first_versions AS (
    SELECT
        occurred_on,
        CASE WHEN is_seen_in_time = 0 AND possible_on < seen_on THEN possible_on ELSE seen_on END AS published_on
    FROM first_possible
)

SELECT occurred_on, published_on, count(*) AS crimes
FROM first_versions
GROUP BY occurred_on, published_on
