-- The greatest id of each change day, but for nine, where the city numbers its records as they are reported (from
-- :serial_ids_from on): a mistaken id should not count, so ten records say that a number was reached by that day.
SELECT change_day, id
FROM (
    SELECT id, change_day, row_number() OVER (PARTITION BY change_day ORDER BY id DESC) AS place
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('day', -145, :as_of_day) AS DATE) AND :as_of_day
        AND change_day BETWEEN :serial_ids_from AND :as_of_day
) AS ids_of_day
WHERE place = 10
