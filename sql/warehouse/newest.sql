-- The rows that were registered last, to be compared with the lake's. How many is added.
SELECT
  event_id, kind, fir_id, version, state, district, police_station, fir_no, fir_year, registered_at, is_zero_fir,
  outside_station, outside_district, acts_sections, major_head, occurred_from, occurred_to, received_at, gd_no,
  gd_time, information_type, lat_milli, lon_milli, beat, direction, distance_km, place_type, complainant_ref,
  complainant_gender, complainant_age_band, vehicles, accused_known, accused_count, delay_reason,
  property_value_inr, action_taken, is_sensitive, sent_at, arrived_at, md5
FROM fir_history
ORDER BY registered_at DESC, fir_id;
