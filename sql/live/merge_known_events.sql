-- In DuckDB's dialect: new reports that rules count are known from now on, for as long as a copy could be counted: by
-- the time that the station's clock claims, which may be hours ahead.

INSERT INTO known_events
SELECT CAST(event_id AS UUID), claimed_s, md5 FROM new_reports WHERE is_admitted
