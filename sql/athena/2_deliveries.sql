-- The deliveries as they landed, one row per line: the source's record, every value a text, and the envelope's fields.
-- Athena computes the partitions (partition projection): name the city and days in every query. Hive, and Spark on
-- EMR, ignore those properties: there, MSCK REPAIR TABLE crime_landing.deliveries finds new days, or one at a time
-- ALTER TABLE crime_landing.deliveries ADD IF NOT EXISTS PARTITION (city = 'chicago', change_day = '2024-01-31').
-- A field that the source adds shows once it has a column here. A line that is not JSON makes the query fail.
CREATE EXTERNAL TABLE IF NOT EXISTS crime_landing.deliveries (
  `id` STRING,
  `case_number` STRING,
  `date` STRING,
  `block` STRING,
  `iucr` STRING,
  `primary_type` STRING,
  `description` STRING,
  `location_description` STRING,
  `arrest` STRING,
  `domestic` STRING,
  `beat` STRING,
  `district` STRING,
  `ward` STRING,
  `community_area` STRING,
  `fbi_code` STRING,
  `x_coordinate` STRING,
  `y_coordinate` STRING,
  `year` STRING,
  `updated_on` STRING,
  `latitude` STRING,
  `longitude` STRING,
  `_city` STRING,
  `_change_day` STRING,
  `_batch` STRING,
  `_pulled_at` STRING,
  `_md5` STRING
)
PARTITIONED BY (`city` STRING, `change_day` STRING)
ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'
LOCATION :landing
TBLPROPERTIES (
  'projection.enabled' = 'true',
  'projection.city.type' = 'injected',
  'projection.change_day.type' = 'date',
  'projection.change_day.format' = 'yyyy-MM-dd',
  'projection.change_day.range' = '2001-01-01,NOW+1DAY'
)
