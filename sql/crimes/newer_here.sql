-- How many rows (`held`) have a newer stamp than the newest one with which their ids came from the source
-- (`published_versions`): the source has gone back to an older version.
SELECT COUNT(*)
FROM held
WHERE change_day <= :until
  AND updated_on > (
    SELECT MAX(published_versions.updated_on) FROM published_versions WHERE published_versions.id = held.id
  )
