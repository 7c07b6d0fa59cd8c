"""The weekly reconciliation, through the graph: what it pulls and removes, what it says, and what it refuses."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.digests import record_digest
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds.sample import SampleFeed, life
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.streams.deliveries import delivered_batches
from crime_assets.streams.inventory import merged_days
from crime_assets.streams.watch import unmerged
from crime_assets_tests.build import CHICAGO, clock_at, export_profile, record, sample_profile, write_export
from crime_assets_tests.graph import QUIET, Graph, Result, failing
from crime_assets_tests.sources.feeds.soda_server import SodaServer

pytestmark = pytest.mark.slow

FIRST, LAST = "2024-01-25", "2024-01-26"
TABLES = ("crimes", "crimes_superseded", "crimes_quarantine", "crimes_removed")


def _crimes() -> list[dict[str, object]]:
    crimes = [record(n, "2024-01-10", f"2024-01-0{n}") for n in range(1, 10)]
    crimes += [record(n, "2024-01-25", f"2023-12-{n}") for n in range(10, 16)]
    crimes += [record(n, LAST, "2024-01-15") for n in range(20, 23)]
    return [*crimes, record(98, "2024-01-10", ward="somewhere")]


def _later() -> list[dict[str, object]]:
    """The same source: 3, 12 and 22 are gone, 40 to 42 were missed, 5 was edited unnoticed, 6 after the last day."""
    crimes = {str(crime["id"]): crime for crime in _crimes()}
    for gone in ("3", "12", "22"):
        del crimes[gone]
    crimes["5"] = record(5, "2024-01-25", "2024-01-05", arrest=True)
    crimes["6"] = record(6, "2024-01-27", "2024-01-06", arrest=True)
    crimes["40"] = record(40, "2024-01-24", "2001-01-01")
    crimes["41"] = record(41, LAST, "2024-01-15")
    crimes["42"] = record(42, "2024-01-25", "2024-01-05", ward="somewhere else")
    return list(crimes.values())


def _graph(home: Path) -> Graph:
    """Of a lake with its history and two days, whose source has changed since."""
    export = write_export(home / "crimes.csv", _crimes())
    graph = Graph(export_profile(home / "lake", export))
    graph.load()
    graph.run(FIRST, LAST, job="backfill_change_days")
    write_export(export, _later())
    return Graph(export_profile(home / "lake", export))


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Where that lake lives (tables know their own paths), and a copy of it."""
    home, copy = tmp_path_factory.mktemp("prepared"), tmp_path_factory.mktemp("copy")
    _graph(home)
    shutil.copytree(home, copy, dirs_exist_ok=True)
    return home, copy


@pytest.fixture
def graph(prepared: tuple[Path, Path]) -> Graph:
    """That lake, anew for each test."""
    return _anew(*prepared)


def _anew(home: Path, copy: Path) -> Graph:
    shutil.rmtree(home)
    shutil.copytree(copy, home)
    return Graph(export_profile(home / "lake", home / "crimes.csv"))


def _reconcile(graph: Graph, config: Mapping[str, int] | None = None, *, fails: bool = False) -> Result:
    result = graph.definitions.resolve_job_def("reconcile_with_source").execute_in_process(
        instance=graph.instance,
        run_config={**QUIET, "ops": {"crime_reconciliation": {"config": dict(config or {})}}},
        raise_on_error=False,
    )
    assert result.success is not fails
    return result


def _said(graph: Graph) -> dict[str, object]:
    metadata = graph.materialized("crime_reconciliation")[None]
    return {name: value.value for name, value in metadata.items() if name not in ("preview", "not_seen")}


def _contents(graph: Graph) -> dict[str, object]:
    found = {name: graph.rows(name) for name in TABLES}
    for row in found["crimes_removed"]:
        del row["noticed_at"]
    return found


def _landed(graph: Graph, *days: str) -> set[str]:
    """Digests of all records delivered for these days."""
    found = [delivered_batches(graph.profile.landing, "chicago", date.fromisoformat(day)) for day in days]
    return {digest for batches in found for digests in batches.values() for digest in digests}


@pytest.fixture(scope="module")
def reconciled(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    graph = _graph(tmp_path_factory.mktemp("reconciled"))
    _reconcile(graph)
    return graph


def test_the_lake_is_the_source_again(reconciled: Graph) -> None:
    # The crime 6 was edited after the last day merged; 42 and 98 cannot be typed.
    expected = {int(str(crime["id"])): crime["arrest"] for crime in _later()} | {6: False}
    assert {row["id"]: row["arrest"] for row in reconciled.rows()} == {
        id: arrest for id, arrest in expected.items() if id not in (42, 98)
    }
    removed = reconciled.rows("crimes_removed")
    assert sorted((row["id"], row["removed_on"]) for row in removed) == [
        (id, date.fromisoformat(LAST)) for id in (3, 12, 22)
    ]
    assert sorted(str(row["id"]) for row in reconciled.rows("crimes_quarantine")) == ["42", "98"]
    assert [row["id"] for row in reconciled.rows("crimes_superseded")] == [5]


def test_it_says_what_it_did(reconciled: Graph) -> None:
    assert _said(reconciled) == {
        "changes_up_to": LAST,
        "rows_compared": 18,
        "months_compared": 3,
        "months_that_differ": 3,
        "months_restamped": 0,
        "newer_here": 0,
        "missing_pulled": 4,
        "rows_inserted": 2,
        "rows_replaced": 1,
        "removed": 3,
    }
    lines = reconciled.materialized("crime_reconciliation")[None]["preview"].value.splitlines()
    assert lines == [
        "| month | source | lake | difference | stamps |",
        "| --- | --- | --- | --- | --- |",
        "| 2024-01 | 12 | 13 | -1 |  |",
        "| 2023-12 | 5 | 6 | -1 |  |",
        "| 2001-01 | 1 | 0 | 1 |  |",
    ]


def test_what_was_missing_has_landed_and_is_promised(reconciled: Graph) -> None:
    landing = reconciled.profile.landing
    changes = reconciled.profile.feed.changes(date(2024, 1, 1), date.fromisoformat(LAST))
    pulled = {record_digest(crime) for crime in changes if crime["id"] in ("5", "40", "41", "42")}
    assert pulled < _landed(reconciled, LAST)
    manifest = load_manifest(landing.read(keys.manifest("chicago", date.fromisoformat(LAST))) or b"")
    assert sum(batch.records for batch in manifest.batches.values()) == 3 + len(pulled)
    days = [date.fromisoformat(day) for day in (FIRST, LAST)]
    assert list(unmerged(landing, "chicago", days)) == [], "the sensor has nothing to do"
    assert merged_days(landing, "chicago") == days
    assert failing(reconciled.check("delivery_complete", "one_row_per_id")) == set()


def test_running_it_again_changes_nothing(graph: Graph) -> None:
    _reconcile(graph)
    landing = graph.profile.landing
    before = graph.snapshots(), _contents(graph), [*landing.list("")]

    _reconcile(graph)

    assert (graph.snapshots(), _contents(graph), [*landing.list("")]) == before
    said = _said(graph)
    assert (said["missing_pulled"], said["removed"], said["rows_compared"]) == (0, 0, 17)
    # The crime that was edited after the last day merged comes with its own day.
    assert said["months_that_differ"] == 1


def test_the_next_day_goes_on_from_there(graph: Graph) -> None:
    _reconcile(graph)
    graph.run("2024-01-27", job="backfill_change_days")
    _reconcile(graph)

    assert {row["id"]: row["arrest"] for row in graph.rows()}[6] is True
    assert (_said(graph)["months_that_differ"], _said(graph)["changes_up_to"]) == (0, "2024-01-27")


# Each of these is the last thing a run does: the function, which call of it, and whether that is done.
# The commits are those of quarantine, superseded, crimes, removed, and crimes again.
DEATHS: dict[str, tuple[str, int, bool]] = {
    "landed, not promised": ("crime_assets.streams.pull._landed_entries", 1, False),
    "promised, not merged": ("crime_assets.lakehouse.reconciliation.reconcile.merge_deliveries", 1, False),
    "superseded, not merged": ("crime_assets.lakehouse.iceberg.tables.commit", 2, True),
    "merged, nothing removed": ("crime_assets.lakehouse.reconciliation.reconcile.record_merged", 1, False),
    "in crimes_removed and in crimes": ("crime_assets.lakehouse.iceberg.tables.commit", 4, True),
    "data files are written, no snapshot": ("crime_assets.lakehouse.iceberg.tables.commit", 5, False),
    "removed, not said": ("crime_assets.lakehouse.iceberg.tables.commit", 5, True),
}


@pytest.mark.parametrize("moment", DEATHS)
def test_a_crash_at_any_step_is_mended_by_running_again(
    moment: str, undisturbed: dict[str, object], graph: Graph, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        died = _die(patch, *DEATHS[moment])
        _reconcile(graph, fails=True)
    assert died, "the moment never came"
    held = {row["id"] for row in graph.rows()} | {row["id"] for row in graph.rows("crimes_removed")}
    assert held >= {3, 12, 22}, "never in neither"

    _reconcile(graph)

    assert _contents(graph) == undisturbed


@pytest.fixture(scope="module")
def undisturbed(prepared: tuple[Path, Path]) -> dict[str, object]:
    graph = _anew(*prepared)
    _reconcile(graph)
    return _contents(graph)


def _die(patch: pytest.MonkeyPatch, target: str, call: int, after: bool) -> list[int]:
    """Let a call of a function fail before or after it does its work; the answer is filled when it has."""
    module, _, name = target.rpartition(".")
    original: Callable[..., object] = getattr(__import__(module, fromlist=[name]), name)
    calls, died = [], []

    def dying(*args: object, **kwargs: object) -> object:
        calls.append(1)
        if len(calls) == call and not after:
            died.append(call)
            raise RuntimeError("killed")
        result = original(*args, **kwargs)
        if len(calls) == call:
            died.append(call)
            raise RuntimeError("killed")
        return result

    patch.setattr(target, dying)
    return died


def test_nonsense_changes_nothing_until_a_person_allows_it(graph: Graph) -> None:
    write_export(Path(graph.profile.settings.export), _crimes()[:6])
    landing = graph.profile.landing
    before = graph.snapshots(), [*landing.list("")]

    result = _reconcile(graph, fails=True)

    (failure,) = [event for event in result.all_events if event.event_type_value == "STEP_FAILURE"]
    error = failure.step_failure_data.error
    assert error is not None
    assert "lacks 12 or more of the 18 rows compared, and at most 8 are removed at once" in str(error)
    assert (graph.snapshots(), [*landing.list("")]) == before
    _reconcile(graph, {"most_removed": 12})
    assert sorted(row["id"] for row in graph.rows()) == [1, 2, 3, 4, 5, 6]
    assert len(graph.rows("crimes_removed")) == 12


def test_a_lake_without_a_change_day_is_not_compared(tmp_path: Path) -> None:
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes())))
    graph.load()
    result = _reconcile(graph, fails=True)
    assert "The lake has no change day to compare yet: run one" in str(result.all_events)


def test_old_deliveries_do_not_bring_removed_crimes_back(graph: Graph) -> None:
    _reconcile(graph)
    before = _contents(graph)
    graph.run(FIRST, LAST, job="merge_change_day")
    assert _contents(graph) == before


def test_exactly_what_the_sample_city_deleted_is_removed(tmp_path: Path) -> None:
    rows, before, after = 20_000, "2024-01-09T12:00:00", "2024-02-27T12:00:00"
    graph = Graph(sample_profile(tmp_path / "lake", rows, before))
    graph.load()
    last = date(2024, 1, 8)
    graph.run("2024-01-02", str(last), job="backfill_change_days")
    feed = graph.profile.feed
    assert isinstance(feed, SampleFeed)
    ids = {int(str(crime["id"])) for crime in feed.month_records([*feed.month_stamps(last)], last)}

    later = Graph(sample_profile(tmp_path / "lake", rows, after), graph.instance)
    _reconcile(later)

    # The truth is what the simulator decided, whatever any feed says.
    today, deleted = life.ordinal(date(2024, 2, 27)), set()
    for year, month in ((2023, 11), (2023, 12), (2024, 1)):
        lives = life.month(Settings().sample_seed, year, month)
        gone = lives.deleted < today
        deleted |= set((lives.day[gone] * 1_200 + lives.number[gone]).tolist()) & ids
    assert len(deleted) > 3
    ids -= {int(str(row["id"])) for row in later.rows("crimes_quarantine")}
    assert {row["id"] for row in later.rows("crimes_removed")} == deleted
    assert {row["id"] for row in later.rows()} == ids - deleted
    said = _said(later)
    assert (said["removed"], said["missing_pulled"]) == (len(deleted), 0)


def test_a_portal_is_reconciled_over_its_api(tmp_path: Path) -> None:
    with SodaServer(_crimes()[:-1], seed=2) as server:
        city = server.city(CHICAGO)
        feed = SocrataFeed(city, scheme="http", page_size=5, now=clock_at("2024-01-27T18:00:00"))
        profile = Profile(Settings(home=tmp_path / "lake", feed="socrata"), clock_at("2024-02-01T12:00:00"))
        graph = Graph(profile, overrides={"feed": feed})
        graph.load()
        graph.run(FIRST, LAST, job="backfill_change_days")
        server.remove("3")
        server.remove("12")
        server.edit("5", updated_on="2024-01-27T15:40:00.000", date="2023-12-24T10:00:00.000")
        server.add(record(40, "2024-01-24", "2001-01-01"))

        _reconcile(graph)

    assert sorted(row["id"] for row in graph.rows("crimes_removed")) == [3, 12]
    assert 40 in {row["id"] for row in graph.rows()}
    assert 5 in {row["id"] for row in graph.rows()}
    said = _said(graph)
    assert (said["missing_pulled"], said["removed"]) == (1, 2)


def test_it_runs_on_sundays_at_five_once_there_is_something_to_compare(tmp_path: Path, reconciled: Graph) -> None:
    schedule = reconciled.definitions.resolve_schedule_def("reconcile_with_source_weekly")
    assert (schedule.cron_schedule, schedule.execution_timezone) == ("0 5 * * 0", "America/Chicago")
    at = datetime(2024, 2, 4, 5, tzinfo=ZoneInfo("America/Chicago"))
    assert (at.weekday(), at - at.astimezone(UTC)) == (6, timedelta())

    def tick(graph: Graph) -> list[dg.RunRequest]:
        with dg.build_schedule_context(scheduled_execution_time=at, resources=graph.definitions.resources) as context:
            found = graph.definitions.resolve_schedule_def(schedule.name).evaluate_tick(context)
        return list(found.run_requests or [])

    assert len(tick(reconciled)) == 1
    assert tick(Graph(sample_profile(tmp_path / "lake"))) == []
