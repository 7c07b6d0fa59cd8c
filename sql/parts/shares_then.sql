-- Of the records of a day that are known now: the share that was known when the day was younger. A row for each number
-- of days from the day to then, 0 to 90, and from the day to now, where 91 stands for all longer times. As whole
-- numbers of a million records, so that sums are the same in any order: share_per_million were known then, the variance
-- of that is variance_per_million, and error_per_million the standard error from the uncertainty of completeness. A day
-- that was older then has no row: all that is known now was known then.
WITH ages AS (
    SELECT days_since, completeness, log_variance FROM completeness
    UNION ALL
    SELECT
        CAST(91 AS BIGINT) AS days_since,
        max(CASE WHEN days_since = 90 THEN completeness END) AS completeness,
        CAST(0 AS DOUBLE) AS log_variance
    FROM completeness
),

pairs AS (
    SELECT
        younger.days_since AS days_then,
        ages.days_since AS days_now,
        CASE WHEN ages.completeness > 0 THEN CAST(younger.completeness AS DOUBLE) / ages.completeness END AS share,
        CASE WHEN younger.log_variance > ages.log_variance THEN younger.log_variance - ages.log_variance
            ELSE CAST(0 AS DOUBLE) END AS log_variance
    FROM ages AS younger
    JOIN ages ON ages.days_since > younger.days_since
)

SELECT
    days_then,
    days_now,
    CAST(floor(share * 1000000 + 0.5) AS BIGINT) AS share_per_million,
    CAST(floor(share * (1 - share) * 1000000 + 0.5) AS BIGINT) AS variance_per_million,
    CAST(floor(share * sqrt(log_variance) * 1000000 + 0.5) AS BIGINT) AS error_per_million
FROM pairs
WHERE share IS NOT NULL
