-- The versions known on a change day of crimes whose present row is newer or gone: the newest that was kept of each,
-- unless it is one that the source was known to have removed by then.
WITH kept AS (
  SELECT
    id,
    case_number,
    occurred_at,
    occurred_on,
    month,
    hour,
    iso_weekday,
    time_of_day,
    block,
    iucr,
    primary_type,
    primary_type_published,
    description,
    location_description,
    arrest,
    domestic,
    beat,
    district,
    ward,
    community_area,
    fbi_code,
    offense_class,
    is_index,
    is_violent,
    is_property,
    x_coordinate,
    y_coordinate,
    year,
    latitude,
    longitude,
    updated_on,
    change_day,
    record_md5,
    ingested_at,
    CAST(NULL AS DATE) AS removed_on
  FROM crimes_superseded
  WHERE change_day <= :as_of_day
  UNION ALL
  SELECT
    id,
    case_number,
    occurred_at,
    occurred_on,
    month,
    hour,
    iso_weekday,
    time_of_day,
    block,
    iucr,
    primary_type,
    primary_type_published,
    description,
    location_description,
    arrest,
    domestic,
    beat,
    district,
    ward,
    community_area,
    fbi_code,
    offense_class,
    is_index,
    is_violent,
    is_property,
    x_coordinate,
    y_coordinate,
    year,
    latitude,
    longitude,
    updated_on,
    change_day,
    record_md5,
    ingested_at,
    removed_on
  FROM crimes_removed
  WHERE change_day <= :as_of_day
),

ranked AS (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, ingested_at DESC, record_md5 DESC) AS recency
  FROM kept
  WHERE id IN (SELECT id FROM crimes_now WHERE change_day > :as_of_day UNION ALL SELECT id FROM crimes_removed)
    -- A removed crime that the source publishes again has a present row as well.
    AND id NOT IN (
      SELECT id FROM crimes_now WHERE change_day <= :as_of_day AND id IN (SELECT id FROM crimes_removed)
    )
)

SELECT *
FROM ranked
WHERE recency = 1 AND (removed_on IS NULL OR removed_on > :as_of_day)
