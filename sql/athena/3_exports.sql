-- Exports of the portal (CSV, with its headings in the first line), every value a text, as the SerDe returns it: an
-- empty one is an empty text. The columns of a file must be in this order. Files may be gzip, with names ending in .gz.
CREATE EXTERNAL TABLE IF NOT EXISTS crime_landing.exports (
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
  `location` STRING
)
ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
WITH SERDEPROPERTIES ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\')
LOCATION :exports
TBLPROPERTIES ('skip.header.line.count' = '1')
