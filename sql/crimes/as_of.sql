-- What was known on a change day: the current row if it is no newer, else the version known that day (overtaken.sql).
SELECT *
FROM crimes_now
WHERE change_day <= :as_of_day
UNION ALL
SELECT *
FROM crimes_overtaken
