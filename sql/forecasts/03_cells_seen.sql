-- Where index crimes were recorded up to the last complete day: what the study area has besides the city's boundaries.
-- It is asked once, as of the lake's first change day. The rows come in no order.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column latitude: Degrees north, shifted to the block.
-- @column longitude: Degrees east, shifted to the block.
-- @column community_area: One of 77 community areas; NULL where unknown.
-- @column records: Index crimes at this place.

SELECT
    :as_of_day AS as_of_day,
    latitude,
    longitude,
    community_area,
    count(*) AS records
FROM forecast_targets
WHERE occurred_on <= :last_complete_day AND latitude IS NOT NULL AND longitude IS NOT NULL
GROUP BY latitude, longitude, community_area
