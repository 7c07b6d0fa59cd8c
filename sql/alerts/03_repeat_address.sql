-- One place again and again: at least three reports of any kind in a cell of a thousandth of a degree, some 110 m, on
-- one day, and more than chance explains at a steady rate. It compares with the cell's days from 28 to two days before,
-- of which those after the first day of all stations are counted; yesterday is left out, as reports of it may still
-- arrive. Revisions come at twice, four and eight times the number that raises the alert. A cancelled report still
-- counts, an amended one never counts again, and sensitive reports have no place. Where a station joins later than
-- others, its cells seem new, and alerts come too easily until four weeks have passed.
--
-- @title The same place again and again
-- @window day
-- @chance 4
-- @evidence cell_lat, cell_lon, day_number
-- @false_alarms At most 1 in 10,000 days of cells that have a report on the day, or had one in the four weeks before,
--   for any steady rate, if reports come independently. More where weekdays differ much.

WITH touched AS (
    SELECT cell_lat, cell_lon, day_number, MIN(district) AS district, MIN(event_id) AS event_id
    FROM new_cells
    GROUP BY cell_lat, cell_lon, day_number
),

counted AS (
    SELECT
        touched.cell_lat,
        touched.cell_lon,
        touched.day_number,
        touched.district,
        touched.event_id,
        CAST(SUM(CASE WHEN cells.day_number = touched.day_number THEN cells.reports ELSE 0 END) AS BIGINT) AS reports,
        CAST(SUM(CASE WHEN cells.day_number <= touched.day_number - 2 THEN cells.reports ELSE 0 END) AS BIGINT)
            AS before_reports
    FROM touched
    INNER JOIN cells
        ON cells.cell_lat = touched.cell_lat
        AND cells.cell_lon = touched.cell_lon
        AND cells.day_number BETWEEN touched.day_number - 28 AND touched.day_number
    GROUP BY touched.cell_lat, touched.cell_lon, touched.day_number, touched.district, touched.event_id
),

begun AS (
    SELECT MIN(first_day) AS first_day FROM stations
),

-- The first day was not seen from its beginning: days are counted from the one after it.
history AS (
    SELECT
        counted.*,
        CASE
            WHEN counted.day_number - begun.first_day > 29 THEN 27
            ELSE counted.day_number - begun.first_day - 2
        END AS periods
    FROM counted
    CROSS JOIN begun
    WHERE counted.reports >= 3 AND counted.day_number - begun.first_day >= 3
),

-- Beyond the table, twice as many as before are always more than the limit.
limited AS (
    SELECT history.*, COALESCE(limits.most, 2 * history.before_reports) + 1 AS more
    FROM history
    LEFT JOIN limits
        ON limits.chance = :chance
        AND limits.periods = history.periods
        AND limits.before_reports = history.before_reports
),

judged AS (
    SELECT limited.*, CASE WHEN limited.more < 3 THEN 3 ELSE limited.more END AS needed
    FROM limited
)

SELECT
    CAST(judged.cell_lat AS VARCHAR) || '|' || CAST(judged.cell_lon AS VARCHAR) AS subject,
    judged.district,
    judged.day_number AS window_number,
    levels.level AS revision,
    judged.needed * levels.factor AS at_least,
    judged.before_reports,
    CAST(judged.periods AS BIGINT) AS periods,
    judged.cell_lat,
    judged.cell_lon,
    judged.event_id
FROM judged
INNER JOIN (VALUES (1, 1), (2, 2), (3, 4), (4, 8)) AS levels (level, factor)
    ON judged.reports >= judged.needed * levels.factor
