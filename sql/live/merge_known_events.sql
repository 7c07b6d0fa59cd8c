-- In DuckDB's dialect: new reports that rules count are known from now on.

INSERT INTO known_events
SELECT CAST(event_id AS UUID), registered_s, md5 FROM new_reports WHERE is_admitted
