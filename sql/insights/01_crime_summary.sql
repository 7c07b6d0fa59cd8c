-- How much crime was recorded in each period: one row per period, with zeros if nothing was.
-- An arrest share is the part of the records with an arrest so far, not clearance as the FBI counts it: arrests are
-- added for months, and clearance also needs a charge. 28d and 365d end on the last complete day, eight days before the
-- as-of day in Chicago; late records still arrive for weeks.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column crimes: Records that occurred in the period.
-- @column crimes_per_day: Crimes divided by the days of the period; for all, the unpublished last ones too.
--   [occurred_on]
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @column domestic_crimes: Crimes that the city marks as domestic violence. [domestic]
-- @column domestic_share: Domestic crimes divided by crimes. [domestic]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column property_crimes: Property index crimes, by FBI code. [is_property]
-- @column index_crimes: Violent and property crimes. [is_index]
-- @column violent_share: Violent crimes divided by crimes. [is_violent]
-- @column no_place: Crimes without coordinates; not a random sample, sex offenses lack them most often.
--   [latitude, longitude]
-- @column crime_types: How many different offense categories occur. [primary_type]
-- @chart bars period, crimes_per_day
-- @count crimes: crimes_per_day, arrest_share, domestic_share, violent_share, crime_types
-- @count arrests: arrest_share
-- @count domestic_crimes: domestic_share
-- @count violent_crimes: violent_share, index_crimes
-- @count property_crimes: index_crimes
-- @count index_crimes
-- @count no_place
-- @total crimes, arrests, domestic_crimes, violent_crimes, property_crimes, index_crimes, no_place

WITH counted AS (
    SELECT
        periods.period,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests,
        count(*) FILTER (WHERE crimes.domestic) AS domestic_crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes,
        count(*) FILTER (WHERE crimes.is_property) AS property_crimes,
        count(*) FILTER (WHERE crimes.is_index) AS index_crimes,
        count(*) FILTER (WHERE crimes.latitude IS NULL OR crimes.longitude IS NULL) AS no_place,
        count(DISTINCT crimes.primary_type) AS crime_types
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period
),

filled AS (
    SELECT
        periods.period,
        periods.first_day,
        periods.last_day,
        date_diff('day', periods.first_day, periods.last_day) + 1 AS days,
        coalesce(counted.crimes, 0) AS crimes,
        coalesce(counted.arrests, 0) AS arrests,
        coalesce(counted.domestic_crimes, 0) AS domestic_crimes,
        coalesce(counted.violent_crimes, 0) AS violent_crimes,
        coalesce(counted.property_crimes, 0) AS property_crimes,
        coalesce(counted.index_crimes, 0) AS index_crimes,
        coalesce(counted.no_place, 0) AS no_place,
        coalesce(counted.crime_types, 0) AS crime_types
    FROM periods
    LEFT JOIN counted ON counted.period = periods.period
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(days, 0) AS crimes_per_day,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share,
    domestic_crimes,
    CAST(domestic_crimes AS DOUBLE) / NULLIF(crimes, 0) AS domestic_share,
    violent_crimes,
    property_crimes,
    index_crimes,
    CAST(violent_crimes AS DOUBLE) / NULLIF(crimes, 0) AS violent_share,
    no_place,
    crime_types
FROM filled
ORDER BY period
