-- The tables of the warehouse. There are no keys: Redshift would believe them without keeping them. What keeps one row a
-- report is how reports are loaded, and tests show that it does without any help of the database.
CREATE TABLE IF NOT EXISTS fir_history (
  event_id VARCHAR(36) NOT NULL,
  kind VARCHAR(20) NOT NULL,
  fir_id VARCHAR(200) NOT NULL,
  version INTEGER NOT NULL,
  state VARCHAR(64),
  district VARCHAR(64),
  police_station VARCHAR(64),
  fir_no INTEGER,
  fir_year INTEGER,
  registered_at TIMESTAMPTZ NOT NULL,
  is_zero_fir BOOLEAN,
  outside_station VARCHAR(64),
  outside_district VARCHAR(64),
  acts_sections VARCHAR(8192),
  major_head VARCHAR(40),
  occurred_from TIMESTAMPTZ,
  occurred_to TIMESTAMPTZ,
  received_at TIMESTAMPTZ,
  gd_no VARCHAR(64),
  gd_time TIMESTAMPTZ,
  information_type VARCHAR(64),
  lat_milli INTEGER,
  lon_milli INTEGER,
  beat VARCHAR(64),
  direction VARCHAR(64),
  distance_km DOUBLE PRECISION,
  place_type VARCHAR(64),
  complainant_ref VARCHAR(64),
  complainant_gender VARCHAR(64),
  complainant_age_band VARCHAR(64),
  vehicles VARCHAR(8192),
  accused_known VARCHAR(64),
  accused_count INTEGER,
  delay_reason VARCHAR(64),
  property_value_inr DOUBLE PRECISION,
  action_taken VARCHAR(64),
  is_sensitive BOOLEAN,
  sent_at TIMESTAMPTZ,
  arrived_at TIMESTAMPTZ,
  md5 VARCHAR(32) NOT NULL
);

-- Every object that has been loaded, once.
CREATE TABLE IF NOT EXISTS fir_ledger (
  object_key VARCHAR(1024) NOT NULL,
  loaded_at TIMESTAMPTZ NOT NULL
);
