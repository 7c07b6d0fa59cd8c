-- New reports of each station by the hour in which they were registered, and one of them.

SELECT
    station,
    hour_number,
    COUNT(*) AS reports,
    MIN(event_id) AS event_id
FROM new_reports
WHERE is_counted AND station IS NOT NULL
GROUP BY station, hour_number
