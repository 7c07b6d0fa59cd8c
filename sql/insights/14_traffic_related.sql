-- Crimes that have to do with vehicles, by offense and hour, and the kind of place where each is most common.
-- sql/parts/traffic_codes.sql lists these offenses: taking a vehicle, by theft, hijacking or not returning it, theft
-- from it, damage, trespass, tampering, false papers, reckless homicide. Crashes, tickets and drunk driving are not
-- among the city's crime records; crashes are another dataset of the city. An hour is often estimated: the peaks at 0
-- and 12 h come from recording, and for a stolen vehicle it is when the vehicle was last seen or missed. Only hours
-- with a crime have a row. An arrest share is the part of the records with an arrest so far, not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column iucr: Illinois crime code. [iucr]
-- @column what: What the code is about, the same text for codes that belong together.
-- @column primary_type: Offense category, as of the code's last crime in the period. [primary_type]
-- @column description: Offense within the category, as of the code's last crime in the period; the city has changed the
--   wording of several. [description]
-- @column hour: Hour of occurrence, 0 to 23. [hour]
-- @column crimes: Records of the code in that hour of the day.
-- @column share: Crimes divided by those of the code in all hours. [iucr]
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @column most_common_location: The most frequent kind of place; the first in the alphabet of those that tie.
--   [hour, iucr, location_description]
-- @chart heat iucr, hour, crimes where period = 365d
-- @count crimes: share, arrest_share, most_common_location
-- @count arrests: arrest_share
-- @adds_up iucr, hour
-- @key iucr, hour

WITH counted AS (
    SELECT
        periods.period,
        crimes.iucr,
        traffic_codes.what,
        crimes.primary_type,
        crimes.description,
        crimes.hour,
        crimes.location_description,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests,
        max(crimes.occurred_at) AS last_at
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    JOIN traffic_codes ON traffic_codes.iucr = crimes.iucr
    GROUP BY
        periods.period,
        crimes.iucr,
        traffic_codes.what,
        crimes.primary_type,
        crimes.description,
        crimes.hour,
        crimes.location_description
),

used_names AS (
    SELECT period, iucr, primary_type, description, max(last_at) AS last_at
    FROM counted
    GROUP BY period, iucr, primary_type, description
),

ranked_names AS (
    SELECT
        period,
        iucr,
        primary_type,
        description,
        row_number() OVER (
            PARTITION BY period, iucr
            ORDER BY
                CASE WHEN description IS NULL THEN 1 ELSE 0 END,
                last_at DESC,
                primary_type NULLS LAST,
                description NULLS LAST
        ) AS name_rank
    FROM used_names
),

places AS (
    SELECT
        period,
        iucr,
        what,
        hour,
        location_description,
        CAST(sum(crimes) AS BIGINT) AS crimes,
        CAST(sum(arrests) AS BIGINT) AS arrests
    FROM counted
    GROUP BY period, iucr, what, hour, location_description
),

-- A kind of place that is not recorded comes last, so that it is never the most common one beside a named one.
ranked_places AS (
    SELECT
        period,
        iucr,
        what,
        hour,
        location_description,
        crimes,
        arrests,
        row_number() OVER (
            PARTITION BY period, iucr, hour
            ORDER BY
                CASE WHEN location_description IS NULL THEN 1 ELSE 0 END,
                crimes DESC,
                location_description NULLS LAST
        ) AS place_rank
    FROM places
),

hours AS (
    SELECT
        period,
        iucr,
        what,
        hour,
        CAST(sum(crimes) AS BIGINT) AS crimes,
        CAST(sum(arrests) AS BIGINT) AS arrests,
        max(CASE WHEN place_rank = 1 THEN location_description END) AS most_common_location
    FROM ranked_places
    GROUP BY period, iucr, what, hour
)

SELECT
    :as_of_day AS as_of_day,
    hours.period,
    periods.first_day,
    periods.last_day,
    hours.iucr,
    hours.what,
    ranked_names.primary_type,
    ranked_names.description,
    hours.hour,
    hours.crimes,
    CAST(hours.crimes AS DOUBLE) / NULLIF(sum(hours.crimes) OVER (PARTITION BY hours.period, hours.iucr), 0) AS share,
    hours.arrests,
    CAST(hours.arrests AS DOUBLE) / NULLIF(hours.crimes, 0) AS arrest_share,
    hours.most_common_location
FROM hours
JOIN periods ON periods.period = hours.period
JOIN ranked_names
    ON ranked_names.period = hours.period AND ranked_names.iucr = hours.iucr AND ranked_names.name_rank = 1
ORDER BY hours.period, hours.iucr, hours.hour
