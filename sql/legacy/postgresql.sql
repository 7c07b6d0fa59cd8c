-- The sample department's tables in PostgreSQL. Names such as "date" and "comment" are reserved words on purpose.

CREATE TABLE crimes (
  id NUMERIC(10) PRIMARY KEY,
  case_number VARCHAR(12),
  "date" TIMESTAMP(0),
  block VARCHAR(60),
  iucr CHAR(5),
  primary_type VARCHAR(60),
  description VARCHAR(80),
  location_description VARCHAR(80),
  arrest CHAR(1),
  domestic CHAR(1),
  beat CHAR(4),
  district CHAR(3),
  ward NUMERIC(3),
  community_area NUMERIC(3),
  fbi_code VARCHAR(3),
  x_coordinate NUMERIC(10),
  y_coordinate NUMERIC(10),
  "year" NUMERIC(4),
  updated_on TIMESTAMP(0),
  latitude NUMERIC(12, 9),
  longitude NUMERIC(12, 9),
  "location" VARCHAR(60)
);

-- Who had a part in a crime: no names, no addresses.
CREATE TABLE crime_roles (
  crime_id NUMERIC(10) NOT NULL,
  role_no NUMERIC(3) NOT NULL,
  "role" VARCHAR(10),
  sex CHAR(1),
  age NUMERIC(3),
  PRIMARY KEY (crime_id, role_no)
);

CREATE TABLE crime_notes (
  "number" NUMERIC(12) PRIMARY KEY,
  crime_id NUMERIC(10) NOT NULL,
  written_at TIMESTAMP(6) WITH TIME ZONE,
  "comment" TEXT
);

CREATE INDEX crime_notes_crime ON crime_notes (crime_id, "number");

-- Its key does not say whose note it is: without this, nobody could tell whose was deleted.
ALTER TABLE crime_notes REPLICA IDENTITY FULL;

CREATE TABLE offense_codes (
  code_set VARCHAR(10) NOT NULL,
  code VARCHAR(10) NOT NULL,
  title CHAR(60),
  "comment" VARCHAR(200),
  PRIMARY KEY (code_set, code)
);
