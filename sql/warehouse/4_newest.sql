-- Of each report the newest version that was copied; of copies of a version the one that arrived first. Copies that
-- arrived at the same time differ in their digests, or in nothing. No time of arrival comes after any.
CREATE TEMP TABLE fir_newest AS
SELECT
  event_id, kind, fir_id, version, state, district, police_station, fir_no, fir_year, registered_at, is_zero_fir,
  outside_station, outside_district, acts_sections, major_head, occurred_from, occurred_to, received_at, gd_no,
  gd_time, information_type, lat_milli, lon_milli, beat, direction, distance_km, place_type, complainant_ref,
  complainant_gender, complainant_age_band, vehicles, accused_known, accused_count, delay_reason,
  property_value_inr, action_taken, is_sensitive, sent_at, arrived_at, md5
FROM (
  SELECT
    fir_stage.*,
    ROW_NUMBER() OVER (
      PARTITION BY fir_id
      ORDER BY version DESC, COALESCE(arrived_at, CAST('9999-12-31 00:00:00+00' AS TIMESTAMPTZ)), md5
    ) AS version_rank
  FROM fir_stage
) AS versions
WHERE version_rank = 1;
