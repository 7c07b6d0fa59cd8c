-- A few of the rows known on the as-of day that changed last, for a person to look at.
SELECT
  id,
  occurred_at,
  primary_type,
  description,
  block,
  district,
  arrest,
  updated_on
FROM crimes
ORDER BY updated_on DESC, id DESC
LIMIT 10
