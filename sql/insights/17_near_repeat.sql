-- Whether a crime is followed by others of its kind nearby and soon: the Knox test of 365 days, for each kind a grid of
-- distances and delays.
-- All pairs of crimes of a kind are counted by how far apart and how many days apart they are, and compared with the
-- pairs that remain when the days are shuffled over the same places, 199 times; the shuffling is seeded, so that the
-- table is the same each time. knox_ratio 2 means twice as many pairs as without a connection in space and time. Points
-- are blocks, not addresses: different victims on one block lie at distance 0, so pairs at the same point cannot be
-- read as the same victim, and inflate repeats; so do large buildings, and records of one event entered as several.
-- Neighborhoods whose share of crime changes with the season also raise the ratios, at all short delays alike.
-- is_repeat corrects for the twenty bands of a kind: without any connection one kind in twenty has one. Late records
-- still add to the end of the period.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: Always 365d.
-- @column first_day: First day of the period.
-- @column last_day: Last day of the period, the last complete day.
-- @column offense: Offense category: burglary, motor vehicle theft or robbery.
-- @column distance_from_m: Pairs are further apart than this, in meters; 0 in the first two bands.
--   [latitude, longitude]
-- @column distance_to_m: Pairs are at most this far apart, in meters; 0 means the same point. [latitude, longitude]
-- @column days_from: Days between the two, at least. [occurred_on]
-- @column days_to: Days between the two, at most. [occurred_on]
-- @column crimes: Crimes of the kind with coordinates in the period. [latitude, longitude]
-- @column pairs: Pairs of them in the band; a crime can be in several. [latitude, longitude, occurred_on]
-- @column expected_pairs: Mean number of pairs over the permutations. [latitude, longitude, occurred_on]
-- @column knox_ratio: Pairs divided by expected pairs; NULL where none are expected. [latitude, longitude, occurred_on]
-- @column p_value: Share of permutations, the record itself among them, with at least that many pairs.
--   [latitude, longitude, occurred_on]
-- @column p_adjusted: The same for the most remarkable band of each permutation: corrected for the twenty bands
--   (Westfall and Young's max T). [latitude, longitude, occurred_on]
-- @column is_repeat: 1 where p_adjusted is at most 0.05, else 0. [latitude, longitude, occurred_on]
-- @column permutations: How often the days were shuffled.
-- @chart heat distance_to_m, days_to, knox_ratio where offense = BURGLARY
-- @count crimes: pairs, expected_pairs, knox_ratio, p_value, p_adjusted
-- @key offense, distance_from_m, distance_to_m, days_from, days_to
-- @period 365d
-- @unsummed crimes: every band of a kind repeats it
-- @python near_repeat
-- @needs points, categories

WITH kinds AS (
    SELECT 'BURGLARY' AS offense
    UNION ALL
    SELECT 'MOTOR VEHICLE THEFT' AS offense
    UNION ALL
    SELECT 'ROBBERY' AS offense
),

placed AS (
    SELECT
        id,
        primary_type,
        latitude,
        longitude,
        CAST(date_diff('day', occurred_on, :last_complete_day) AS BIGINT) AS days_before
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('day', -364, :last_complete_day) AS DATE) AND :last_complete_day
        AND latitude IS NOT NULL AND longitude IS NOT NULL
)

-- A kind without crimes has one row without a place.
SELECT
    :as_of_day AS as_of_day,
    CAST(date_add('day', -364, :last_complete_day) AS DATE) AS first_day,
    :last_complete_day AS last_day,
    kinds.offense,
    placed.latitude,
    placed.longitude,
    placed.days_before
FROM kinds
LEFT JOIN placed ON placed.primary_type = kinds.offense
ORDER BY kinds.offense, placed.days_before NULLS LAST, placed.id NULLS LAST
