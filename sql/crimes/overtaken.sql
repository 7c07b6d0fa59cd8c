-- The versions known on a change day of crimes whose current row is newer or gone: the newest kept version of each,
-- unless the source was known to have removed it by then.
--
-- crimes_superseded has the columns of crimes, in their order, and so has crimes_removed, followed by removed_on and
-- noticed_at. Only the columns of crimes are used from the result.
WITH kept AS (
  SELECT crimes_superseded.*, CAST(NULL AS DATE) AS removed_on, CAST(NULL AS TIMESTAMP WITH TIME ZONE) AS noticed_at
  FROM crimes_superseded
  WHERE change_day <= :as_of_day
  UNION ALL
  SELECT *
  FROM crimes_removed
  WHERE change_day <= :as_of_day
),

ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, ingested_at DESC, record_md5 DESC) AS recency
  FROM kept
  WHERE id IN (SELECT id FROM crimes_now WHERE change_day > :as_of_day UNION ALL SELECT id FROM crimes_removed)
    -- A removed crime that the source publishes again also has a current row.
    AND id NOT IN (
      SELECT id FROM crimes_now WHERE change_day <= :as_of_day AND id IN (SELECT id FROM crimes_removed)
    )
)

SELECT *
FROM ranked
WHERE recency = 1 AND (removed_on IS NULL OR removed_on > :as_of_day)
