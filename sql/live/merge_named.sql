-- In DuckDB's dialect: adds new_named to named, which is a set: versions of a report, and late copies, are one.

INSERT INTO named
SELECT DISTINCT new_named.ref, new_named.day_number, new_named.fir_id
FROM new_named
ANTI JOIN named USING (ref, day_number, fir_id)
