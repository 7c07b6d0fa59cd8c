-- The change days that brought records, from the lake's first on, each with the days from it to its first pull. One
-- that was pulled on the next day has 1; one that was pulled much later shows only the last stamps of its records.
SELECT change_day, min(days_after) AS days_after
FROM (
    SELECT change_day, date_diff('day', change_day, CAST(ingested_at AS DATE)) AS days_after
    FROM crimes
    WHERE change_day BETWEEN :first_change_day AND :as_of_day
    UNION ALL
    SELECT change_day, date_diff('day', change_day, CAST(ingested_at AS DATE)) AS days_after
    FROM crimes_superseded
    WHERE change_day BETWEEN :first_change_day AND :as_of_day
) AS arrivals
GROUP BY change_day
