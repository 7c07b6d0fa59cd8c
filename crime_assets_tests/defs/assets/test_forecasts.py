"""The assets of forecasts: made on Sundays, said once, scored again; and what is refused."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Iterator
from dataclasses import replace
from datetime import date
from pathlib import Path

import dagster as dg
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.automation.jobs import BACKFILL, FORECAST
from crime_assets.defs.checks import verdicts_of_forecasts
from crime_assets.defs.checks.verdicts import Verdict
from crime_assets.defs.work import forecasting
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.writing.forecasts import PLACES, SAID, SCORES, days, read
from crime_assets.profiles import Profile
from crime_assets.publishing import forecast_tables
from crime_assets.publishing.forecasts import Forecasts
from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import Graph, failing

FIRST, SUNDAY, LAST, NEXT = date(2024, 1, 30), date(2024, 2, 4), date(2024, 2, 5), date(2024, 2, 11)
LATER = date(2024, 2, 25)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("forecasts") / "lake"


@pytest.fixture(scope="module")
def instance() -> dg.DagsterInstance:
    return dg.DagsterInstance.ephemeral()


@pytest.fixture(scope="module")
def graph(home: Path, instance: dg.DagsterInstance) -> Iterator[Graph]:
    """A lake of 200 days, of which the forecasts of a week are made as of its one Sunday."""
    graph = Graph(sample_profile(home, 140_000, "2024-02-06T12:00:00"), instance)
    graph.load()
    graph.run(f"{FIRST}", f"{LAST}", job=BACKFILL)
    assert forecasting.awaited(graph.profile) == SUNDAY
    with pytest.MonkeyPatch.context() as patch:
        # Simulations take seconds, and others test what they say.
        patch.setattr(forecast_tables, "_SEEDS", 1)
        graph.run(f"{FIRST}", f"{LAST}", job=FORECAST)
        yield graph


def calibration_of(graph: Graph, day: date) -> str:
    """The picture of what intervals held, as the metadata of a day has it."""
    value = str(graph.materialized(SAID[-1])[f"{day}"]["calibration"].value)
    return b64decode(value.removeprefix("![chart](data:image/svg+xml;base64,").removesuffix(")")).decode()


def test_a_range_makes_the_newest_sunday_of_it(graph: Graph) -> None:
    lake, city = graph.profile.lake, graph.profile.city
    assert days(lake, city) == {SUNDAY}
    assert forecasting.awaited(graph.profile) is None
    for name, columns in FORECASTS.items():
        assert read(lake, city, name).schema == arrow_schema(columns)
    totals = read(lake, city, SAID[-1])
    assert totals.num_rows == 15
    assert set(totals["known_to"].to_pylist()) == {date(2024, 1, 27)}
    assert set(totals["first_day"].to_pylist()) == {LAST}
    assert read(lake, city, "forecast_cells").num_rows == 15 * read(lake, city, PLACES).num_rows
    assert set(totals["release"].to_pylist()) == {forecasting.statements_of(city).release}


def test_windows_that_are_finished_are_replayed(graph: Graph) -> None:
    rows = read(graph.profile.lake, graph.profile.city, SCORES, columns=["as_of_day", "horizon", "basis", "scored_to"])
    assert set(rows["basis"].to_pylist()) == {"replayed"}
    assert set(rows["scored_to"].to_pylist()) == {SUNDAY}
    origins = {(row["as_of_day"], row["horizon"]) for row in rows.to_pylist()}
    assert {horizon for _, horizon in origins} == {7, 28, 90}
    assert all((SUNDAY - day).days >= horizon + 8 for day, horizon in origins)


def test_replays_in_squares_stand_beside_those_in_cells(graph: Graph) -> None:
    rows = read(graph.profile.lake, graph.profile.city, SCORES).to_pandas()
    found = rows[rows["grid"] == "nij-600ft"]
    assert set(rows["grid"]) == {"h3-9", "nij-600ft"}
    assert (set(found["horizon"]), set(found["cells"])) == ({28}, {20, 58})
    assert not found["in_verdict"].any()
    in_cells = rows[(rows["grid"] == "h3-9") & (rows["horizon"] == 28)]
    assert set(found["as_of_day"]) == set(in_cells["as_of_day"])
    # The same records: only squares at the edge may hold others.
    pair = ["as_of_day", "target"]
    assert found.groupby(pair)["crimes"].first().equals(in_cells.groupby(pair)["crimes"].first())
    assert set(found["area_id"]) == set(in_cells["area_id"])


def test_the_metadata_says_what_was_made(graph: Graph) -> None:
    found = graph.materialized(SAID[-1])
    assert found[f"{SUNDAY}"]["dagster/partition_row_count"].value == 15
    assert found[f"{SUNDAY}"]["said"].value == "now"
    assert "counting is shown" in str(found[f"{SUNDAY}"]["verdicts"].value).lower()
    assert "No window is finished yet." in calibration_of(graph, SUNDAY)
    replayed = graph.materialized(SCORES)[f"{SUNDAY}"]
    assert (replayed["published"].value, replayed["replayed"].value, replayed["replayed_in_squares"].value) == (0, 7, 3)
    assert "nobody had this forecast then" in str(found[f"{LAST}"]["file"].value)


def test_the_pages_have_a_file_of_the_sunday(graph: Graph, tmp_path: Path) -> None:
    found = graph.materialized("forecast_pages")
    landing = graph.profile.landing
    assert found[f"{SUNDAY}"]["file"].value == landing.location(keys.forecast("chicago", SUNDAY))
    assert "a range makes those of its newest one" in str(found[f"{LAST}"]["file"].value)
    tables = Forecasts(landing, tmp_path).of("chicago", SUNDAY).tables(0)
    assert found[f"{SUNDAY}"]["rows"].value == {name: rows.num_rows for name, rows in tables.items()}
    assert tables["totals"].equals(read(graph.profile.lake, graph.profile.city, SAID[-1], [SUNDAY]))


def test_pages_wait_for_checks_that_block(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(*_: object) -> Verdict:
        return Verdict(False, "They do not.")

    monkeypatch.setattr(verdicts_of_forecasts, "forecasts_add_up", wrong)
    result = graph.run(f"{SUNDAY}", job=FORECAST, fails=True)
    assert "forecasts_add_up" in failing(result)
    assert "forecast_pages" not in {event.node_name for event in result.get_step_success_events()}


def test_a_second_run_changes_nothing(graph: Graph) -> None:
    before = graph.snapshots()
    graph.run(f"{SUNDAY}", job=FORECAST)
    assert graph.snapshots() == before
    assert "kept as it is" in str(graph.materialized(SAID[-1])[f"{SUNDAY}"]["said"].value)


def test_what_cannot_be_forecast_is_refused(graph: Graph) -> None:
    profile = graph.profile
    for day, said in (
        (LAST, "made as of Sundays, and 2024-02-05 is none: materialize them for 2024-02-04"),
        (date(2024, 1, 28), "cannot forecast from 2024-01-28: what was known is told from 2024-01-30 on"),
        (NEXT, "2024-02-11 have not been merged"),
    ):
        for step in (forecasting.make, forecasting.score):
            with pytest.raises(CrimeAssetsError, match=said):
                step(profile, profile.engine, day)


@pytest.fixture(scope="module")
def said(graph: Graph) -> pa.Table:
    """What was said of cells on the first Sunday."""
    return read(graph.profile.lake, graph.profile.city, "forecast_cells")


@pytest.fixture(scope="module")
def later(graph: Graph, home: Path, said: pa.Table) -> Graph:
    """The same lake three weeks later, forecast from again: by now no area may have more than its share of the list."""
    settings = replace(graph.profile.settings, forecast_cap=1.0)
    later = Graph(Profile(settings, sample_profile(home, 140_000, "2024-02-27T12:00:00").clock))
    later.run("2024-02-06", "2024-02-26", job=BACKFILL)
    assert forecasting.awaited(later.profile) == LATER
    later.run(f"{LATER}", job=FORECAST)
    return later


def test_the_next_week_scores_what_was_said_and_says_its_own(later: Graph, said: pa.Table) -> None:
    """Three weeks later the windows of seven days are complete; nobody can forecast for the weeks between any more."""
    profile = later.profile
    assert read(profile.lake, profile.city, "forecast_cells", [SUNDAY]).equals(said)
    scores = read(profile.lake, profile.city, SCORES, [SUNDAY]).to_pylist()
    assert {(row["basis"], row["state"], row["horizon"]) for row in scores} == {("published", "provisional", 7)}
    assert {row["scored_to"] for row in scores} == {LATER}
    assert days(profile.lake, profile.city) == {SUNDAY, LATER}
    assert "community areas: of 95% intervals, " in calibration_of(later, LATER)
    with pytest.raises(CrimeAssetsError, match="nobody had a forecast as of 2024-02-18 in its time"):
        forecasting.make(profile, profile.engine, date(2024, 2, 18))


def test_no_area_has_more_of_the_list_than_the_cap_lets_in(later: Graph) -> None:
    lake, city = later.profile.lake, later.profile.city
    places = read(lake, city, PLACES, columns=["cell", "km2"]).to_pandas()
    cells = read(lake, city, "forecast_cells").to_pandas().merge(places, on="cell")
    assert not cells[cells["as_of_day"] == SUNDAY]["is_capped_out"].any(), "there was no cap"
    for _, pair in cells[cells["as_of_day"] == LATER].groupby(["target", "horizon"]):
        uncapped = (pair.sort_values("place")["km2"].cumsum() < 0.02 * pair["km2"].sum()).sum() + 1
        listed = pair[pair["flagged"] <= 2].groupby("area").size()
        own = pair.groupby("area")["records_365d"].sum() / pair["records_365d"].sum()
        assert (listed <= own[listed.index] * uncapped + 1e-6).all()
        assert pair["is_capped_out"].any()


def test_exposure_is_what_a_plain_computation_gives(later: Graph) -> None:
    lake, city = later.profile.lake, later.profile.city
    cells = read(lake, city, "forecast_cells", [SUNDAY]).to_pandas()
    residents = pd.Series(city.residents)
    exposure = read(lake, city, "forecast_exposure", [SUNDAY]).to_pandas().set_index("area")
    for pair, found in exposure.groupby(["target", "horizon"]):
        of_pair = cells[(cells["target"] == pair[0]) & (cells["horizon"] == pair[1])]
        listed = of_pair[of_pair["flagged"] <= 2].groupby("area", dropna=False).size()
        records = of_pair.groupby("area")["records_365d"].sum() / of_pair["records_365d"].sum()
        plain = pd.DataFrame(
            {
                "share_flagged": listed.reindex(found.index, fill_value=0) / listed.sum(),
                "share_records_365d": records.reindex(found.index),
                "share_residents": residents.reindex(found.index) / 2_746_388,
            }
        )
        plain["ratio_residents"] = plain["share_flagged"] / plain["share_residents"]
        assert np.allclose(found[plain.columns], plain, atol=2e-6)
        assert found["share_flagged"].sum() <= 1 + 1e-5
        assert found["share_residents"].notna().all()
