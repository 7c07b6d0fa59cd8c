-- The records with the NIBRS code of the city's own offense code: of the code itself, else of its family with the text
-- that the city gives it, else of the family alone ("109/438", "109/LARCENY,GRAND OF BICYCLE", "109/").
--
-- Reads `tidied_records` (see records/typing.py), which also says by which `scheme` a record is coded, and `city_codes`
-- (code, nibrs_code), whose codes begin with their scheme.
SELECT
  tidied_records.*,
  COALESCE(own.nibrs_code, named.nibrs_code, family.nibrs_code) AS nibrs_code
FROM tidied_records
LEFT JOIN city_codes AS own
  ON own.code = tidied_records.scheme || ' ' || tidied_records.offense_code
LEFT JOIN city_codes AS named
  ON named.code = tidied_records.scheme || ' ' || SPLIT_PART(tidied_records.offense_code, '/', 1) || '/' || tidied_records.description
LEFT JOIN city_codes AS family
  ON family.code = tidied_records.scheme || ' ' || SPLIT_PART(tidied_records.offense_code, '/', 1) || '/'
