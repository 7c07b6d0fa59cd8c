-- How late the records of the city are: which share of a day's is known so many days after it.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column days_since: Days after the day of the crime, 0 to 90.
-- @column completeness: Share of the records known by the 90th day after that is known so many days after, to six
--   decimals; NULL if there is nothing to learn from.
-- @column is_learnt: 1 if the share was learnt from twenty known records a lag on average, else 0.

SELECT
    :as_of_day AS as_of_day,
    days_since,
    completeness,
    CAST(is_learnt AS INTEGER) AS is_learnt
FROM completeness
ORDER BY days_since
