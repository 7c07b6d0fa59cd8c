-- Burglaries, robberies or thefts of vehicles near each other: where such a report was registered on a day, there were
-- at least four of its kind in the 3 × 3 cells of a thousandth of a degree around it in the seven days that end with
-- it, and more than chance explains at a steady rate. It compares with the same cells in the 84 days before these seven,
-- taken as the whole weeks of them that follow the first day of all stations, at least one. The cells of a day are
-- gathered by blocks of 5 × 5 cells: a block alerts once a day and kind, with the cell that has most. Revisions come at
-- twice, four and eight times the number that raises the alert. A cancelled report still counts, an amended one never
-- counts again, and sensitive reports have no place. Where a station joins later than others, its cells seem new, and
-- alerts come too easily until twelve weeks have passed.
--
-- @title Repeats near each other
-- @window day
-- @chance 4
-- @evidence major_head, block_lat, block_lon, day_number
-- @false_alarms At most 1 in 10,000 of kind, cell and day whose 3 × 3 cells had a report of the kind in thirteen weeks,
--   for any steady rate, if reports come independently; far fewer in fact, as it also takes a report in the cell on
--   that day, and blocks gather cells.

WITH steps AS (
    SELECT step FROM UNNEST(sequence(-1, 1)) AS numbers (step)
),

weeks AS (
    SELECT week FROM UNNEST(sequence(1, 12)) AS numbers (week)
),

around AS (
    SELECT
        new_cells.head,
        new_cells.cell_lat + north.step AS cell_lat,
        new_cells.cell_lon + east.step AS cell_lon,
        new_cells.day_number,
        MIN(new_cells.district) AS district,
        MIN(new_cells.event_id) AS event_id
    FROM new_cells
    CROSS JOIN steps AS north
    CROSS JOIN steps AS east
    WHERE new_cells.head IN ('burglary', 'robbery', 'vehicle theft')
    GROUP BY
        new_cells.head, new_cells.cell_lat + north.step, new_cells.cell_lon + east.step, new_cells.day_number
),

-- Cells with a report of the day whose seven days, and 3 × 3 cells, have a new report.
anchors AS (
    SELECT
        cells.head,
        cells.cell_lat,
        cells.cell_lon,
        cells.block_lat,
        cells.block_lon,
        cells.day_number,
        MIN(around.district) AS district,
        MIN(around.event_id) AS event_id
    FROM around
    INNER JOIN cells
        ON cells.head = around.head
        AND cells.cell_lat = around.cell_lat
        AND cells.cell_lon = around.cell_lon
        AND cells.day_number BETWEEN around.day_number AND around.day_number + 6
    GROUP BY
        cells.head, cells.cell_lat, cells.cell_lon, cells.block_lat, cells.block_lon, cells.day_number
),

neighbors AS (
    SELECT
        anchors.*,
        anchors.cell_lat + north.step AS near_lat,
        anchors.cell_lon + east.step AS near_lon
    FROM anchors
    CROSS JOIN steps AS north
    CROSS JOIN steps AS east
),

counted AS (
    SELECT
        neighbors.head,
        neighbors.cell_lat,
        neighbors.cell_lon,
        neighbors.block_lat,
        neighbors.block_lon,
        neighbors.day_number,
        neighbors.district,
        neighbors.event_id,
        CAST(SUM(CASE WHEN cells.day_number > neighbors.day_number - 7 THEN cells.reports ELSE 0 END) AS BIGINT)
            AS reports,
        CAST(SUM(CASE WHEN cells.day_number > neighbors.day_number - 7 THEN 0 ELSE cells.reports END) AS BIGINT)
            AS before_reports
    FROM neighbors
    INNER JOIN cells
        ON cells.head = neighbors.head
        AND cells.cell_lat = neighbors.near_lat
        AND cells.cell_lon = neighbors.near_lon
        AND cells.day_number BETWEEN neighbors.day_number - 90 AND neighbors.day_number
    GROUP BY
        neighbors.head, neighbors.cell_lat, neighbors.cell_lon, neighbors.block_lat, neighbors.block_lon,
        neighbors.day_number, neighbors.district, neighbors.event_id
),

begun AS (
    SELECT MIN(first_day) AS first_day FROM stations
),

-- The first day was not seen from its beginning: weeks are counted from the day after it.
history AS (
    SELECT counted.*, weeks.week AS periods
    FROM counted
    CROSS JOIN begun
    INNER JOIN weeks
        ON counted.day_number - begun.first_day >= 7 * weeks.week + 7
        AND (weeks.week = 12 OR counted.day_number - begun.first_day < 7 * weeks.week + 14)
    WHERE counted.reports >= 4
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
    SELECT limited.*, CASE WHEN limited.more < 4 THEN 4 ELSE limited.more END AS needed
    FROM limited
),

ranked AS (
    SELECT
        judged.*,
        levels.level,
        levels.factor,
        ROW_NUMBER() OVER (
            PARTITION BY judged.head, judged.block_lat, judged.block_lon, judged.day_number, levels.level
            ORDER BY judged.reports DESC, judged.cell_lat, judged.cell_lon
        ) AS place
    FROM judged
    INNER JOIN (VALUES (1, 1), (2, 2), (3, 4), (4, 8)) AS levels (level, factor)
        ON judged.reports >= judged.needed * levels.factor
)

SELECT
    head || '|' || CAST(block_lat AS VARCHAR) || '|' || CAST(block_lon AS VARCHAR) AS subject,
    district,
    day_number AS window_number,
    level AS revision,
    needed * factor AS at_least,
    before_reports,
    CAST(periods AS BIGINT) AS periods,
    cell_lat,
    cell_lon,
    event_id
FROM ranked
WHERE place = 1
