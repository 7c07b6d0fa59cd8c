-- The versions to keep in crimes_superseded: those that a change day ended with and a later day replaced. A losing row
-- of the table was known all along, so only days from the winner's day on see a change.
SELECT
  *,
  CASE WHEN is_new THEN change_day ELSE winning_day END AS changes_from
FROM versions
WHERE change_day < winning_day AND rank_of_day = 1
