-- One city's crimes with their offense in the words and the hierarchy that all cities share. :city, :counted and :scheme
-- are what the city's module says (records/across.py): a text, a condition, and an expression over the columns of crimes.
--
-- Reads `city_rows`, the city's crimes with all columns of the schema (NULL where they are not published), and of the
-- schema `cities` the tables `offenses` (nibrs_code, offense, is_crime, rank) and `codes` (city, iucr, fbi_code,
-- nibrs_code): what the codes of a city are that publishes the FBI's; '' is any other IUCR with that FBI code.
WITH coded AS (
  SELECT
    city_rows.*,
    COALESCE(city_rows.case_number, CAST(city_rows.id AS VARCHAR)) AS incident_key,
    :scheme AS scheme,
    COALESCE(city_rows.nibrs_code, own.nibrs_code, family.nibrs_code) AS nibrs
  FROM city_rows
  LEFT JOIN cities.codes AS own
    ON own.city = :city AND own.iucr = city_rows.iucr AND own.fbi_code = city_rows.fbi_code
  LEFT JOIN cities.codes AS family
    ON family.city = :city AND family.iucr = '' AND family.fbi_code = city_rows.fbi_code
)

SELECT
  coded.*,
  CASE WHEN coded.nibrs IS NULL THEN 'unmapped' WHEN offenses.is_crime THEN offenses.offense ELSE 'no crime' END AS offense,
  COALESCE(offenses.rank, 1000) AS rank,
  COALESCE(offenses.is_crime, TRUE) AND COALESCE(:counted, FALSE) AS may_count
FROM coded
LEFT JOIN cities.offenses AS offenses ON offenses.nibrs_code = coded.nibrs
