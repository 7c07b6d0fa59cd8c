-- Raw texts become typed, classified rows. A row whose `reason` is not NULL cannot be typed and goes to quarantine.
--
-- Reads `trimmed_records` (trimmed.sql), `city_offense_codes` (code, offense_class, offense), `city_renames` (published,
-- present) and `city_unknown` (column_name, marker). `parse_timestamp` is the city's own, made by the engine. Whole
-- numbers may end with ".0" from a spreadsheet; other numbers may have a decimal comma if it cannot be a thousands
-- separator. Numbers and codes with thousands separators are not read: such a comma means different things in different
-- countries. Each engine converts letters beyond ASCII to upper case in its own way: a code with such a letter stays as
-- it was published. What nearly every row has is asked for first, in the way that takes the least work.
WITH parsed AS (
  SELECT
    *,
    TRY_CAST(CASE WHEN REGEXP_LIKE(id, '^[0-9]{1,18}$') THEN id WHEN REGEXP_LIKE(id, '^[0-9]{1,18}[.]0+$') THEN SPLIT_PART(id, '.', 1) END AS BIGINT) AS v_id,
    parse_timestamp(occurred_at) AS v_occurred_at,
    parse_timestamp(updated_on) AS v_updated_on,
    parse_timestamp(reported_at) AS v_reported_at,
    CASE WHEN arrest = 'true' THEN TRUE WHEN arrest = 'false' THEN FALSE WHEN LOWER(arrest) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE WHEN LOWER(arrest) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END AS v_arrest,
    CASE WHEN domestic = 'true' THEN TRUE WHEN domestic = 'false' THEN FALSE WHEN LOWER(domestic) IN ('true', 't', 'yes', 'y', '1', '1.0') THEN TRUE WHEN LOWER(domestic) IN ('false', 'f', 'no', 'n', '0', '0.0') THEN FALSE END AS v_domestic,
    TRY_CAST(CASE WHEN REGEXP_LIKE(ward, '^[0-9]{1,9}$') THEN ward WHEN REGEXP_LIKE(ward, '^[0-9]{1,9}[.]0+$') THEN SPLIT_PART(ward, '.', 1) END AS INTEGER) AS v_ward,
    TRY_CAST(CASE WHEN REGEXP_LIKE(community_area, '^[0-9]{1,9}$') THEN community_area WHEN REGEXP_LIKE(community_area, '^[0-9]{1,9}[.]0+$') THEN SPLIT_PART(community_area, '.', 1) END AS INTEGER) AS v_community_area,
    TRY_CAST(CASE WHEN REGEXP_LIKE(year, '^[0-9]{4}$') THEN year WHEN REGEXP_LIKE(year, '^[0-9]{4}[.]0+$') THEN SPLIT_PART(year, '.', 1) END AS INTEGER) AS v_year,
    TRY_CAST(CASE WHEN REGEXP_LIKE(x_coordinate, '^-?[0-9]{1,12}([.][0-9]*)?$') THEN x_coordinate WHEN REGEXP_LIKE(x_coordinate, '^-?[0-9]{1,12},[0-9]*$') AND NOT REGEXP_LIKE(x_coordinate, '^-?[0-9]{1,3},[0-9]{3}$') THEN REPLACE(x_coordinate, ',', '.') END AS DOUBLE) AS v_x_coordinate,
    TRY_CAST(CASE WHEN REGEXP_LIKE(y_coordinate, '^-?[0-9]{1,12}([.][0-9]*)?$') THEN y_coordinate WHEN REGEXP_LIKE(y_coordinate, '^-?[0-9]{1,12},[0-9]*$') AND NOT REGEXP_LIKE(y_coordinate, '^-?[0-9]{1,3},[0-9]{3}$') THEN REPLACE(y_coordinate, ',', '.') END AS DOUBLE) AS v_y_coordinate,
    TRY_CAST(CASE WHEN REGEXP_LIKE(latitude, '^-?[0-9]{1,3}([.][0-9]*)?$') THEN latitude WHEN REGEXP_LIKE(latitude, '^-?[0-9]{1,3},[0-9]*$') THEN REPLACE(latitude, ',', '.') END AS DOUBLE) AS v_latitude,
    TRY_CAST(CASE WHEN REGEXP_LIKE(longitude, '^-?[0-9]{1,3}([.][0-9]*)?$') THEN longitude WHEN REGEXP_LIKE(longitude, '^-?[0-9]{1,3},[0-9]*$') THEN REPLACE(longitude, ',', '.') END AS DOUBLE) AS v_longitude,
    CASE WHEN NOT REGEXP_LIKE(iucr, '[^0-9A-Z]') THEN iucr WHEN REGEXP_LIKE(iucr, '^[0-9]+[.]0+$') THEN SPLIT_PART(iucr, '.', 1) WHEN REGEXP_LIKE(iucr, '^[0-9]{1,3}(,[0-9]{3})+([.]0+)?$') THEN NULL WHEN REGEXP_LIKE(iucr, '[^ -~]') THEN iucr ELSE UPPER(iucr) END AS v_iucr,
    CASE WHEN NOT REGEXP_LIKE(beat, '[^0-9A-Z]') THEN beat WHEN REGEXP_LIKE(beat, '^[0-9]+[.]0+$') THEN SPLIT_PART(beat, '.', 1) WHEN REGEXP_LIKE(beat, '^[0-9]{1,3}(,[0-9]{3})+([.]0+)?$') THEN NULL WHEN REGEXP_LIKE(beat, '[^ -~]') THEN beat ELSE UPPER(beat) END AS v_beat,
    CASE WHEN NOT REGEXP_LIKE(district, '[^0-9A-Z]') THEN district WHEN REGEXP_LIKE(district, '^[0-9]+[.]0+$') THEN SPLIT_PART(district, '.', 1) WHEN REGEXP_LIKE(district, '^[0-9]{1,3}(,[0-9]{3})+([.]0+)?$') THEN NULL WHEN REGEXP_LIKE(district, '[^ -~]') THEN district ELSE UPPER(district) END AS v_district,
    CASE WHEN REGEXP_LIKE(fbi_code, '[^ -~]') THEN fbi_code ELSE UPPER(fbi_code) END AS v_fbi_code
  FROM trimmed_records
),

judged AS (
  SELECT
    *,
    CASE
      WHEN damage IS NOT NULL THEN damage
      -- True for nearly every row; computing its reasons would take longer than everything else here.
      WHEN v_id IS NOT NULL
        AND YEAR(v_occurred_at) BETWEEN 1900 AND 2100
        AND YEAR(v_updated_on) BETWEEN 1900 AND 2100
        AND (arrest IS NULL OR v_arrest IS NOT NULL)
        AND (domestic IS NULL OR v_domestic IS NOT NULL)
        AND (ward IS NULL OR v_ward IS NOT NULL)
        AND (community_area IS NULL OR v_community_area IS NOT NULL)
        AND (reported_at IS NULL OR v_reported_at IS NOT NULL)
        AND (year IS NULL OR v_year IS NOT NULL)
        AND (x_coordinate IS NULL OR v_x_coordinate IS NOT NULL)
        AND (y_coordinate IS NULL OR v_y_coordinate IS NOT NULL)
        AND (latitude IS NULL OR v_latitude IS NOT NULL)
        AND (longitude IS NULL OR v_longitude IS NOT NULL)
        AND (iucr IS NULL OR v_iucr IS NOT NULL)
        AND (beat IS NULL OR v_beat IS NOT NULL)
        AND (district IS NULL OR v_district IS NOT NULL)
        THEN NULL
      ELSE NULLIF(
        CONCAT(
          CASE WHEN id IS NULL THEN 'id is missing; ' WHEN v_id IS NULL THEN 'id is no whole number; ' ELSE '' END,
          CASE WHEN occurred_at IS NULL THEN 'occurred_at is missing; ' WHEN v_occurred_at IS NULL OR YEAR(v_occurred_at) NOT BETWEEN 1900 AND 2100 THEN 'occurred_at is no time; ' ELSE '' END,
          CASE WHEN updated_on IS NULL THEN 'updated_on is missing; ' WHEN v_updated_on IS NULL OR YEAR(v_updated_on) NOT BETWEEN 1900 AND 2100 THEN 'updated_on is no time; ' ELSE '' END,
          CASE WHEN arrest IS NOT NULL AND v_arrest IS NULL THEN 'arrest is neither true nor false; ' ELSE '' END,
          CASE WHEN domestic IS NOT NULL AND v_domestic IS NULL THEN 'domestic is neither true nor false; ' ELSE '' END,
          CASE WHEN ward IS NOT NULL AND v_ward IS NULL THEN 'ward is no whole number; ' ELSE '' END,
          CASE WHEN community_area IS NOT NULL AND v_community_area IS NULL THEN 'community_area is no whole number; ' ELSE '' END,
          CASE WHEN reported_at IS NOT NULL AND v_reported_at IS NULL THEN 'reported_at is no time; ' ELSE '' END,
          CASE WHEN year IS NOT NULL AND v_year IS NULL THEN 'year is no year; ' ELSE '' END,
          CASE WHEN x_coordinate IS NOT NULL AND v_x_coordinate IS NULL THEN 'x_coordinate is no number; ' ELSE '' END,
          CASE WHEN y_coordinate IS NOT NULL AND v_y_coordinate IS NULL THEN 'y_coordinate is no number; ' ELSE '' END,
          CASE WHEN latitude IS NOT NULL AND v_latitude IS NULL THEN 'latitude is no number; ' ELSE '' END,
          CASE WHEN longitude IS NOT NULL AND v_longitude IS NULL THEN 'longitude is no number; ' ELSE '' END,
          CASE WHEN iucr IS NOT NULL AND v_iucr IS NULL THEN 'iucr is no code; ' ELSE '' END,
          CASE WHEN beat IS NOT NULL AND v_beat IS NULL THEN 'beat is no code; ' ELSE '' END,
          CASE WHEN district IS NOT NULL AND v_district IS NULL THEN 'district is no code; ' ELSE '' END,
          CASE
            WHEN REGEXP_LIKE(CONCAT_WS('|', id, ward, community_area, year, x_coordinate, y_coordinate, iucr, beat, district), '(^|[|])-?[0-9]{1,3}(,[0-9]{3})+([.][0-9]*)?([|]|$)')
              THEN 'numbers with thousands separators are not read; '
            ELSE ''
          END
        ),
        ''
      )
    END AS reason,
    -- The city publishes one far-away point, with x and y zero, if it does not know the place.
    COALESCE(v_x_coordinate = 0 AND v_y_coordinate = 0, FALSE)
    OR COALESCE(ABS(v_latitude - :unknown_latitude) < 0.000001 AND ABS(v_longitude - :unknown_longitude) < 0.000001, FALSE) AS no_place
  FROM parsed
)

SELECT
  j.v_id AS id,
  j.case_number,
  j.v_occurred_at AS occurred_at,
  CAST(j.v_occurred_at AS DATE) AS occurred_on,
  CAST(DATE_TRUNC('month', j.v_occurred_at) AS DATE) AS month,
  CAST(HOUR(j.v_occurred_at) AS INTEGER) AS hour,
  -- Counted from a Monday: engines number weekdays in three ways.
  CAST(MOD(DATE_DIFF('day', DATE '1900-01-01', CAST(j.v_occurred_at AS DATE)), 7) + 1 AS INTEGER) AS iso_weekday,
  CASE
    WHEN HOUR(j.v_occurred_at) < 6 THEN 'night'
    WHEN HOUR(j.v_occurred_at) < 12 THEN 'morning'
    WHEN HOUR(j.v_occurred_at) < 18 THEN 'afternoon'
    ELSE 'evening'
  END AS time_of_day,
  j.v_reported_at AS reported_at,
  j.report_type,
  j.block,
  j.offense_code,
  CASE WHEN LENGTH(j.v_iucr) < :iucr_width THEN LPAD(j.v_iucr, :iucr_width, '0') ELSE j.v_iucr END AS iucr,
  COALESCE(r.present, j.primary_type) AS primary_type,
  j.primary_type AS primary_type_published,
  j.description,
  j.location_description,
  j.v_arrest AS arrest,
  j.v_domestic AS domestic,
  CASE WHEN LENGTH(j.v_beat) < :beat_width THEN LPAD(j.v_beat, :beat_width, '0') ELSE j.v_beat END AS beat,
  CASE WHEN LENGTH(j.v_district) < :district_width THEN LPAD(j.v_district, :district_width, '0') ELSE j.v_district END AS district,
  CASE WHEN CAST(j.v_ward AS VARCHAR) NOT IN (SELECT marker FROM city_unknown WHERE column_name = 'ward') THEN j.v_ward END AS ward,
  CASE WHEN CAST(j.v_community_area AS VARCHAR) NOT IN (SELECT marker FROM city_unknown WHERE column_name = 'community_area') THEN j.v_community_area END AS community_area,
  j.neighborhood,
  j.v_fbi_code AS fbi_code,
  j.nibrs_code,
  c.offense AS nibrs_offense,
  COALESCE(c.offense_class, 'unmapped') AS offense_class,
  COALESCE(c.offense_class IN ('violent', 'property'), FALSE) AS is_index,
  COALESCE(c.offense_class = 'violent', FALSE) AS is_violent,
  COALESCE(c.offense_class = 'property', FALSE) AS is_property,
  CASE WHEN NOT j.no_place THEN j.v_x_coordinate END AS x_coordinate,
  CASE WHEN NOT j.no_place THEN j.v_y_coordinate END AS y_coordinate,
  j.v_year AS year,
  CASE WHEN NOT j.no_place THEN j.v_latitude END AS latitude,
  CASE WHEN NOT j.no_place THEN j.v_longitude END AS longitude,
  j.v_updated_on AS updated_on,
  CAST(j.v_updated_on AS DATE) AS change_day,
  j.record_md5,
  j.ingested_at,
  j.extra,
  j.reason,
  CASE WHEN j.reason IS NOT NULL THEN j.raw END AS raw,
  CASE WHEN j.reason IS NOT NULL THEN j.id END AS id_text,
  CASE WHEN j.reason IS NOT NULL THEN j.updated_on END AS updated_on_text
FROM judged AS j
LEFT JOIN city_renames AS r ON r.published = j.primary_type
LEFT JOIN city_offense_codes AS c ON c.code = COALESCE(j.nibrs_code, j.v_fbi_code)
