-- Crimes as models build on them: what every city publishes or what is computed from it, one row each.
-- Change the list here and the contract in models.yml together: dbt names the column where they disagree.
SELECT id, occurred_at, occurred_on, month, hour, offense_class, is_index, updated_on
FROM {{ source(var('city'), 'crimes') }}
