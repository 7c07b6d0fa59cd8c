-- In DuckDB's dialect: adds new_complaints to complaints. A report counts once, so none of them can be there.

INSERT INTO complaints
SELECT complainant_ref, head, occurred_day, day_number, fir_id FROM new_complaints
