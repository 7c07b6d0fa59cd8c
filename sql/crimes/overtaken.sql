-- The versions known on a change day of crimes that changed after it: the newest that was kept of each.
SELECT *
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, ingested_at DESC, record_md5 DESC) AS recency
  FROM crimes_superseded
  WHERE change_day <= :as_of_day
    AND id IN (SELECT id FROM crimes_now WHERE change_day > :as_of_day)
) AS versions
WHERE recency = 1
