-- What the history has already, or something that goes before it, is dropped: by the same order as in `4_newest`, so the
-- row that is kept in the end does not depend on the order in which objects are loaded.
DELETE FROM fir_newest
USING fir_history
WHERE fir_history.fir_id = fir_newest.fir_id
  AND (
    fir_history.version > fir_newest.version
    OR (
      fir_history.version = fir_newest.version
      AND COALESCE(fir_history.arrived_at, CAST('9999-12-31 00:00:00+00' AS TIMESTAMPTZ))
        < COALESCE(fir_newest.arrived_at, CAST('9999-12-31 00:00:00+00' AS TIMESTAMPTZ))
    )
    OR (
      fir_history.version = fir_newest.version
      AND COALESCE(fir_history.arrived_at, CAST('9999-12-31 00:00:00+00' AS TIMESTAMPTZ))
        = COALESCE(fir_newest.arrived_at, CAST('9999-12-31 00:00:00+00' AS TIMESTAMPTZ))
      AND fir_history.md5 <= fir_newest.md5
    )
  );
