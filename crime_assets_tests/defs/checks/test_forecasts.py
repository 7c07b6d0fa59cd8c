"""The blocking checks of forecasts inside Dagster: sound tables pass, and each fault stops the run by its own check."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.defs.automation.jobs import BACKFILL, FORECAST
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.writing import forecasts
from crime_assets.lakehouse.writing.forecasts import SAID, read
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.defs.work.test_forecasting import ROBBERY, SUNDAY, city
from crime_assets_tests.graph import Graph, failing, verdicts

pytestmark = pytest.mark.slow

BLOCKING = {"no_look_ahead", "forecasts_add_up", "targets_are_reported"}


def replaced(graph: Graph, name: str, rows: pa.Table) -> None:
    """The table has these rows of the Sunday instead of those that were said."""
    table = tables.load(graph.profile.lake, "chicago", name)
    assert table is not None
    forecasts._replace_days(table, {SUNDAY: rows}, "fault")


def blocked_by(graph: Graph) -> set[str]:
    """The blocking checks that fail in a run of the Sunday, which is to fail."""
    return failing(graph.run(f"{SUNDAY}", job=FORECAST, fails=True)) & BLOCKING


def test_each_fault_is_found_by_its_check_and_stops_the_run(tmp_path: Path) -> None:
    write_export(tmp_path / "crimes.csv", city())
    profile = export_profile(tmp_path / "lake", tmp_path / "*.csv", "2024-04-01T12:00:00")
    profile.begin(SUNDAY, anew=True)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{SUNDAY}", job=BACKFILL)
    sound = graph.run(f"{SUNDAY}", job=FORECAST)
    assert set(verdicts(sound)) > BLOCKING
    assert not failing(sound) & BLOCKING

    cells = read(profile.lake, profile.city, "forecast_cells")
    column = cells.column_names.index("expected")
    replaced(graph, "forecast_cells", cells.set_column(column, "expected", pc.multiply(cells["expected"], 1.5)))
    assert blocked_by(graph) == {"forecasts_add_up"}
    replaced(graph, "forecast_cells", cells)

    totals = read(profile.lake, profile.city, SAID[-1])
    days = pa.array([SUNDAY] * totals.num_rows, pa.date32())
    replaced(graph, SAID[-1], totals.set_column(totals.column_names.index("known_to"), "known_to", days))
    assert blocked_by(graph) == {"no_look_ahead"}
    replaced(graph, SAID[-1], totals)

    assert not failing(graph.run(f"{SUNDAY}", job=FORECAST)) & BLOCKING, "all is as it was said"


def test_what_police_find_is_not_forecast(tmp_path: Path) -> None:
    arrested = [
        record(n, "2024-01-10", f"{SUNDAY - timedelta(days=60 + n)}", arrest=n % 2 == 0, **ROBBERY)
        for n in range(1, 41)
    ]
    write_export(tmp_path / "crimes.csv", [*arrested, record(100, f"{SUNDAY}", f"{SUNDAY - timedelta(days=9)}")])
    profile = export_profile(tmp_path / "lake", tmp_path / "*.csv", "2024-04-01T12:00:00")
    profile.begin(SUNDAY, anew=True)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{SUNDAY}", job=BACKFILL)
    found = graph.run(f"{SUNDAY}", job=FORECAST, fails=True)
    assert failing(found) & BLOCKING == {"targets_are_reported"}
    assert "robbery 50%" in str(verdicts(found)["targets_are_reported"].description)
