"""What is planted in the sample city is seen within the stated times: an emerging hot spot, and one that fades."""

from __future__ import annotations

from collections import Counter
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest
from h3.api import basic_str as h3

from crime_assets.analysis.forecast_statements import load_forecasts
from crime_assets.analysis.forecasts import places
from crime_assets.analysis.forecasts.days import ordinal
from crime_assets.analysis.forecasts.events import of_rows
from crime_assets.analysis.forecasts.making import forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECAST_SCORES
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.sources.feeds.sample import SampleFeed, planted
from crime_assets.sources.feeds.sample.places import places as blocks
from crime_assets_tests.build import CHICAGO

pytestmark = pytest.mark.slow

ORIGIN = date(2025, 11, 14)
PATTERNS = planted.around(ORIGIN)
SURGES = {surge.name: surge for surge in PATTERNS if isinstance(surge, planted.Surge)}
EMERGED_WITHIN, FADED_WITHIN = timedelta(weeks=4), timedelta(weeks=6)
LAG = 8
LISTS = pa.schema([("as_of_day", pa.date32()), ("target", pa.string()), ("horizon", pa.int32()), ("cell", pa.string())])
Row = dict[str, object]


def forecast_as_of(day: date, home: Path) -> list[Row]:
    """The cells of 28 days, from what the sample city had published by then in a year; no models."""
    lake, first = Lake(home / "lake"), day + timedelta(days=1)
    feed = SampleFeed(CHICAGO, origin=ORIGIN, today=first, rows=250_000, seed=7, planted=PATTERNS)
    load_history(lake, CHICAGO, feed, first, "run")
    engine, asked = DuckDBEngine(lake, CHICAGO), load_forecasts()
    seen, rows = engine.insight(asked.cells_seen, day), engine.insight(asked.events, day)
    area = places.study_area(
        {},
        places.cells_of(seen["latitude"].to_numpy(), seen["longitude"].to_numpy()),
        seen["community_area"].to_pylist(),
        seen["records"].to_numpy(),
    )
    engine.close()
    inputs = Inputs(
        events=of_rows(rows, None, LAG, area),
        places=area,
        t=ordinal(day),
        lag=LAG,
        first_record=ordinal(pc.min(rows["occurred_on"]).as_py()),
        past=arrow_schema(FORECAST_SCORES).empty_table(),
        lists=LISTS.empty_table(),
        residents={},
        with_trees=False,
    )
    cells = forecast(inputs).cells
    found: list[Row] = cells.filter(pc.equal(cells["horizon"], 28)).to_pylist()
    return found


def cells_at(surge: planted.Surge) -> set[str]:
    """The cells of its blocks."""
    latitudes, longitudes = (blocks().columns[name].to_pylist() for name in ("latitude", "longitude"))
    found = {block for spot in surge.spots for block in spot}
    return {h3.latlng_to_cell(float(latitudes[block]), float(longitudes[block]), 9) for block in found}


def with_trend(cells: list[Row], *, besides: set[str]) -> Counter[object]:
    """Target → cells with a trend that are not among those planted."""
    return Counter(row["target"] for row in cells if row["trend"] is not None and row["cell"] not in besides)


def all_planted() -> set[str]:
    """The cells of all spots that are planted, and those around them."""
    spots = (surge for name, surge in SURGES.items() if name != "rise")
    return {cell for surge in spots for center in cells_at(surge) for cell in h3.grid_disk(center, 1)}


def test_an_emerging_hot_spot_is_seen_within_four_weeks(tmp_path: Path) -> None:
    day = date(2025, 10, 26)
    assert day - SURGES["emerging"].first_day <= EMERGED_WITHIN

    cells = forecast_as_of(day, tmp_path)

    here = [row for row in cells if row["target"] == "vehicle_theft" and row["cell"] in cells_at(SURGES["emerging"])]
    assert "emerging" in {row["trend"] for row in here}
    assert {row["flagged"] for row in here if row["trend"] == "emerging"} <= {1, 2}
    assert max(with_trend(cells, besides=all_planted()).values(), default=0) <= 3


def test_a_hot_spot_that_has_ended_is_seen_to_fade_within_six_weeks_though_counts_keep_it_first(tmp_path: Path) -> None:
    day = date(2025, 10, 12)
    assert day - SURGES["fading"].last_day <= FADED_WITHIN

    cells = forecast_as_of(day, tmp_path)

    (faded,) = [row for row in cells if row["target"] == "burglary" and row["trend"] == "fading"]
    assert faded["cell"] in cells_at(SURGES["fading"])
    assert (faded["place"], faded["place_counting"]) == (1, 1)
    assert int(str(faded["records_365d"])) > 200
    assert max(with_trend(cells, besides=all_planted()).values(), default=0) <= 3
