"""The course of a forecast: said once, scored when its windows close, and once more when late records are in."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.days import day_of, replay_days
from crime_assets.analysis.forecasts.making import finished, forecast
from crime_assets.analysis.forecasts.pairs import Inputs
from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.defs.assets.forecasts import PlacesConfig
from crime_assets.defs.automation.jobs import BACKFILL, FORECAST
from crime_assets.defs.work import forecasting
from crime_assets.defs.work.forecast_inputs import inputs
from crime_assets.lakehouse.writing.forecasts import PLACES, SAID, SCORES, days, read
from crime_assets_tests.build import export_profile, record, write_export
from crime_assets_tests.graph import QUIET, Graph

pytestmark = pytest.mark.slow

SUNDAY = date(2024, 1, 21)
CLOSED, SETTLED = SUNDAY + timedelta(days=21), SUNDAY + timedelta(days=49)
LATE = 900_000
RING = "[[-87.65, 41.86], [-87.60, 41.86], [-87.60, 41.91], [-87.65, 41.91], [-87.65, 41.86]]"
ROBBERY = {"primary_type": "ROBBERY", "fbi_code": "03", "iucr": "0320"}


def city() -> list[dict[str, object]]:
    """A robbery a day in each of three places, published on the first of some days that is eight days later.

    One of the first week is published a month late.
    """
    first = SUNDAY - timedelta(days=200)
    published = (first + timedelta(days=150), SUNDAY - timedelta(days=1), SUNDAY, CLOSED, SETTLED)
    crimes = []
    for n in range(242):
        day = first + timedelta(days=n)
        stamp = next(one for one in published if one >= day + timedelta(days=8))
        for place in range(3):
            where = {"latitude": f"{41.87 + place / 100}", "longitude": "-87.63"}
            crimes.append(record(10 * n + place + 1, f"{stamp}", f"{day}", **ROBBERY, **where))
    late = f"{SUNDAY + timedelta(days=4)}"
    return [*crimes, record(LATE, f"{SETTLED}", late, **ROBBERY, latitude="41.87", longitude="-87.63")]


@dataclass(frozen=True)
class Course:
    """A lake that was forecast from on the first Sunday, and what it held on two later ones."""

    home: Path
    said: dict[str, pa.Table]
    closed: pa.Table
    """Scores of the first Sunday once windows of seven days were closed."""
    settled: pa.Table
    """The same once late records had come."""


@pytest.fixture(scope="module")
def course(tmp_path_factory: pytest.TempPathFactory) -> Course:
    home = tmp_path_factory.mktemp("course")
    profile = export_profile(home / "lake", write_export(home / "crimes.csv", city()), "2024-04-01T12:00:00")
    profile.begin(SUNDAY, anew=True)
    graph = Graph(profile)
    graph.load()
    graph.run(f"{SUNDAY}", job=BACKFILL)
    forecasting.make_places(profile, profile.engine)
    forecasting.score(profile, profile.engine, SUNDAY)
    assert forecasting.make(profile, profile.engine, SUNDAY).said
    said = {name: read(profile.lake, profile.city, name) for name in SAID}
    found = []
    for day in (CLOSED, SETTLED):
        graph.run(f"{day}", job=BACKFILL)
        forecasting.score(profile, profile.engine, day)
        found.append(read(profile.lake, profile.city, SCORES, [SUNDAY]))
    return Course(home, said, *found)


@pytest.fixture
def graph(course: Course, tmp_path: Path) -> Graph:
    """A copy of the lake, of which nothing is said as of the last Sunday."""
    shutil.copytree(course.home / "lake", tmp_path / "copied")
    return Graph(export_profile(tmp_path / "copied", course.home / "crimes.csv", "2024-04-02T12:00:00"))


def of(scores: pa.Table, horizon: int) -> list[dict[str, object]]:
    """What the count of all history has found of robberies, at 2 % of the area."""
    is_of = pc.and_(pc.equal(scores["method"], "all"), pc.equal(scores["share"], 2.0))
    is_of = pc.and_(is_of, pc.and_(pc.equal(scores["target"], "robbery"), pc.equal(scores["horizon"], horizon)))
    return scores.filter(is_of).to_pylist()


def test_late_records_change_scores_until_they_are_final_and_never_what_was_said(course: Course, graph: Graph) -> None:
    (provisional,), (final,) = of(course.closed, 7), of(course.settled, 7)
    told = ("basis", "state", "scored_to")
    assert [provisional[name] for name in told] == ["published", "provisional", CLOSED]
    assert [final[name] for name in told] == ["published", "final", SETTLED]
    assert (provisional["crimes"], final["crimes"]) == (21, 22)
    assert not of(course.closed, 28), "that window was open"
    (month,) = of(course.settled, 28)
    assert (month["state"], month["crimes"]) == ("provisional", 85)
    lake, city = graph.profile.lake, graph.profile.city
    assert {name: read(lake, city, name, [SUNDAY]) for name in SAID} == course.said


def test_what_another_run_has_said_meanwhile_is_kept(graph: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    profile, others = graph.profile, []

    def overtaken(given: Inputs) -> object:
        monkeypatch.setattr(forecasting, "forecast", forecast)
        others.append(forecasting.make(profile, profile.engine, SETTLED))
        return forecast(given)

    monkeypatch.setattr(forecasting, "forecast", overtaken)
    found = forecasting.make(profile, profile.engine, SETTLED)
    assert [one.said for one in (*others, found)] == [True, False]
    assert found.totals.equals(others[0].totals), "made_on too"
    assert found.rows == others[0].rows
    assert read(profile.lake, profile.city, SAID[-1], [SETTLED]).equals(found.totals)


def test_scores_of_another_study_area_count_no_more(graph: Graph) -> None:
    profile = graph.profile
    lake, city = profile.lake, profile.city
    (before,) = set(read(lake, city, PLACES)["area_id"].to_pylist())
    profile.landing.write(keys.boundaries("chicago", "community_area"), b'{"areas": {"32": [%s]}}' % RING.encode())
    assert forecasting.make_places(profile, profile.engine)[1] is False, "it is kept unless another is asked for"

    config = {**QUIET, "ops": {PLACES: {"config": PlacesConfig(anew=True).model_dump()}}}
    job = graph.definitions.resolve_job_def(FORECAST)
    done = job.execute_in_process(instance=graph.instance, run_config=config, asset_selection=graph.names.keys(PLACES))
    assert done.success
    (after,) = set(read(lake, city, PLACES)["area_id"].to_pylist())
    assert after != before
    assert finished(inputs(profile, profile.engine, SETTLED)).num_rows == 0

    found = forecasting.score(profile, profile.engine, SETTLED)
    assert found.published == 0
    assert found.replayed > 0
    given = inputs(profile, profile.engine, SETTLED)
    counted = finished(given)
    pairs = {(row["as_of_day"], row["horizon"]) for row in counted.to_pylist()}
    asked = {horizon: replay_days(given.t, horizon, given.lag, given.first_record) for horizon in HORIZONS}
    assert pairs == {(day_of(day), horizon) for horizon, found_days in asked.items() for day in found_days}
    assert set(counted["area_id"].to_pylist()) == {after}
    assert set(counted["basis"].to_pylist()) == {"replayed"}
    made = forecasting.make(profile, profile.engine, SETTLED)
    assert set(made.totals["area_id"].to_pylist()) == {after}
    assert days(lake, city) == {SUNDAY, SETTLED}
    assert set(read(lake, city, SAID[-1], [SUNDAY])["area_id"].to_pylist()) == {before}


def test_damaged_boundaries_are_said_to_be(graph: Graph) -> None:
    profile = graph.profile
    for damage in (b"{half", b"[]", b"{}"):
        profile.landing.write(keys.boundaries("chicago", "community_area"), damage)
        with pytest.raises(CrimeAssetsError, match=r"is damaged: materialize boundaries anew\.$"):
            forecasting.make_places(profile, profile.engine, anew=True)
