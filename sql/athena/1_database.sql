-- The database of the external tables below. Not a city's database: `crime-assets query` does not read it.
CREATE DATABASE IF NOT EXISTS crime_landing
