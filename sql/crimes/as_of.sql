-- What was known on a change day: the present row where it is no newer, else the version of that day (overtaken.sql).
SELECT *
FROM crimes_now
WHERE change_day <= :as_of_day
UNION ALL
SELECT *
FROM crimes_overtaken
