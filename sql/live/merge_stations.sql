-- In DuckDB's dialect: adds new_stations to stations.

MERGE INTO stations USING new_stations ON stations.station = new_stations.station
WHEN MATCHED THEN UPDATE SET
    first_hour = LEAST(stations.first_hour, new_stations.first_hour),
    first_day = LEAST(stations.first_day, new_stations.first_day),
    lat_sum = stations.lat_sum + new_stations.lat_sum,
    lon_sum = stations.lon_sum + new_stations.lon_sum,
    placed = stations.placed + new_stations.placed
WHEN NOT MATCHED THEN INSERT (station, district, first_hour, first_day, lat_sum, lon_sum, placed)
    VALUES (station, district, first_hour, first_day, lat_sum, lon_sum, placed)
