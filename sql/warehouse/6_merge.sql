-- What is left is newer than what the history has, or new. Redshift wants both clauses, no condition beside MATCHED and
-- no other name for the table that it changes.
MERGE INTO fir_history
USING fir_newest
ON fir_history.fir_id = fir_newest.fir_id
WHEN MATCHED THEN UPDATE SET
  event_id = fir_newest.event_id,
  kind = fir_newest.kind,
  version = fir_newest.version,
  state = fir_newest.state,
  district = fir_newest.district,
  police_station = fir_newest.police_station,
  fir_no = fir_newest.fir_no,
  fir_year = fir_newest.fir_year,
  registered_at = fir_newest.registered_at,
  is_zero_fir = fir_newest.is_zero_fir,
  outside_station = fir_newest.outside_station,
  outside_district = fir_newest.outside_district,
  acts_sections = fir_newest.acts_sections,
  major_head = fir_newest.major_head,
  occurred_from = fir_newest.occurred_from,
  occurred_to = fir_newest.occurred_to,
  received_at = fir_newest.received_at,
  gd_no = fir_newest.gd_no,
  gd_time = fir_newest.gd_time,
  information_type = fir_newest.information_type,
  lat_milli = fir_newest.lat_milli,
  lon_milli = fir_newest.lon_milli,
  beat = fir_newest.beat,
  direction = fir_newest.direction,
  distance_km = fir_newest.distance_km,
  place_type = fir_newest.place_type,
  complainant_ref = fir_newest.complainant_ref,
  complainant_gender = fir_newest.complainant_gender,
  complainant_age_band = fir_newest.complainant_age_band,
  vehicles = fir_newest.vehicles,
  accused_known = fir_newest.accused_known,
  accused_count = fir_newest.accused_count,
  delay_reason = fir_newest.delay_reason,
  property_value_inr = fir_newest.property_value_inr,
  action_taken = fir_newest.action_taken,
  is_sensitive = fir_newest.is_sensitive,
  sent_at = fir_newest.sent_at,
  arrived_at = fir_newest.arrived_at,
  md5 = fir_newest.md5
WHEN NOT MATCHED THEN INSERT (
  event_id, kind, fir_id, version, state, district, police_station, fir_no, fir_year, registered_at, is_zero_fir,
  outside_station, outside_district, acts_sections, major_head, occurred_from, occurred_to, received_at, gd_no,
  gd_time, information_type, lat_milli, lon_milli, beat, direction, distance_km, place_type, complainant_ref,
  complainant_gender, complainant_age_band, vehicles, accused_known, accused_count, delay_reason,
  property_value_inr, action_taken, is_sensitive, sent_at, arrived_at, md5
) VALUES (
  fir_newest.event_id, fir_newest.kind, fir_newest.fir_id, fir_newest.version, fir_newest.state,
  fir_newest.district, fir_newest.police_station, fir_newest.fir_no, fir_newest.fir_year, fir_newest.registered_at,
  fir_newest.is_zero_fir, fir_newest.outside_station, fir_newest.outside_district, fir_newest.acts_sections,
  fir_newest.major_head, fir_newest.occurred_from, fir_newest.occurred_to, fir_newest.received_at, fir_newest.gd_no,
  fir_newest.gd_time, fir_newest.information_type, fir_newest.lat_milli, fir_newest.lon_milli, fir_newest.beat,
  fir_newest.direction, fir_newest.distance_km, fir_newest.place_type, fir_newest.complainant_ref,
  fir_newest.complainant_gender, fir_newest.complainant_age_band, fir_newest.vehicles, fir_newest.accused_known,
  fir_newest.accused_count, fir_newest.delay_reason, fir_newest.property_value_inr, fir_newest.action_taken,
  fir_newest.is_sensitive, fir_newest.sent_at, fir_newest.arrived_at, fir_newest.md5
);
