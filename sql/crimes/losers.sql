-- The versions to keep apart: what a change day ended with, where a later day replaced it. A row of the table that
-- loses was known all along, so only days from the winner's on see a change.
SELECT
  *,
  CASE WHEN is_new THEN change_day ELSE winning_day END AS changes_from
FROM versions
WHERE change_day < winning_day AND rank_of_day = 1
