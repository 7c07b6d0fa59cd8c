-- Where crime crowds together: cells of about a tenth of a square kilometer (H3, resolution 9), each judged together
-- with its neighbors.
-- Only crimes with coordinates count, and only cells in which anything was recorded in the 365 days, so that lakes and
-- parks do not make all else look crowded. For every cell the crimes in it and in its up to six neighbors are summed
-- (Getis-Ord Gi*). Its p-value is the chance of such a sum if cells varied around one mean as the city's cells do on
-- the whole, each for itself: if their counts were independent draws from one negative binomial distribution with the
-- mean and the variance that they have. The normal approximation of z is not used for it: counts are few and skewed,
-- and it would call hundreds of cells hot. As thousands of cells are tested at once, a cell is hot only where q is at
-- most 0.05: where they vary like that, one table in twenty has any hot cell, else about one in twenty of the hot ones
-- may be chance. A single cell far beyond what that spread allows is called hot on purpose, and makes its quiet
-- neighbors hot: of Chicago's counts, shuffled over its cells, one or two are such (all and property). So read crimes
-- beside local_crimes. Hot says where records are, not where risk is: many people pass through a center.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d or 365d.
-- @column first_day: First day of the period.
-- @column last_day: Last day of the period, the last complete day.
-- @column offense_class: all, property or violent (index crimes, by FBI code).
-- @column cell: Identifier of the H3 cell. [latitude, longitude]
-- @column latitude: Degrees north of the cell's center. [latitude, longitude]
-- @column longitude: Degrees east of the cell's center. [latitude, longitude]
-- @column crimes: Records in the cell. [is_property, is_violent, latitude, longitude, occurred_on]
-- @column cells_summed: The cell and its neighbors, as far as they belong to the study area. [latitude, longitude]
-- @column local_crimes: Records in these cells. [is_property, is_violent, latitude, longitude, occurred_on]
-- @column z_score: Gi* of Ord and Getis (1995) with weights of 0 and 1; NULL where all cells have the same count.
--   [is_property, is_violent, latitude, longitude, occurred_on]
-- @column p_value: Chance of at least that many local crimes, see above; six digits.
--   [is_property, is_violent, latitude, longitude, occurred_on]
-- @column q_value: The p-value corrected for all cells of the period and class (Benjamini and Hochberg 1995).
--   [is_property, is_violent, latitude, longitude, occurred_on]
-- @column is_hot: 1 where the q-value is at most 0.05 and local crimes are above what the mean cell would have, else 0;
--   quiet cells are left out unless they are hot.
--   [is_property, is_violent, latitude, longitude, occurred_on]
-- @chart bars cell, crimes where period = 28d, offense_class = all, is_hot = 1
-- @count crimes
-- @across local_crimes, z_score, p_value, q_value
-- @key offense_class, cell
-- @period 28d, 365d
-- @signed latitude, longitude, z_score
-- @python hotspots
-- @needs points

SELECT
    :as_of_day AS as_of_day,
    :last_complete_day AS last_day,
    latitude,
    longitude,
    count(*) FILTER (WHERE occurred_on >= CAST(date_add('day', -27, :last_complete_day) AS DATE)) AS all_28d,
    count(*) FILTER (
        WHERE is_property AND occurred_on >= CAST(date_add('day', -27, :last_complete_day) AS DATE)
    ) AS property_28d,
    count(*) FILTER (
        WHERE is_violent AND occurred_on >= CAST(date_add('day', -27, :last_complete_day) AS DATE)
    ) AS violent_28d,
    count(*) AS all_365d,
    count(*) FILTER (WHERE is_property) AS property_365d,
    count(*) FILTER (WHERE is_violent) AS violent_365d
FROM crimes
WHERE occurred_on BETWEEN CAST(date_add('day', -364, :last_complete_day) AS DATE) AND :last_complete_day
    AND latitude IS NOT NULL AND longitude IS NOT NULL
GROUP BY latitude, longitude
ORDER BY latitude, longitude
