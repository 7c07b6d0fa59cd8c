-- One city's crimes in the form that all cities have. Parameters are facts of the city (records/across.py).
--
-- Reads `ranked_rows`, the rows of ranked.sql. A row `counts` if it stands for its incident: of the rows that are counted
-- at all and are crimes, the one with the most serious offense by the FBI's hierarchy, of those the earliest.
SELECT
  :city AS city,
  CAST(id AS VARCHAR) AS record_key,
  incident_key,
  :unit AS counting_unit,
  may_count
  AND row_number() OVER (PARTITION BY incident_key, scheme, may_count ORDER BY rank, occurred_at, id) = 1 AS counts,
  occurred_at,
  occurred_on,
  CAST(reported_at AS DATE) AS reported_on,
  nibrs AS nibrs_code,
  offense,
  offense_class AS class,
  CASE WHEN offense_class = 'unmapped' THEN 'unmapped' ELSE :class_basis END AS class_basis,
  :area_kind AS area_kind,
  district AS area,
  latitude,
  longitude,
  CASE WHEN latitude IS NULL THEN 'none' ELSE :place_precision END AS place_precision,
  arrest,
  domestic,
  scheme,
  change_day,
  :change_basis AS change_basis
FROM ranked_rows
