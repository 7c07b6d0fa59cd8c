-- Where the external tables below are. Not a city's database: `crime-assets query` does not look in here.
CREATE DATABASE IF NOT EXISTS crime_landing
