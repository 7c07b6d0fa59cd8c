-- Offenses whose victims are more often women than men, by kind and district: a proxy, good for direction only.
-- The sex of victims is not published. Men and children are victims too, domestic battery and assault are between any
-- members of a family or household, and many such offenses are never reported, so a rise can mean more trust in the
-- police. The table can say where and when more of this is recorded; it cannot say how many women are hurt. Sexual
-- offense is the categories CRIMINAL SEXUAL ASSAULT and SEX OFFENSE, public indecency among them; the category decides,
-- as FBI codes 02 and 17 also hold abuse of children by their family, pornography and obscenity. Stalking is the
-- category of that name. Domestic battery is BATTERY with the city's domestic mark or a code of domestic battery (0486,
-- 0488, 0489, 0496 to 0499): from 2016 to 2018 one in eight of those lacks the mark, in 2024 none. Domestic assault is
-- ASSAULT with the mark, as there is no code for it, so compare such years with care. No record counts under two kinds.
-- A district that has any crime in the period has a row for each kind, with zeros if nothing was recorded. At home is a
-- dwelling or its porch, hallway, yard, garage or driveway; whose home is not recorded. Night, 0 to 5 h, also contains
-- unknown times that are written as midnight. An arrest share is the part of the records with an arrest so far, not
-- clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column district: Police district, three digits; all for the city, NULL where unknown. [district]
-- @column kind: sexual offense, stalking, domestic battery, domestic assault, or all for the four together.
-- @column crimes: Records of the kind in the period. [domestic, iucr, primary_type]
-- @column share: Crimes divided by all crimes of the district in the period. [domestic, iucr, primary_type]
-- @column arrests: Crimes with an arrest recorded so far. [arrest, domestic, iucr, primary_type]
-- @column arrest_share: Arrests divided by crimes. [arrest, domestic, iucr, primary_type]
-- @column at_home_share: Part of the crimes at a home. [domestic, iucr, location_description, primary_type]
-- @column night_share: Part of the crimes from 0 to 5 h. [domestic, iucr, primary_type, time_of_day]
-- @column no_place: Crimes without coordinates, which maps cannot show; most often sexual offenses.
--   [domestic, iucr, latitude, longitude, primary_type]
-- @chart bars kind, crimes where period = 365d, district = all
-- @count crimes: share, arrest_share, at_home_share, night_share
-- @count arrests: arrest_share
-- @count no_place
-- @share at_home_share: crimes
-- @share night_share: crimes
-- @adds_up district, kind
-- @key district, kind

WITH kinds AS (
    SELECT kind_number, kind
    FROM (
        VALUES
        (1, 'sexual offense'),
        (2, 'stalking'),
        (3, 'domestic battery'),
        (4, 'domestic assault'),
        (5, 'all')
    ) AS named (kind_number, kind)
),

-- Kind 0 is every other crime.
marked AS (
    SELECT
        occurred_on,
        district,
        CASE
            WHEN primary_type IN ('CRIMINAL SEXUAL ASSAULT', 'SEX OFFENSE') THEN 1
            WHEN primary_type = 'STALKING' THEN 2
            WHEN primary_type = 'BATTERY'
                AND (domestic OR iucr IN ('0486', '0488', '0489', '0496', '0497', '0498', '0499')) THEN 3
            WHEN primary_type = 'ASSAULT' AND domestic THEN 4
            ELSE 0
        END AS kind_number,
        arrest,
        -- The city has changed the spelling of several.
        location_description IN (
            'APARTMENT',
            'CHA APARTMENT',
            'CHA HALLWAY',
            'CHA HALLWAY / STAIRWELL / ELEVATOR',
            'CHA HALLWAY/STAIRWELL/ELEVATOR',
            'COLLEGE / UNIVERSITY - RESIDENCE HALL',
            'COLLEGE/UNIVERSITY RESIDENCE HALL',
            'DRIVEWAY - RESIDENTIAL',
            'HOUSE',
            'PORCH',
            'RESIDENCE',
            'RESIDENCE - GARAGE',
            'RESIDENCE - PORCH / HALLWAY',
            'RESIDENCE - YARD (FRONT / BACK)',
            'RESIDENCE PORCH/HALLWAY',
            'RESIDENCE-GARAGE',
            'RESIDENTIAL YARD (FRONT/BACK)',
            'ROOMING HOUSE',
            'YARD'
        ) AS is_at_home,
        time_of_day,
        latitude,
        longitude
    FROM crimes
),

counted AS (
    SELECT
        periods.period,
        marked.district,
        marked.kind_number,
        count(*) AS crimes,
        count(*) FILTER (WHERE marked.arrest) AS arrests,
        count(*) FILTER (WHERE marked.is_at_home) AS at_home,
        count(*) FILTER (WHERE marked.time_of_day = 'night') AS at_night,
        count(*) FILTER (WHERE marked.latitude IS NULL OR marked.longitude IS NULL) AS no_place
    FROM periods
    JOIN marked ON marked.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, marked.district, marked.kind_number
),

-- The city first, then the districts, then records without a district.
placed AS (
    SELECT period, 1 AS place_number, 'all' AS district, kind_number, crimes, arrests, at_home, at_night, no_place
    FROM counted
    UNION ALL
    SELECT
        period,
        CASE WHEN district IS NULL THEN 3 ELSE 2 END AS place_number,
        district,
        kind_number,
        crimes,
        arrests,
        at_home,
        at_night,
        no_place
    FROM counted
    UNION ALL
    SELECT
        period,
        1 AS place_number,
        'all' AS district,
        0 AS kind_number,
        0 AS crimes,
        0 AS arrests,
        0 AS at_home,
        0 AS at_night,
        0 AS no_place
    FROM periods
),

matched AS (
    SELECT
        placed.period,
        placed.place_number,
        placed.district,
        kinds.kind_number,
        kinds.kind,
        CASE
            WHEN kinds.kind_number = placed.kind_number OR (kinds.kind = 'all' AND placed.kind_number > 0) THEN 1
            ELSE 0
        END AS is_of_kind,
        placed.crimes,
        placed.arrests,
        placed.at_home,
        placed.at_night,
        placed.no_place
    FROM placed
    CROSS JOIN kinds
),

summed AS (
    SELECT
        period,
        place_number,
        district,
        kind_number,
        kind,
        CAST(sum(crimes) AS BIGINT) AS crimes_of_all_kinds,
        CAST(sum(is_of_kind * crimes) AS BIGINT) AS crimes,
        CAST(sum(is_of_kind * arrests) AS BIGINT) AS arrests,
        CAST(sum(is_of_kind * at_home) AS BIGINT) AS at_home,
        CAST(sum(is_of_kind * at_night) AS BIGINT) AS at_night,
        CAST(sum(is_of_kind * no_place) AS BIGINT) AS no_place
    FROM matched
    GROUP BY period, place_number, district, kind_number, kind
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    district,
    kind,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(crimes_of_all_kinds, 0) AS share,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share,
    CAST(at_home AS DOUBLE) / NULLIF(crimes, 0) AS at_home_share,
    CAST(at_night AS DOUBLE) / NULLIF(crimes, 0) AS night_share,
    no_place
FROM summed
JOIN periods USING (period)
ORDER BY period, place_number, district NULLS LAST, kind_number
