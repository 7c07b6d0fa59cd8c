-- The sample department's tables in MariaDB with sql_mode = 'ORACLE,EMPTY_STRING_IS_NULL': the Oracle file's words, and
-- versions of rows by transaction, which Oracle keeps in its undo. A time with a zone is a time and its offset here.

CREATE TABLE crimes (
  id NUMBER(10) PRIMARY KEY,
  case_number VARCHAR2(12),
  "date" DATE,
  block VARCHAR2(60),
  iucr CHAR(5),
  primary_type VARCHAR2(60),
  description VARCHAR2(80),
  location_description VARCHAR2(80),
  arrest CHAR(1),
  domestic CHAR(1),
  beat CHAR(4),
  district CHAR(3),
  ward NUMBER(3),
  community_area NUMBER(3),
  fbi_code VARCHAR2(3),
  x_coordinate NUMBER(10),
  y_coordinate NUMBER(10),
  "year" NUMBER(4),
  updated_on DATETIME,
  latitude NUMBER(12, 9),
  longitude NUMBER(12, 9),
  "location" VARCHAR2(60),
  rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (rs, re)
) WITH SYSTEM VERSIONING;

-- Who had a part in a crime: no names, no addresses.
CREATE TABLE crime_roles (
  crime_id NUMBER(10) NOT NULL,
  role_no NUMBER(3) NOT NULL,
  "role" VARCHAR2(10),
  sex CHAR(1),
  age NUMBER(3),
  rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (rs, re),
  PRIMARY KEY (crime_id, role_no)
) WITH SYSTEM VERSIONING;

CREATE TABLE crime_notes (
  "number" NUMBER(12) PRIMARY KEY,
  crime_id NUMBER(10) NOT NULL,
  written_at DATETIME(6),
  written_at_offset CHAR(6),
  "comment" CLOB,
  rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (rs, re),
  INDEX crime_notes_crime (crime_id, "number")
) WITH SYSTEM VERSIONING;

CREATE TABLE offense_codes (
  code_set VARCHAR2(10) NOT NULL,
  code VARCHAR2(10) NOT NULL,
  title CHAR(60),
  "comment" VARCHAR2(200),
  rs BIGINT UNSIGNED GENERATED ALWAYS AS ROW START INVISIBLE,
  re BIGINT UNSIGNED GENERATED ALWAYS AS ROW END INVISIBLE,
  PERIOD FOR SYSTEM_TIME (rs, re),
  PRIMARY KEY (code_set, code)
) WITH SYSTEM VERSIONING;
