-- Whether crimes, or what is known about removed ones, changed after a change day.
SELECT
  COALESCE((SELECT MAX(change_day) FROM crimes_now) > :as_of_day, FALSE)
  OR COALESCE((SELECT MAX(removed_on) FROM crimes_removed) > :as_of_day, FALSE)
