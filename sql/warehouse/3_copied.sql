-- Objects that were loaded before are not loaded again; those that remain are copied to `fir_stage`.
DELETE FROM fir_candidates
USING fir_ledger
WHERE fir_ledger.object_key = fir_candidates.object_key;
