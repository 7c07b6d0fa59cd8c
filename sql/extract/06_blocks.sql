-- Crimes by block, for any choice of period, class, district and beat.
-- A block is not an address, and an arrest is not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d or 365d, which end on the last complete day, or all, which ends on the as-of day.
-- @column offense_class: violent, property, other or unmapped, by FBI code. [offense_class]
-- @column district: Police district, three digits; NULL where it is not recorded. [district]
-- @column beat: Police beat, four digits; NULL where it is not recorded. [beat]
-- @column community_area: One of 77 community areas; NULL where it is not recorded. [community_area]
-- @column block: Block as it was published. [block]
-- @column crimes: Records of the period.
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column latitude: Mean latitude of its crimes; NULL where none has a place. [latitude]
-- @column longitude: Mean longitude of its crimes; NULL where none has a place. [longitude]
-- @column last_crime_on: Day of the last crime. [occurred_on]

SELECT
    :as_of_day AS as_of_day,
    periods.period,
    crimes.offense_class,
    crimes.district,
    crimes.beat,
    crimes.community_area,
    crimes.block,
    count(*) AS crimes,
    count(*) FILTER (WHERE crimes.arrest) AS arrests,
    avg(crimes.latitude) AS latitude,
    avg(crimes.longitude) AS longitude,
    max(crimes.occurred_on) AS last_crime_on
FROM periods
JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
GROUP BY periods.period, crimes.offense_class, crimes.district, crimes.beat, crimes.community_area, crimes.block
ORDER BY
    periods.period,
    crimes.offense_class NULLS LAST,
    crimes.district NULLS LAST,
    crimes.beat NULLS LAST,
    crimes.community_area NULLS LAST,
    crimes.block NULLS LAST
