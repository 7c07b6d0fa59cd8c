-- All that forecasts are made of: index crimes by day, place and target, and since when each could be known.
--
-- A row is a record; they come in no order. Hardly two are equal, so adding them up here would only take time and
-- memory. Where a crime was, and what it was, is as known on the as-of day; when it became known is worked out by
-- `events`: from first_day where the lake saw the record come, else from how late records of the city are, one draw a
-- record.
--
-- @column as_of_day: The figures use what was published up to this change day.
-- @column occurred_on: Day on which it happened.
-- @column first_day: Change day of the first version that the lake has of the record.
-- @column is_seen: 1 if the lake pulled first_day in time, so that the record was new then; else 0.
-- @column draw: A number from 0 to 65,535, as likely as any other, the record's own until it is edited.
-- @column latitude: Degrees north, shifted to the block; NULL where unknown.
-- @column longitude: Degrees east, shifted to the block; NULL where unknown.
-- @column community_area: One of 77 community areas; NULL where unknown.
-- @column violent_street: 1 if it is a violent crime on public ground, else 0.
-- @column burglary: 1 if it is a burglary, else 0.
-- @column vehicle_theft: 1 if it is a vehicle theft, else 0.
-- @column robbery: 1 if it is a robbery, else 0.
-- @column index_crime: 1, as all are.

WITH older AS (
    SELECT id, min(change_day) AS change_day
    FROM crimes_superseded
    WHERE change_day <= :as_of_day
    GROUP BY id
),

first_versions AS (
    SELECT
        forecast_targets.occurred_on,
        CASE
            WHEN older.change_day < forecast_targets.change_day THEN older.change_day
            ELSE forecast_targets.change_day
        END AS first_day,
        -- The first four digits of a digest. A digit is its place among all digits.
        CAST(
            (strpos('0123456789abcdef', substr(forecast_targets.record_md5, 1, 1)) - 1) * 4096
            + (strpos('0123456789abcdef', substr(forecast_targets.record_md5, 2, 1)) - 1) * 256
            + (strpos('0123456789abcdef', substr(forecast_targets.record_md5, 3, 1)) - 1) * 16
            + (strpos('0123456789abcdef', substr(forecast_targets.record_md5, 4, 1)) - 1)
            AS INTEGER
        ) AS draw,
        forecast_targets.latitude,
        forecast_targets.longitude,
        forecast_targets.community_area,
        forecast_targets.violent_street,
        forecast_targets.burglary,
        forecast_targets.vehicle_theft,
        forecast_targets.robbery,
        forecast_targets.index_crime
    FROM forecast_targets
    LEFT JOIN older ON older.id = forecast_targets.id
    WHERE forecast_targets.occurred_on <= :as_of_day
)

SELECT
    :as_of_day AS as_of_day,
    first_versions.occurred_on,
    first_versions.first_day,
    CAST(CASE WHEN pulls.days_after <= 3 THEN 1 ELSE 0 END AS INTEGER) AS is_seen,
    first_versions.draw,
    first_versions.latitude,
    first_versions.longitude,
    first_versions.community_area,
    first_versions.violent_street,
    first_versions.burglary,
    first_versions.vehicle_theft,
    first_versions.robbery,
    first_versions.index_crime
FROM first_versions
LEFT JOIN pulls ON pulls.change_day = first_versions.first_day
