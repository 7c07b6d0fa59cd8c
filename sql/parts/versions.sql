-- Every version of a record that the lake has known, the present one and those it replaced, with the days on which it
-- was known: from `known_from` until the day before `known_until`, which is NULL for present versions. Removed records
-- end on the day from which the source is known to no longer have them. Of a day on which the lake did not look itself
-- (see seen_days.sql) only the last version is there.
WITH replaced AS (
    SELECT
        id,
        occurred_on,
        district,
        beat,
        community_area,
        offense_class,
        change_day,
        updated_on,
        ingested_at,
        record_md5,
        CAST(NULL AS DATE) AS removed_on
    FROM crimes_superseded
    WHERE change_day <= :as_of_day
    UNION ALL
    SELECT
        id,
        occurred_on,
        district,
        beat,
        community_area,
        offense_class,
        change_day,
        updated_on,
        ingested_at,
        record_md5,
        removed_on
    FROM crimes_removed
    WHERE removed_on <= :as_of_day
),

present AS (
    SELECT id, change_day FROM crimes WHERE id IN (SELECT id FROM replaced)
),

-- The version that each change day ended with.
ordered AS (
    SELECT
        id,
        occurred_on,
        district,
        beat,
        community_area,
        offense_class,
        change_day,
        removed_on,
        row_number() OVER (
            PARTITION BY id, change_day
            ORDER BY removed_on NULLS LAST, updated_on DESC, ingested_at DESC, record_md5 DESC
        ) AS copy
    FROM replaced
),

followed_by AS (
    SELECT
        ordered.id,
        ordered.occurred_on,
        ordered.district,
        ordered.beat,
        ordered.community_area,
        ordered.offense_class,
        ordered.change_day,
        ordered.removed_on,
        present.change_day AS present_since,
        lead(ordered.change_day) OVER (PARTITION BY ordered.id ORDER BY ordered.change_day) AS next_replaced
    FROM ordered
    LEFT JOIN present ON present.id = ordered.id
    WHERE ordered.copy = 1 AND (present.change_day IS NULL OR present.change_day <> ordered.change_day)
),

ended AS (
    SELECT
        id,
        occurred_on,
        district,
        beat,
        community_area,
        offense_class,
        change_day,
        removed_on,
        CASE
            WHEN present_since > change_day AND (next_replaced IS NULL OR present_since < next_replaced)
                THEN present_since
            ELSE next_replaced
        END AS next_version
    FROM followed_by
)

SELECT
    id,
    occurred_on,
    district,
    beat,
    community_area,
    offense_class,
    change_day AS known_from,
    CAST(NULL AS DATE) AS known_until
FROM crimes
UNION ALL
SELECT
    id,
    occurred_on,
    district,
    beat,
    community_area,
    offense_class,
    change_day AS known_from,
    CASE WHEN removed_on IS NULL OR next_version < removed_on THEN next_version ELSE removed_on END AS known_until
FROM ended
-- Whatever replaced it, a version that nothing is known to have ended is not present.
WHERE next_version IS NOT NULL OR removed_on IS NOT NULL
