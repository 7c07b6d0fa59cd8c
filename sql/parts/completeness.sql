-- For each lag of 0 to 90 days: the share of a day's records that is known after the lag, of those known by the 90th
-- day after it. Learned from the change days among the last 56 that the lake has pulled itself: the reverse-time hazard
-- of right-truncated delays (Lagakos, Barraj and De Gruttola 1988), known in insurance as the chain ladder.
--
-- The hazard of a lag is the part of the records known at that lag that were published exactly then; completeness after
-- L days is the product of 1 - hazard over all later lags. Records of the history count as known, never as published
-- exactly then, because it is not known when they were. A change day that brought nothing recent counts as not pulled
-- and is not used. If no change day has been pulled yet, completeness is NULL.
--
-- completeness has six decimals, and late_per_million, records still to come for a million known ones, is computed from
-- it: sums of it are whole numbers, the same in any order. A translation may lift the queries below out of their WITH,
-- so statements that read this part have no query of the same name.
WITH recent AS (
    SELECT id, occurred_on, change_day
    FROM crimes
    WHERE occurred_on BETWEEN CAST(date_add('day', -145, :as_of_day) AS DATE) AND :as_of_day
),

older AS (
    SELECT id, min(change_day) AS change_day
    FROM crimes_superseded
    WHERE change_day <= :as_of_day
    GROUP BY id
),

first_versions AS (
    SELECT
        recent.occurred_on,
        CASE WHEN older.change_day < recent.change_day THEN older.change_day ELSE recent.change_day END AS published_on
    FROM recent
    LEFT JOIN older ON older.id = recent.id
),

published AS (
    SELECT occurred_on, published_on, count(*) AS crimes
    FROM first_versions
    GROUP BY occurred_on, published_on
),

pulled AS (
    SELECT change_day
    FROM recent
    WHERE change_day BETWEEN CAST(date_add('day', -55, :as_of_day) AS DATE) AND :as_of_day
        AND change_day >= :first_change_day
    UNION
    SELECT change_day
    FROM crimes_superseded
    WHERE change_day BETWEEN CAST(date_add('day', -55, :as_of_day) AS DATE) AND :as_of_day
        AND change_day >= :first_change_day
),

learnt AS (
    SELECT
        date_diff('day', published.occurred_on, pulled.change_day) AS days_since,
        sum(published.crimes) AS known,
        sum(CASE WHEN published.published_on = pulled.change_day THEN published.crimes ELSE 0 END) AS first_published,
        count(DISTINCT pulled.change_day) AS change_days
    FROM pulled
    JOIN published
        ON published.published_on <= pulled.change_day
        AND published.occurred_on BETWEEN CAST(date_add('day', -90, pulled.change_day) AS DATE) AND pulled.change_day
    GROUP BY date_diff('day', published.occurred_on, pulled.change_day)
),

by_lag AS (
    SELECT
        CAST(lags.days_since AS BIGINT) AS days_since,
        CAST(coalesce(learnt.known, 0) AS BIGINT) AS known,
        CAST(coalesce(learnt.first_published, 0) AS BIGINT) AS first_published,
        coalesce(learnt.change_days, 0) AS change_days,
        pulled_days.days AS pulled_days
    FROM UNNEST(sequence(0, 90)) AS lags (days_since)
    LEFT JOIN learnt ON learnt.days_since = lags.days_since
    CROSS JOIN (SELECT count(*) AS days FROM pulled) AS pulled_days
),

-- Nothing of a day was known before a lag at which all that is known was published.
multiplied AS (
    SELECT
        days_since,
        known,
        first_published,
        change_days,
        pulled_days,
        sum(CASE WHEN first_published < known THEN ln(CAST(known - first_published AS DOUBLE) / known) END)
            OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS logarithm,
        sum(CASE WHEN known > 0 AND first_published = known THEN 1 ELSE 0 END)
            OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS beginnings
    FROM by_lag
),

completed AS (
    SELECT
        days_since,
        known,
        first_published,
        change_days,
        CASE
            WHEN pulled_days = 0 THEN NULL
            WHEN coalesce(beginnings, 0) > 0 THEN CAST(0 AS DOUBLE)
            ELSE CAST(floor(exp(coalesce(logarithm, 0)) * 1000000 + 0.5) AS DOUBLE) / 1000000
        END AS completeness
    FROM multiplied
)

SELECT
    days_since,
    known,
    first_published,
    change_days,
    completeness,
    CASE
        WHEN completeness > 0
            THEN CAST(floor(CAST(1000000 AS DOUBLE) / completeness - 1000000 + 0.5) AS BIGINT)
        ELSE CAST(0 AS BIGINT)
    END AS late_per_million
FROM completed
