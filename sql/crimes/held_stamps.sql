-- Records in the lake whose newest version has a change stamp up to a day, by month of occurrence: how many there are,
-- and the sums of the parts of their stamps. Counted are rows of crimes and records in quarantine, of each the newest
-- version; the month is NULL if the source's time of occurrence gives none.
--
-- Reads `held` (id, month, updated_on, change_day of all rows) and `quarantine_texts` (record_md5, id, occurred_at,
-- updated_on as the source wrote them).
WITH rejected AS (
  SELECT
    CASE WHEN REGEXP_LIKE(id, '^[0-9]{1,18}([.]0+)?$') THEN CAST(SPLIT_PART(id, '.', 1) AS BIGINT) END AS row_id,
    COALESCE(id, record_md5) AS record,
    parse_timestamp(occurred_at) AS occurred_at,
    parse_timestamp(updated_on) AS updated_on
  FROM quarantine_texts
),

known AS (
  SELECT CAST(id AS VARCHAR) AS record, month, updated_on, 0 AS is_rejected
  FROM held
  UNION ALL
  SELECT
    COALESCE(CAST(row_id AS VARCHAR), record) AS record,
    CASE WHEN YEAR(occurred_at) BETWEEN 1900 AND 2100 THEN CAST(DATE_TRUNC('month', occurred_at) AS DATE) END AS month,
    updated_on,
    1 AS is_rejected
  FROM rejected
  WHERE updated_on IS NOT NULL
),

newest AS (
  SELECT
    month,
    updated_on,
    ROW_NUMBER() OVER (PARTITION BY record ORDER BY updated_on DESC, is_rejected, month) AS recency
  FROM known
)

SELECT
  month,
  COUNT(*) AS records,
  SUM(YEAR(updated_on)) AS years,
  SUM(MONTH(updated_on)) AS months,
  SUM(DAY(updated_on)) AS days,
  SUM(HOUR(updated_on)) AS hours,
  SUM(MINUTE(updated_on)) AS minutes,
  SUM(SECOND(updated_on)) AS seconds
FROM newest
WHERE recency = 1 AND CAST(updated_on AS DATE) <= :until
GROUP BY month
