-- Codes of the rows known on the as-of day, one row a district, with the rows whose other codes look wrong.
SELECT
  district,
  COUNT(*) AS row_count,
  COUNT(*) FILTER (WHERE iucr IS NULL OR LENGTH(iucr) <> 4) AS bad_iucr,
  COUNT(*) FILTER (WHERE fbi_code IS NULL) AS no_fbi_code,
  COUNT(*) FILTER (WHERE beat IS NULL OR LENGTH(beat) <> 4) AS bad_beat,
  COUNT(*) FILTER (WHERE offense_class = 'unmapped') AS unmapped,
  COUNT(*) FILTER (WHERE LENGTH(beat) = 4 AND LENGTH(district) = 3 AND SUBSTR(beat, 1, 2) <> SUBSTR(district, 2, 2)) AS beat_elsewhere
FROM crimes
GROUP BY district
ORDER BY district NULLS LAST
