-- Ids and change stamps of records that came from the source, typed; reads `published` (position, id, updated_on).
SELECT
  position,
  CASE WHEN REGEXP_LIKE(TRIM(id), '^[0-9]{1,18}([.]0+)?$') THEN CAST(SPLIT_PART(TRIM(id), '.', 1) AS BIGINT) END AS id,
  parse_timestamp(TRIM(updated_on)) AS updated_on
FROM published
