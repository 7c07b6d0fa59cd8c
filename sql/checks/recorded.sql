-- How many records of each kind `crimes` holds of each period that insights are about, and of each area in it: what the
-- figures of insights must agree with. A row has the records of one combination of areas that lie in the same periods.
SELECT
  district,
  community_area,
  beat,
  in_28d,
  in_365d,
  in_ytd,
  in_90d,
  MIN(occurred_on) AS first_day,
  COUNT(*) AS crimes,
  COUNT(*) FILTER (WHERE arrest) AS arrests,
  COUNT(*) FILTER (WHERE domestic) AS domestic_crimes,
  COUNT(*) FILTER (WHERE is_violent) AS violent_crimes,
  COUNT(*) FILTER (WHERE is_property) AS property_crimes,
  COUNT(*) FILTER (WHERE offense_class = 'other') AS other_crimes,
  COUNT(*) FILTER (WHERE offense_class = 'unmapped') AS unmapped_crimes,
  COUNT(*) FILTER (WHERE is_index) AS index_crimes,
  COUNT(*) FILTER (WHERE latitude IS NULL OR longitude IS NULL) AS no_place
FROM (
  SELECT
    *,
    occurred_on BETWEEN :first_28d AND :last_complete_day AS in_28d,
    occurred_on BETWEEN :first_365d AND :last_complete_day AS in_365d,
    occurred_on BETWEEN :first_ytd AND :last_complete_day AS in_ytd,
    occurred_on >= :first_90d AS in_90d
  FROM crimes
  WHERE occurred_on <= :as_of_day
) AS placed
GROUP BY district, community_area, beat, in_28d, in_365d, in_ytd, in_90d
ORDER BY district NULLS LAST, community_area NULLS LAST, beat NULLS LAST, in_28d, in_365d, in_ytd, in_90d
