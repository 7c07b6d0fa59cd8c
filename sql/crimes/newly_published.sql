-- Which records of a publication are news, by their digests: those that cannot be typed, and of each id the one that
-- counts, unless the lake has the same row, or has another of the same publication that counts more. Of an id that is
-- published more than once the record reported first counts, then the one with the greatest digest (see newest.sql).
--
-- Reads `typed` (the records whose digests the lake does not know), `differing` (ids and digests of those that are not
-- equal to the row of that id, column by column), `rows_held` (id, reported_at, record_md5 of the lake's rows with these
-- ids) and `still_published` (record_md5 of the rows that are published, too, of ids published more than once).
WITH first_reported AS (
  SELECT
    id,
    record_md5,
    reported_at,
    ROW_NUMBER() OVER (PARTITION BY id ORDER BY reported_at, record_md5 DESC) AS version_rank
  FROM typed
  WHERE reason IS NULL
)

SELECT first_reported.record_md5
FROM first_reported
INNER JOIN differing
  ON differing.id = first_reported.id AND differing.record_md5 = first_reported.record_md5
LEFT JOIN rows_held ON rows_held.id = first_reported.id
WHERE first_reported.version_rank = 1
  AND (
    rows_held.id IS NULL
    OR rows_held.record_md5 NOT IN (SELECT record_md5 FROM still_published)
    OR first_reported.reported_at < rows_held.reported_at
    OR (first_reported.reported_at IS NOT NULL AND rows_held.reported_at IS NULL)
    OR (
      first_reported.reported_at IS NOT DISTINCT FROM rows_held.reported_at
      AND first_reported.record_md5 > rows_held.record_md5
    )
  )
UNION ALL
SELECT record_md5
FROM typed
WHERE reason IS NOT NULL
