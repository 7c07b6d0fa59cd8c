-- How many records with a change stamp up to a day the lake holds of each month of occurrence: rows of crimes, and
-- records in quarantine whose crime has no row; NULL where the source's time of occurrence gives no month.
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

newest AS (
  SELECT
    row_id,
    CASE WHEN YEAR(occurred_at) BETWEEN 1900 AND 2100 THEN CAST(DATE_TRUNC('month', occurred_at) AS DATE) END AS month,
    ROW_NUMBER() OVER (PARTITION BY COALESCE(CAST(row_id AS VARCHAR), record) ORDER BY updated_on DESC) AS recency
  FROM rejected
  WHERE CAST(updated_on AS DATE) <= :until
)

SELECT month, COUNT(*) AS records
FROM (
  SELECT month FROM held WHERE change_day <= :until
  UNION ALL
  SELECT month FROM newest WHERE recency = 1 AND (row_id IS NULL OR row_id NOT IN (SELECT id FROM held))
) AS records
GROUP BY month
