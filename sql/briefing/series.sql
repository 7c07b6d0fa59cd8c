-- Repeats on blocks in the last 28 complete days, compared with 365 days, and how many blocks and kinds were examined.
SELECT
  now.block,
  now.beat,
  now.primary_type,
  now.crimes,
  now.days,
  now.first_crime_on,
  now.last_crime_on,
  year.crimes AS year_crimes,
  (SELECT count(*) FROM insight_repeat_blocks WHERE period = '365d') AS looked_at
FROM insight_repeat_blocks AS now
JOIN insight_repeat_blocks AS year
  ON year.block IS NOT DISTINCT FROM now.block
  AND year.primary_type IS NOT DISTINCT FROM now.primary_type
  AND year.period = '365d'
WHERE now.period = '28d'
ORDER BY now.repeat_rank
