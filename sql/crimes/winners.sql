-- The versions to put into the table: those that win and are not there yet.
SELECT *
FROM versions
WHERE is_new AND version_rank = 1
