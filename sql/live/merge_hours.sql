-- In DuckDB's dialect: adds new_hours to hours.

MERGE INTO hours USING new_hours ON hours.station = new_hours.station AND hours.hour_number = new_hours.hour_number
WHEN MATCHED THEN UPDATE SET reports = hours.reports + new_hours.reports
WHEN NOT MATCHED THEN INSERT (station, hour_number, reports) VALUES (station, hour_number, reports)
