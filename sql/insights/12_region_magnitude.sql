-- How much crime each area of the city has, by class of offense: counts, rank, the area against the city, and weight.
-- The feed has no population, so the rate against the city is against the mean area, not per resident: an area where
-- many people work, shop or pass through leads without being more dangerous to any of them. Severity is the sum of
-- weights that are defined, and can be changed, in sql/parts/severity.sql: a judgment, not a measurement. In all cities
-- they follow the law of Illinois, so compare severities within a city, never between cities. By NIBRS codes, records
-- that are no crimes, or whose code is unmapped, are counted but weigh nothing. Late records arrive for weeks, so 28d
-- must not be compared with older periods of the same length.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column offense_class: violent or property index crime, other, unmapped, or all. Unmapped, a code that is in no table
--   of codes, has rows only if any record known on the as-of day is of it.
-- @column area_rank: 1 for the most crimes of the class; ties in the order of the areas' codes; NULL where the area
--   is not recorded. [community_area, occurred_on, offense_class]
-- @column community_area: The area, of all that occur in the lake; NULL where it is not recorded. [community_area]
-- @column crimes: Records of the class that occurred there in the period. [occurred_on, offense_class]
-- @column share: Crimes divided by all crimes of the class in the city. [occurred_on, offense_class]
-- @column city_average: Mean crimes of the class over the areas with a code. [community_area, occurred_on,
--   offense_class]
-- @column ratio_to_city: Crimes divided by that mean; NULL where the area is not recorded. [community_area,
--   occurred_on, offense_class]
-- @column location_quotient: Share of the class among the crimes of the area, divided by its share among those of the
--   city: above 1 where the class is a larger part than elsewhere. [community_area, occurred_on, offense_class]
-- @column severity: Sum of the weights of the crimes, by FBI code. [occurred_on, offense_class]
-- @column severity_share: Severity divided by that of all crimes of the class in the city. [occurred_on, offense_class]
-- @column severity_rank: 1 for the most severity in the class; ties in the order of the areas' codes; NULL where the
--   area is not recorded. [community_area, occurred_on, offense_class]
-- @instead community_area: district
-- @instead fbi_code: nibrs_code
-- @chart bars community_area, crimes where period = 28d, offense_class = all
-- @count crimes: share, ratio_to_city, severity, severity_share
-- @across location_quotient
-- @ranked area_rank, severity_rank
-- @adds_up community_area, offense_class
-- @key community_area, offense_class
-- @total crimes

WITH counted AS (
    SELECT
        community_area,
        offense_class,
        fbi_code,
        count(*) FILTER (
            WHERE occurred_on BETWEEN CAST(date_add('day', -27, :last_complete_day) AS DATE) AND :last_complete_day
        ) AS crimes_28d,
        count(*) FILTER (
            WHERE occurred_on BETWEEN CAST(date_add('day', -364, :last_complete_day) AS DATE) AND :last_complete_day
        ) AS crimes_365d,
        count(*) AS crimes_all
    FROM crimes
    WHERE occurred_on <= :as_of_day
    GROUP BY community_area, offense_class, fbi_code
),

weighed AS (
    SELECT
        counted.community_area,
        counted.offense_class,
        counted.crimes_28d,
        counted.crimes_365d,
        counted.crimes_all,
        coalesce(severity.weight, lightest.weight) AS weight
    FROM counted
    LEFT JOIN severity ON severity.codes = 'fbi_code' AND severity.code = counted.fbi_code
    CROSS JOIN (SELECT min(weight) AS weight FROM severity WHERE codes = 'fbi_code') AS lightest
),

by_period AS (
    SELECT '28d' AS period, community_area, offense_class, weight, crimes_28d AS crimes FROM weighed
    UNION ALL
    SELECT '365d' AS period, community_area, offense_class, weight, crimes_365d AS crimes FROM weighed
    UNION ALL
    SELECT 'all' AS period, community_area, offense_class, weight, crimes_all AS crimes FROM weighed
),

classes AS (
    SELECT names.offense_class
    FROM (VALUES ('all'), ('violent'), ('property'), ('other')) AS names (offense_class)
    UNION ALL
    SELECT DISTINCT 'unmapped' AS offense_class FROM counted WHERE offense_class = 'unmapped'
),

-- Every area has all classes: if nothing of a class was recorded, its crimes are 0. Weights have decimals: sums in
-- DOUBLE would be rounded differently depending on the order of the rows.
cells AS (
    SELECT
        by_period.period,
        by_period.community_area,
        classes.offense_class,
        CAST(
            sum(CASE WHEN classes.offense_class IN ('all', by_period.offense_class) THEN by_period.crimes ELSE 0 END)
            AS BIGINT
        ) AS crimes,
        sum(
            CASE
                WHEN classes.offense_class IN ('all', by_period.offense_class) THEN by_period.crimes * by_period.weight
                ELSE 0
            END
        ) AS severity
    FROM by_period
    CROSS JOIN classes
    GROUP BY by_period.period, by_period.community_area, classes.offense_class
),

beside AS (
    SELECT
        period,
        offense_class,
        CASE WHEN community_area IS NOT NULL THEN 1 ELSE 0 END AS named,
        community_area,
        crimes,
        severity,
        sum(crimes) OVER (PARTITION BY period, offense_class) AS class_crimes,
        sum(severity) OVER (PARTITION BY period, offense_class) AS class_severity,
        max(CASE WHEN offense_class = 'all' THEN crimes END) OVER (PARTITION BY period, community_area) AS area_crimes,
        sum(CASE WHEN offense_class = 'all' THEN crimes END) OVER (PARTITION BY period) AS city_crimes,
        CAST(
            sum(CASE WHEN community_area IS NOT NULL THEN crimes END)
                OVER (PARTITION BY period, offense_class) AS DOUBLE
        ) / NULLIF(count(community_area) OVER (PARTITION BY period, offense_class), 0) AS city_average
    FROM cells
)

SELECT
    :as_of_day AS as_of_day,
    period,
    first_day,
    last_day,
    offense_class,
    CASE
        WHEN named = 1 THEN row_number() OVER (
            PARTITION BY period, offense_class ORDER BY named DESC, crimes DESC, community_area NULLS LAST
        )
    END AS area_rank,
    community_area,
    crimes,
    CAST(crimes AS DOUBLE) / NULLIF(class_crimes, 0) AS share,
    city_average,
    CASE WHEN named = 1 THEN crimes / NULLIF(city_average, 0) END AS ratio_to_city,
    CAST(crimes * city_crimes AS DOUBLE) / NULLIF(area_crimes * class_crimes, 0) AS location_quotient,
    CAST(severity AS DOUBLE) AS severity,
    CAST(severity AS DOUBLE) / NULLIF(CAST(class_severity AS DOUBLE), 0) AS severity_share,
    CASE
        WHEN named = 1 THEN row_number() OVER (
            PARTITION BY period, offense_class ORDER BY named DESC, severity DESC, community_area NULLS LAST
        )
    END AS severity_rank
FROM beside
JOIN periods USING (period)
ORDER BY period, offense_class, area_rank NULLS LAST
