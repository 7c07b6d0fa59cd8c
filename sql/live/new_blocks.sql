-- New reports of each station by the block of six hours in which they were registered, how many of them arrived before
-- the block was closed, and one of them.

SELECT
    station,
    block_number,
    COUNT(*) AS reports,
    CAST(SUM(CASE WHEN is_in_time THEN 1 ELSE 0 END) AS BIGINT) AS in_time,
    MIN(event_id) AS event_id
FROM new_reports
WHERE is_counted AND station IS NOT NULL
GROUP BY station, block_number
