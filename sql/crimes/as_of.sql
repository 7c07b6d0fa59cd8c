-- What was known on a change day: the present row where it is no newer, else the newest version kept from before.
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
  ingested_at
FROM crimes_now
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
  ingested_at
FROM (
  SELECT
    *,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY updated_on DESC, ingested_at DESC, record_md5 DESC) AS recency
  FROM crimes_superseded
  WHERE change_day <= :as_of_day
) AS versions
WHERE recency = 1
  AND id IN (SELECT id FROM crimes_now WHERE change_day > :as_of_day)
