-- Reports of each station and block of six hours: `added` has them as new_blocks gives them, tick by tick.

SELECT
    station,
    block_number,
    CAST(SUM(reports) AS BIGINT) AS reports,
    CAST(SUM(in_time) AS BIGINT) AS in_time
FROM added
GROUP BY station, block_number
