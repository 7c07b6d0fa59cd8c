-- The records in `rejected` (quarantined.sql) that crimes_quarantine (`kept`) does not have yet.
SELECT *
FROM rejected
WHERE NOT EXISTS (SELECT 1 FROM kept WHERE kept.record_md5 = rejected.record_md5)
