-- For each lag of 0 to 90 days: the share of a day's records that is known after the lag, of those known by the 90th
-- day after it. Learned from the last 56 change days: the reverse-time hazard of right-truncated delays (Lagakos,
-- Barraj and De Gruttola 1988; for late reports Lawless 1994), known in insurance as the chain ladder.
--
-- The hazard of a lag is the part of the records known at that lag that were published exactly then; completeness after
-- L days is the product of 1 - hazard over all later lags. Records of the history count as known, never as published
-- exactly then, unless their ids tell when they were. A change day that brought nothing recent counts as not pulled and
-- is not used. If there is no day to learn from, completeness is NULL.
--
-- When a record was first published: on the change day of its first version, if the lake pulled that day in time. Later
-- pulls and histories show only the last stamp of a record, however often it was edited. Where the city numbers its
-- records as they are reported (from :serial_ids_from on), the id tells better: a record was reported by the first
-- change day with ten greater ids, and published then or when the city's lag was over.
--
-- completeness has six decimals. Three numbers of a million known records are computed from it, whole numbers, so that
-- their sums are the same in any order: late_per_million are still to come; late_variance_per_million is the variance
-- of these if each record comes by itself and completeness is right; late_error_per_million is the standard error that
-- the uncertainty of completeness makes, which is the same for all records (Greenwood's formula, as in Lawless 1994).
-- log_variance is the variance of the logarithm of completeness. Late records come in bursts: dispersion says how many
-- times greater the variance of a week's late records is than if each came by itself.
--
-- A translation may lift the queries below out of their WITH, so statements that read this part have no query of the
-- same name.
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

arrivals AS (
    SELECT change_day, date_diff('day', change_day, CAST(ingested_at AS DATE)) AS days_after
    FROM crimes
    WHERE change_day BETWEEN CAST(date_add('day', -145, :as_of_day) AS DATE) AND :as_of_day
        AND change_day >= :first_change_day
    UNION ALL
    SELECT change_day, date_diff('day', change_day, CAST(ingested_at AS DATE)) AS days_after
    FROM crimes_superseded
    WHERE change_day BETWEEN CAST(date_add('day', -145, :as_of_day) AS DATE) AND :as_of_day
        AND change_day >= :first_change_day
),

pulled_days AS (
    SELECT change_day, CASE WHEN min(days_after) > 3 THEN 1 ELSE 0 END AS is_late
    FROM arrivals
    GROUP BY change_day
),

ids_of_day AS (
    SELECT
        id,
        change_day,
        row_number() OVER (PARTITION BY change_day ORDER BY id DESC) AS place
    FROM recent
    WHERE change_day BETWEEN :serial_ids_from AND :as_of_day
),

-- The greatest ids of a change day, but for nine: a mistaken one should not count.
steps AS (
    SELECT change_day, id AS step FROM ids_of_day WHERE place = 10
),

dated AS (
    SELECT id, CAST(NULL AS DATE) AS reported_by FROM recent
    UNION ALL
    SELECT step AS id, change_day AS reported_by FROM steps
),

reported AS (
    SELECT
        id,
        reported_by,
        min(reported_by) OVER (
            ORDER BY id, reported_by NULLS FIRST ROWS BETWEEN CURRENT ROW AND UNBOUNDED FOLLOWING
        ) AS reported_on
    FROM dated
),

first_seen AS (
    SELECT
        recent.id,
        recent.occurred_on,
        CAST(
            date_add(
                'day', CAST(date_diff('day', :last_complete_day, :as_of_day) - 1 AS INTEGER), recent.occurred_on
            ) AS DATE
        ) AS lag_over_on,
        CASE WHEN older.change_day < recent.change_day THEN older.change_day ELSE recent.change_day END AS seen_on
    FROM recent
    LEFT JOIN older ON older.id = recent.id
),

-- The first day on which the record could be published, as far as its id tells.
first_possible AS (
    SELECT
        first_seen.occurred_on,
        first_seen.seen_on,
        CASE WHEN pulled_days.is_late = 0 THEN 1 ELSE 0 END AS is_seen_in_time,
        CASE
            WHEN reported.reported_on < first_seen.lag_over_on THEN first_seen.lag_over_on
            ELSE reported.reported_on
        END AS possible_on
    FROM first_seen
    LEFT JOIN reported ON reported.id = first_seen.id AND reported.reported_by IS NULL
    LEFT JOIN pulled_days ON pulled_days.change_day = first_seen.seen_on
),

first_versions AS (
    SELECT
        occurred_on,
        CASE WHEN is_seen_in_time = 0 AND possible_on < seen_on THEN possible_on ELSE seen_on END AS published_on
    FROM first_possible
),

published AS (
    SELECT occurred_on, published_on, count(*) AS crimes
    FROM first_versions
    GROUP BY occurred_on, published_on
),

-- Ids tell when a record was reported where the day before has a greatest id too. A late pull tells nothing where ids
-- could: on the day of a bulk re-stamp all records would seem new.
learnt_from AS (
    SELECT change_day
    FROM pulled_days
    WHERE change_day >= CAST(date_add('day', -55, :as_of_day) AS DATE)
        AND (is_late = 0 OR change_day < :serial_ids_from)
    UNION
    SELECT steps.change_day
    FROM steps
    JOIN steps AS step_before
        ON step_before.change_day = CAST(date_add('day', -1, steps.change_day) AS DATE)
    WHERE steps.change_day >= CAST(date_add('day', -55, :as_of_day) AS DATE)
),

learnt_days AS (
    SELECT
        date_diff('day', published.occurred_on, learnt_from.change_day) AS days_since,
        learnt_from.change_day,
        sum(published.crimes) AS known,
        sum(CASE WHEN published.published_on = learnt_from.change_day THEN published.crimes ELSE 0 END)
            AS first_published
    FROM learnt_from
    JOIN published
        ON published.published_on <= learnt_from.change_day
        AND published.occurred_on
            BETWEEN CAST(date_add('day', -90, learnt_from.change_day) AS DATE) AND learnt_from.change_day
    GROUP BY date_diff('day', published.occurred_on, learnt_from.change_day), learnt_from.change_day
),

learnt AS (
    SELECT days_since, sum(known) AS known, sum(first_published) AS first_published, count(*) AS change_days
    FROM learnt_days
    GROUP BY days_since
),

-- Of lags at which a complete day is still waited for: how far each week is off what its hazards say.
off_by_week AS (
    SELECT
        CAST(floor(CAST(date_diff('day', learnt_days.change_day, :as_of_day) AS DOUBLE) / 7) AS BIGINT) AS week,
        sum(
            learnt_days.first_published
            - learnt_days.known * (CAST(learnt.first_published AS DOUBLE) / learnt.known)
        ) AS off,
        sum(
            learnt_days.known * (CAST(learnt.first_published AS DOUBLE) / learnt.known)
            * (CAST(learnt.known - learnt.first_published AS DOUBLE) / learnt.known)
        ) AS variance
    FROM learnt_days
    JOIN learnt ON learnt.days_since = learnt_days.days_since
    WHERE learnt_days.days_since > date_diff('day', :last_complete_day, :as_of_day)
    GROUP BY CAST(floor(CAST(date_diff('day', learnt_days.change_day, :as_of_day) AS DOUBLE) / 7) AS BIGINT)
),

spread AS (
    SELECT
        CASE
            WHEN count(*) > 1 AND sum(off * off) * count(*) > sum(variance) * (count(*) - 1) AND sum(variance) > 0
                THEN CAST(
                    floor(
                        CAST(sum(off * off) * count(*) AS DOUBLE) / (sum(variance) * (count(*) - 1)) * 1000 + 0.5
                    ) AS DOUBLE
                ) / 1000
            ELSE CAST(1 AS DOUBLE)
        END AS dispersion
    FROM off_by_week
),

by_lag AS (
    SELECT
        CAST(lags.days_since AS BIGINT) AS days_since,
        CAST(coalesce(learnt.known, 0) AS BIGINT) AS known,
        CAST(coalesce(learnt.first_published, 0) AS BIGINT) AS first_published,
        coalesce(learnt.change_days, 0) AS change_days,
        learnt_count.days AS learnt_days,
        spread.dispersion
    FROM UNNEST(sequence(0, 90)) AS lags (days_since)
    LEFT JOIN learnt ON learnt.days_since = lags.days_since
    CROSS JOIN (SELECT count(*) AS days FROM learnt_from) AS learnt_count
    CROSS JOIN spread
),

-- Nothing of a day was known before a lag at which all that is known was published.
multiplied AS (
    SELECT
        days_since,
        known,
        first_published,
        change_days,
        learnt_days,
        dispersion,
        sum(CASE WHEN first_published < known THEN ln(CAST(known - first_published AS DOUBLE) / known) END)
            OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS logarithm,
        sum(
            CASE
                WHEN first_published < known
                    THEN CAST(first_published AS DOUBLE) / (CAST(known AS DOUBLE) * (known - first_published))
            END
        ) OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS greenwood,
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
        dispersion,
        CASE
            WHEN learnt_days = 0 THEN NULL
            WHEN coalesce(beginnings, 0) > 0 THEN CAST(0 AS DOUBLE)
            ELSE CAST(floor(exp(coalesce(logarithm, 0)) * 1000000 + 0.5) AS DOUBLE) / 1000000
        END AS completeness,
        CAST(floor(coalesce(greenwood, 0) * dispersion * 1000000000000 + 0.5) AS DOUBLE) / 1000000000000 AS log_variance
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
    END AS late_per_million,
    CASE
        WHEN completeness > 0
            THEN CAST(
                floor(CAST(1 - completeness AS DOUBLE) / (completeness * completeness) * 1000000 + 0.5) AS BIGINT
            )
        ELSE CAST(0 AS BIGINT)
    END AS late_variance_per_million,
    CASE
        WHEN completeness > 0
            THEN CAST(floor(CAST(sqrt(log_variance) AS DOUBLE) / completeness * 1000000 + 0.5) AS BIGINT)
        ELSE CAST(0 AS BIGINT)
    END AS late_error_per_million,
    log_variance,
    dispersion
FROM completed
