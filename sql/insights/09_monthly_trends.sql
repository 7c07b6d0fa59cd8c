-- How crime changes from month to month and from year to year. Only whole months of the period are compared; the first
-- and last are often cut, so their changes are NULL, and a period of 28 or 365 days holds no month twice. Nor are those
-- whose late records would have come on a change day that was never pulled. A series that ends now always slopes down:
-- late records keep arriving, so months marked unsettled will still grow. Therefore a month is compared with an earlier
-- one as that was known when it was as old: seen by the lake, or estimated from reporting delays; insight_compstat
-- explains these and unknown, and has intervals. An arrest share is the part of the records with an arrest so far, not
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
-- @column crimes_previous_month: Records of the month before as they were known when they were as old, where both
--   months lie wholly in the period and have records. [change_day, id, ingested_at, occurred_on]
-- @column previous_month_basis: How that is known: seen, estimated or unknown.
-- @column crimes_year_before: The same of the same month a year before. [change_day, id, ingested_at, occurred_on]
-- @column year_before_basis: How that is known.
-- @column change_from_previous_month: Crimes less crimes of the previous month. [change_day, id, ingested_at,
--   occurred_on]
-- @column change_from_year_before: Crimes less crimes of the year before. [change_day, id, ingested_at, occurred_on]
-- @column z_from_year_before: 2 * (sqrt(crimes) - sqrt(crimes a year before)): where crimes come independently and
--   nothing has changed it is 0 give or take 1.4. [change_day, id, ingested_at, occurred_on]
-- @column unsettled: 1 where the month ends at most 35 days before the as-of day or after it, else 0. [month]
-- @chart line month, crimes where period = all
-- @about previous_month_basis: crimes_previous_month
-- @about year_before_basis: crimes_year_before
-- @count crimes: arrest_share
-- @count arrests: arrest_share
-- @count violent_crimes
-- @count property_crimes
-- @count domestic_crimes
-- @across crimes_previous_month, crimes_year_before, change_from_previous_month, change_from_year_before,
--   z_from_year_before
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
    SELECT covered.period, covered.month, covered.next_month, covered.crimes
    FROM covered
    LEFT JOIN gaps
        ON gaps.is_unpulled = 1
        AND gaps.day_after > covered.month
        AND gaps.day_before < CAST(date_add('day', -1, covered.next_month) AS DATE)
    WHERE covered.days_covered = date_diff('day', covered.month, covered.next_month) AND gaps.day_after IS NULL
),

-- Each whole month beside the one before and the one a year before, with the day on which those were as old.
compared AS (
    SELECT
        later.period,
        later.month AS later_month,
        back.months_back,
        earlier.month,
        earlier.crimes,
        CAST(
            date_add(
                'day', CAST(-date_diff('day', earlier.next_month, later.next_month) AS INTEGER), :as_of_day
            ) AS DATE
        ) AS known_day
    FROM whole AS later
    CROSS JOIN (VALUES (1), (12)) AS back (months_back)
    JOIN whole AS earlier
        ON earlier.period = later.period
        AND earlier.month = CAST(date_add('month', -back.months_back, later.month) AS DATE)
),

daily AS (
    SELECT occurred_on, month, count(*) AS crimes
    FROM crimes
    WHERE occurred_on > CAST(date_add('day', -560, :as_of_day) AS DATE)
    GROUP BY occurred_on, month
),

-- How much of what is known today was not known when the month was younger; months that were older then are complete.
not_known AS (
    SELECT
        compared.period,
        compared.later_month,
        compared.months_back,
        sum(daily.crimes * (1000000 - shares_then.share_per_million)) AS millionths
    FROM compared
    JOIN daily ON daily.month = compared.month
    JOIN shares_then
        ON shares_then.days_then = date_diff('day', daily.occurred_on, compared.known_day)
        AND shares_then.days_now = CASE
            WHEN date_diff('day', daily.occurred_on, :as_of_day) > 90 THEN 91
            ELSE date_diff('day', daily.occurred_on, :as_of_day)
        END
    GROUP BY compared.period, compared.later_month, compared.months_back
),

seen_months AS (
    SELECT DISTINCT compared.month, compared.known_day
    FROM compared
    JOIN seen_days ON seen_days.known_day = compared.known_day
),

seen AS (
    SELECT seen_months.month, seen_months.known_day, count(*) AS crimes
    FROM seen_months
    JOIN versions
        ON versions.occurred_on >= seen_months.month
        AND versions.occurred_on < CAST(date_add('month', 1, seen_months.month) AS DATE)
        AND versions.known_from <= seen_months.known_day
        AND (versions.known_until IS NULL OR versions.known_until > seen_months.known_day)
    GROUP BY seen_months.month, seen_months.known_day
),

learned AS (
    SELECT max(is_learnt) AS is_learned FROM completeness
),

judged AS (
    SELECT
        compared.period,
        compared.later_month AS month,
        compared.months_back,
        CASE
            WHEN seen_days.known_day IS NOT NULL THEN coalesce(seen.crimes, 0)
            ELSE compared.crimes
                - CAST(floor(CAST(coalesce(not_known.millionths, 0) AS DOUBLE) / 1000000 + 0.5) AS BIGINT)
        END AS crimes,
        CASE
            WHEN seen_days.known_day IS NOT NULL THEN 'seen'
            WHEN learned.is_learned = 1 THEN 'estimated'
            ELSE 'unknown'
        END AS basis
    FROM compared
    LEFT JOIN seen_days ON seen_days.known_day = compared.known_day
    CROSS JOIN learned
    LEFT JOIN seen ON seen.month = compared.month AND seen.known_day = compared.known_day
    LEFT JOIN not_known
        ON not_known.period = compared.period
        AND not_known.later_month = compared.later_month
        AND not_known.months_back = compared.months_back
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
    month_before.crimes AS crimes_previous_month,
    month_before.basis AS previous_month_basis,
    year_before.crimes AS crimes_year_before,
    year_before.basis AS year_before_basis,
    covered.crimes - month_before.crimes AS change_from_previous_month,
    covered.crimes - year_before.crimes AS change_from_year_before,
    2 * (sqrt(CAST(covered.crimes AS DOUBLE)) - sqrt(CAST(year_before.crimes AS DOUBLE))) AS z_from_year_before,
    CASE WHEN date_diff('day', covered.next_month, :as_of_day) < 35 THEN 1 ELSE 0 END AS unsettled
FROM covered
LEFT JOIN judged AS month_before
    ON month_before.period = covered.period AND month_before.month = covered.month AND month_before.months_back = 1
LEFT JOIN judged AS year_before
    ON year_before.period = covered.period AND year_before.month = covered.month AND year_before.months_back = 12
ORDER BY covered.period, covered.month
