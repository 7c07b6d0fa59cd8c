-- These objects have been loaded: in the same transaction as their reports.
INSERT INTO fir_ledger (object_key, loaded_at)
SELECT object_key, loaded_at
FROM fir_candidates;
