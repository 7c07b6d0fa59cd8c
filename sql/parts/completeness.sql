-- For each lag of 0 to 90 days: the share of a day's records that is known after the lag, of those known by the 90th
-- day after it. Learned from the last 56 change days: the reverse-time hazard of right-truncated delays (Lagakos,
-- Barraj and De Gruttola 1988; for late reports Lawless 1994), known in insurance as the chain ladder.
--
-- The hazard of a lag is the part of the records known at that lag that were published exactly then; completeness after
-- L days is the product of 1 - hazard over all later lags. Records of the history count as known, never as published
-- exactly then, unless their ids tell when they were (publications.sql). A change day that brought nothing recent
-- counts as not pulled and is not used. If there is no day to learn from, completeness is NULL. Where nothing of a day
-- was known before a lag, it begins there, and completeness before is 0; but a lag longer than the city's own at which
-- all that is known has just come, as in a town of few records, counts as if one record more had been known before.
-- is_learnt is 1 if a lag was learnt from twenty known records on average, which the intervals below need: with fewer,
-- that nothing came late says little.
--
-- completeness has six decimals, and is 0 where it would be less than a thousandth. Three numbers of a million known records are computed from it, whole numbers, so that
-- their sums are the same in any order: late_per_million are still to come; late_variance_per_million is the variance
-- of these if each record comes by itself and completeness is right; late_error_per_million is the standard error that
-- the uncertainty of completeness makes, which is the same for all records (Greenwood's formula, as in Lawless 1994).
-- log_variance is the variance of the logarithm of completeness. Late records come in bursts: dispersion says how many
-- times greater the variance of a week's late records is than if each came by itself.
--
-- A translation may lift the queries below out of their WITH, so statements that read this part have no query of the
-- same name.
WITH -- Ids tell when a record was reported where the day before has a greatest id too. A late pull tells nothing where
-- ids could: on the day of a bulk re-stamp all records would seem new.
learnt_from AS (
    SELECT change_day
    FROM pulls
    WHERE change_day >= CAST(date_add('day', -55, :as_of_day) AS DATE)
        AND (days_after <= 3 OR change_day < :serial_ids_from)
    UNION
    SELECT greatest_ids.change_day
    FROM greatest_ids
    JOIN greatest_ids AS day_before
        ON day_before.change_day = CAST(date_add('day', -1, greatest_ids.change_day) AS DATE)
    WHERE greatest_ids.change_day >= CAST(date_add('day', -55, :as_of_day) AS DATE)
),

learnt_days AS (
    SELECT
        date_diff('day', publications.occurred_on, learnt_from.change_day) AS days_since,
        learnt_from.change_day,
        sum(publications.crimes) AS known,
        sum(CASE WHEN publications.published_on = learnt_from.change_day THEN publications.crimes ELSE 0 END)
            AS first_published
    FROM learnt_from
    JOIN publications
        ON publications.published_on <= learnt_from.change_day
        AND publications.occurred_on
            BETWEEN CAST(date_add('day', -90, learnt_from.change_day) AS DATE) AND learnt_from.change_day
    GROUP BY date_diff('day', publications.occurred_on, learnt_from.change_day), learnt_from.change_day
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
        CAST(
            CASE
                WHEN learnt.first_published = learnt.known
                    AND lags.days_since > date_diff('day', :last_complete_day, :as_of_day)
                    THEN learnt.known + 1
                ELSE coalesce(learnt.known, 0)
            END AS BIGINT
        ) AS at_risk,
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
        sum(known) OVER () AS known_at_all_lags,
        sum(CASE WHEN first_published < at_risk THEN ln(CAST(at_risk - first_published AS DOUBLE) / at_risk) END)
            OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS logarithm,
        sum(
            CASE
                WHEN first_published < at_risk
                    THEN CAST(first_published AS DOUBLE) / (CAST(at_risk AS DOUBLE) * (at_risk - first_published))
            END
        ) OVER (ORDER BY days_since DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING) AS greenwood,
        sum(CASE WHEN at_risk > 0 AND first_published = at_risk THEN 1 ELSE 0 END)
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
            WHEN coalesce(beginnings, 0) > 0 OR exp(coalesce(logarithm, 0)) < 0.001 THEN CAST(0 AS DOUBLE)
            ELSE CAST(floor(exp(coalesce(logarithm, 0)) * 1000000 + 0.5) AS DOUBLE) / 1000000
        END AS completeness,
        CASE WHEN known_at_all_lags >= 20 * 91 THEN 1 ELSE 0 END AS is_learnt,
        CAST(floor(coalesce(greenwood, 0) * dispersion * 1000000000000 + 0.5) AS DOUBLE) / 1000000000000 AS log_variance
    FROM multiplied
)

SELECT
    days_since,
    known,
    first_published,
    change_days,
    completeness,
    is_learnt,
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
