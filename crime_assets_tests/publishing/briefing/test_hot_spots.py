"""Hot spots as the briefing tells them, on the sample city: on no day where all is chance, and where one is planted."""

from __future__ import annotations

from datetime import date, timedelta
from functools import lru_cache

import duckdb
import h3.api.basic_str as h3
import pyarrow as pa
import pytest

from crime_assets.analysis.statistics import hotspots
from crime_assets.core.sql import statement
from crime_assets.publishing.briefing.changes import is_grown, told
from crime_assets.publishing.briefing.tables import Row, Tables
from crime_assets.publishing.cells import RESOLUTION, cells_of
from crime_assets.sources.feeds.sample import SampleFeed, planted
from crime_assets.sources.feeds.sample.places import places
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.sources.feeds.histories import read_history

pytestmark = pytest.mark.slow

ORIGIN = date(2025, 11, 14)
WEEK = [ORIGIN + timedelta(days=number) for number in range(7)]
ROWS = 250_000
"""About a year of the city."""
_POINTS = """
    SELECT
      CAST($day AS DATE) AS as_of_day, CAST($last AS DATE) AS last_day, latitude, longitude,
      count(*) FILTER (occurred_on > $last - 28) AS all_28d,
      count(*) FILTER (is_property AND occurred_on > $last - 28) AS property_28d,
      count(*) FILTER (is_violent AND occurred_on > $last - 28) AS violent_28d,
      count(*) AS all_365d,
      count(*) FILTER (is_property) AS property_365d,
      count(*) FILTER (is_violent) AS violent_365d
    FROM crimes
    WHERE occurred_on BETWEEN $last - 364 AND $last
    GROUP BY latitude, longitude
    ORDER BY latitude, longitude
"""
_BLOCKS = """
    SELECT 'all' AS period, latitude, longitude, count(*) AS crimes, district, beat, community_area
    FROM crimes GROUP BY ALL ORDER BY ALL
"""


@lru_cache
def city(*patterns: planted.Planted) -> duckdb.DuckDBPyConnection:
    """The crimes with coordinates that the city shows at the end of the week."""
    today = WEEK[-1] + timedelta(days=1)
    feed = SampleFeed(CHICAGO, origin=ORIGIN, today=today, rows=ROWS, seed=7, planted=patterns)
    shown = read_history(feed, today)
    con = duckdb.connect()
    con.register("shown", shown)
    con.execute("""
        CREATE TABLE crimes AS
        SELECT
          TRY_CAST(substr(date, 1, 10) AS DATE) AS occurred_on,
          TRY_CAST(latitude AS DOUBLE) AS latitude,
          TRY_CAST(longitude AS DOUBLE) AS longitude,
          fbi_code IN ('05', '06', '07', '09') AS is_property,
          fbi_code IN ('01A', '02', '03', '04A', '04B') AS is_violent,
          district, beat, community_area
        FROM shown
        WHERE TRY_CAST(latitude AS DOUBLE) > 40 AND TRY_CAST(longitude AS DOUBLE) IS NOT NULL
    """)
    con.unregister("shown")
    con.register("cells", cells_of(con.sql(_BLOCKS).to_arrow_table()))
    return con


def hot_cells(day: date, *patterns: planted.Planted) -> list[Row]:
    """What the briefing of a day has of hot cells."""
    con = city(*patterns)
    points = con.sql(_POINTS, params={"day": day, "last": CHICAGO.last_complete_day(day)}).to_arrow_table()
    con.register("insight_hotspots", hotspots.table(points))
    found: pa.Table = con.sql(statement("briefing", "hot_cells")).to_arrow_table()
    rows: list[Row] = found.to_pylist()
    return rows


def sentences(cells: list[Row], day: date) -> list[str]:
    return [change.sentence for change in told(Tables(hot_cells=cells), day).changes]


@pytest.mark.parametrize("day", WEEK)
def test_where_all_is_chance_no_hot_spot_is_called_new(day: date) -> None:
    cells = hot_cells(day)
    assert len(cells) > 150, "the centers are hot all the same"
    assert sentences(cells, day) == []


@pytest.mark.parametrize("day", [WEEK[0], WEEK[-1]])
def test_what_is_planted_is_told_with_its_place_and_only_it_has_a_dark_edge(day: date) -> None:
    patterns = planted.around(ORIGIN)
    cells = hot_cells(day, *patterns)
    (sentence,) = sentences(cells, day)
    # One is the emerging hot spot, of vehicle thefts alone.
    assert "8 for all offenses (7 of them in district 011, community area 27)" in sentence
    grown = {(row["offense_class"], row["cell"]) for row in cells if is_grown(row)}
    surges = {surge.name: surge for surge in patterns if isinstance(surge, planted.Surge)}
    assert {("all", cell) for cell in cells_at(surges["hot spot"])} <= grown
    around = {cell for center in cells_at(surges["emerging"]) for cell in h3.grid_disk(center, 1)}
    assert {kind for kind, cell in grown if cell in around} == {"all", "property"}
    spots = (surges[name] for name in ("hot spot", "chain", "emerging"))
    near = {cell for surge in spots for center in cells_at(surge) for cell in h3.grid_disk(center, 1)}
    assert {cell for _, cell in grown} <= near


def cells_at(surge: planted.Surge) -> set[str]:
    """The cells of its blocks."""
    latitudes, longitudes = (places().columns[name].to_pylist() for name in ("latitude", "longitude"))
    blocks = {block for spot in surge.spots for block in spot}
    return {h3.latlng_to_cell(float(latitudes[block]), float(longitudes[block]), RESOLUTION) for block in blocks}
