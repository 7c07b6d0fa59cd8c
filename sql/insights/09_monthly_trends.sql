-- How crime changes from month to month and from year to year.
-- Only whole months of the period are compared; the first and last are often cut, so their changes are NULL, and a
-- period of 28 or 365 days holds no month twice. A series that ends now always slopes down: late records keep arriving,
-- so months marked unsettled will still grow. An arrest share is the part of the records with an arrest so far, not
-- clearance. Read a change together with its z: below 3 either way it may well be chance.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column period: 28d, 365d or all.
-- @column first_day: First day of the period; for all, the first on which anything is recorded. [occurred_on]
-- @column last_day: Last day of the period: the last complete day; for all, the as-of day.
-- @column month: First day of the month. [month]
-- @column crimes: Records of the month in the period.
-- @column arrests: Crimes with an arrest recorded so far. [arrest]
-- @column arrest_share: Arrests divided by crimes. [arrest]
-- @column violent_crimes: Violent index crimes, by FBI code. [is_violent]
-- @column property_crimes: Property index crimes, by FBI code. [is_property]
-- @column domestic_crimes: Crimes that the city marks as domestic violence. [domestic]
-- @column days_covered: Days of the month that lie in the period. [month, occurred_on]
-- @column change_from_previous_month: Crimes less those of the month before, where both months lie wholly in the period
--   and have records.
-- @column change_from_year_before: Crimes less those of the same month a year before, under the same condition.
-- @column z_from_year_before: 2 * (sqrt(crimes) - sqrt(crimes a year before)): where crimes come independently and
--   nothing has changed it is 0 give or take 1.4.
-- @column unsettled: 1 where the month ends at most 35 days before the as-of day or after it, else 0. [month]
-- @chart line month, crimes where period = all
-- @count crimes: arrest_share
-- @count arrests: arrest_share
-- @count violent_crimes
-- @count property_crimes
-- @count domestic_crimes
-- @across change_from_previous_month, change_from_year_before, z_from_year_before
-- @adds_up month
-- @key month
-- @total crimes, arrests, violent_crimes, property_crimes, domestic_crimes
-- @signed change_from_previous_month, change_from_year_before, z_from_year_before

WITH counted AS (
    SELECT
        periods.period,
        periods.first_day,
        periods.last_day,
        crimes.month,
        CAST(date_add('month', 1, crimes.month) AS DATE) AS next_month,
        count(*) AS crimes,
        count(*) FILTER (WHERE crimes.arrest) AS arrests,
        count(*) FILTER (WHERE crimes.is_violent) AS violent_crimes,
        count(*) FILTER (WHERE crimes.is_property) AS property_crimes,
        count(*) FILTER (WHERE crimes.domestic) AS domestic_crimes
    FROM periods
    JOIN crimes ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day
    GROUP BY periods.period, periods.first_day, periods.last_day, crimes.month
),

covered AS (
    SELECT
        period,
        first_day,
        last_day,
        month,
        next_month,
        crimes,
        arrests,
        violent_crimes,
        property_crimes,
        domestic_crimes,
        date_diff(
            'day',
            CASE WHEN month < first_day THEN first_day ELSE month END,
            CASE WHEN next_month > last_day THEN CAST(date_add('day', 1, last_day) AS DATE) ELSE next_month END
        ) AS days_covered
    FROM counted
),

whole AS (
    SELECT period, month, crimes
    FROM covered
    WHERE days_covered = date_diff('day', month, next_month)
)

SELECT
    :as_of_day AS as_of_day,
    covered.period,
    covered.first_day,
    covered.last_day,
    covered.month,
    covered.crimes,
    covered.arrests,
    CAST(covered.arrests AS DOUBLE) / NULLIF(covered.crimes, 0) AS arrest_share,
    covered.violent_crimes,
    covered.property_crimes,
    covered.domestic_crimes,
    CAST(covered.days_covered AS INTEGER) AS days_covered,
    this_month.crimes - month_before.crimes AS change_from_previous_month,
    this_month.crimes - year_before.crimes AS change_from_year_before,
    2 * (sqrt(CAST(this_month.crimes AS DOUBLE)) - sqrt(CAST(year_before.crimes AS DOUBLE))) AS z_from_year_before,
    CASE WHEN date_diff('day', covered.next_month, :as_of_day) < 35 THEN 1 ELSE 0 END AS unsettled
FROM covered
LEFT JOIN whole AS this_month
    ON this_month.period = covered.period AND this_month.month = covered.month
LEFT JOIN whole AS month_before
    ON month_before.period = this_month.period
    AND month_before.month = CAST(date_add('month', -1, this_month.month) AS DATE)
LEFT JOIN whole AS year_before
    ON year_before.period = this_month.period
    AND year_before.month = CAST(date_add('month', -12, this_month.month) AS DATE)
ORDER BY covered.period, covered.month
