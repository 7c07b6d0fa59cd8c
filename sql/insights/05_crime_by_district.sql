-- How much crime each police district records, and how that compares with the average district.
-- Districts differ in people, visitors and area, so a ratio above 1 is a workload, not a risk. The average is over the
-- districts named in the records of the period; one that is no longer on the map and has few records lowers it.
-- Records without a district have a row of their own. An arrest share is the part of the records with an arrest so
-- far, not clearance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column district_rank: 1 for the most crimes, ties by district; NULL where the district is unknown. [district]
-- @column district: Police district, three digits; NULL where unknown. [district]
-- @column crimes: Records of the district in the period.
-- @column share: Crimes divided by all crimes of the period, those without a district included.
-- @column city_average: Crimes per named district. [district]
-- @column ratio_to_city_average: Crimes divided by the city average; NULL where the district is unknown. [district]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @chart bars district, crimes where period = 28d
-- @count crimes: share, ratio_to_city_average, arrest_share
-- @count violent_crimes
-- @count arrests: arrest_share
-- @ranked district_rank
-- @adds_up district
-- @key district
-- @total crimes, violent_crimes, arrests

WITH counted AS (
    SELECT
        periods.period,
        crimes.district,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, crimes.district
),

compared AS (
    SELECT
        period,
        CASE WHEN district IS NOT NULL THEN 1 ELSE 0 END AS named,
        district,
        crimes,
        CAST(crimes AS DOUBLE) / NULLIF(sum(crimes) OVER (PARTITION BY period), 0) AS share,
        CAST(sum(CASE WHEN district IS NOT NULL THEN crimes END) OVER (PARTITION BY period) AS DOUBLE)
        / NULLIF(count(district) OVER (PARTITION BY period), 0) AS city_average,
        violent_crimes,
        arrests
    FROM counted
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    CASE
        WHEN named = 1
            THEN row_number() OVER (PARTITION BY period ORDER BY named DESC, crimes DESC, district NULLS LAST)
    END AS district_rank,
    district,
    crimes,
    share,
    city_average,
    CASE WHEN named = 1 THEN crimes / NULLIF(city_average, 0) END AS ratio_to_city_average,
    violent_crimes,
    arrests,
    CAST(arrests AS DOUBLE) / NULLIF(crimes, 0) AS arrest_share
FROM compared
JOIN periods USING (period)
ORDER BY period, district_rank NULLS LAST
