-- Texts without the blanks around them; an empty text becomes NULL.
--
-- Reads `raw_records`: one text column for each column of `crimes` that a source can fill, and raw, record_md5,
-- ingested_at, damage, extra.
SELECT
  raw,
  record_md5,
  ingested_at,
  damage,
  extra,
  NULLIF(TRIM(id), '') AS id,
  NULLIF(TRIM(case_number), '') AS case_number,
  NULLIF(TRIM(occurred_at), '') AS occurred_at,
  NULLIF(TRIM(block), '') AS block,
  NULLIF(TRIM(iucr), '') AS iucr,
  NULLIF(TRIM(primary_type), '') AS primary_type,
  NULLIF(TRIM(description), '') AS description,
  NULLIF(TRIM(location_description), '') AS location_description,
  NULLIF(TRIM(arrest), '') AS arrest,
  NULLIF(TRIM(domestic), '') AS domestic,
  NULLIF(TRIM(beat), '') AS beat,
  NULLIF(TRIM(district), '') AS district,
  NULLIF(TRIM(ward), '') AS ward,
  NULLIF(TRIM(community_area), '') AS community_area,
  NULLIF(TRIM(fbi_code), '') AS fbi_code,
  NULLIF(TRIM(x_coordinate), '') AS x_coordinate,
  NULLIF(TRIM(y_coordinate), '') AS y_coordinate,
  NULLIF(TRIM(year), '') AS year,
  NULLIF(TRIM(updated_on), '') AS updated_on,
  NULLIF(TRIM(latitude), '') AS latitude,
  NULLIF(TRIM(longitude), '') AS longitude
FROM raw_records
