"""Upkeep in the graph: what each asset did and says of it, its settings, and that the other assets go on as before."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.errors import DagsterInvalidConfigError

from crime_assets.core.insights import all_insights
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.sizes import table_sizes
from crime_assets.lakehouse.writing.insights import stale_days
from crime_assets.profiles import Profile, Settings
from crime_assets_tests.build import CHICAGO, export_profile, record, write_export
from crime_assets_tests.graph import INSIGHTS, QUIET, Graph
from crime_assets_tests.lakehouse.growing import contents, on_disk, referred

pytestmark = pytest.mark.slow

DAYS = (date(2024, 1, 25), date(2024, 1, 26))
STEPS = ("lake_compaction", "lake_expiry", "lake_orphans")
CURATED = ("crimes", "crimes_quarantine", "crimes_superseded")
LATER = timedelta(days=31)


def _crimes(days: int) -> list[dict[str, object]]:
    """What the city publishes after so many days: each adds a crime and a bad record, and edits an older one."""
    crimes = {n: record(n, "2024-01-10", f"2023-{1 + n % 6:02}-05", domestic=True) for n in range(12)}
    for number in range(days):
        day = str(DAYS[number])
        crimes |= {number: record(number, day, f"2023-{1 + number:02}-05", arrest=True)}
        crimes |= {100 + number: record(100 + number, day, "2024-01-12", iucr="0910")}
        crimes |= {200 + number: record(200 + number, day, ward="somewhere")}
    return list(crimes.values())


@pytest.fixture(scope="module")
def loaded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake of two days, each with its insights, and a file that a killed process left."""
    place = tmp_path_factory.mktemp("upkeep")
    for number, day in enumerate(DAYS, start=1):
        graph = Graph(export_profile(place / "lake", write_export(place / "crimes.csv", _crimes(number))))
        if number == 1:
            graph.load()
        graph.run(str(day))
    (place / "lake" / "warehouse" / "chicago" / "crimes" / "data" / "left.parquet").write_bytes(b"left")
    shutil.copytree(place / "lake", place / "kept")
    return place


@pytest.fixture
def lake(loaded: Path) -> Lake:
    """That lake, as it was; tables hold whole paths, so it is always in the same place."""
    shutil.rmtree(loaded / "lake")
    shutil.copytree(loaded / "kept", loaded / "lake")
    return Lake(loaded / "lake")


def _graph(lake: Lake, now: datetime) -> Graph:
    settings = Settings(home=lake.home, feed="export", export=str(lake.home.with_name("crimes.csv")))
    return Graph(Profile(settings, clock=lambda: now))


def _keep_up(graph: Graph, **ops: Mapping[str, float]) -> dict[str, Mapping[str, dg.MetadataValue]]:
    """Run the job; the metadata of its assets."""
    config = {**QUIET, "ops": {name: {"config": dict(values)} for name, values in ops.items()}}
    result = graph.definitions.resolve_job_def("upkeep").execute_in_process(instance=graph.instance, run_config=config)
    assert [event.step_key for event in result.get_step_success_events()] == list(STEPS)
    return {name: graph.materialized(name)[None] for name in STEPS}


def _rows(metadata: Mapping[str, dg.MetadataValue], name: str) -> dict[object, dict[str, object]]:
    """The rows of a table in the metadata, by what they are of."""
    value = metadata[name]
    assert isinstance(value, dg.TableMetadataValue)
    return {found.data.get("where", found.data.get("table")): dict(found.data) for found in value.records}


def test_a_month_later_only_the_present_is_left(lake: Lake) -> None:
    graph = _graph(lake, datetime.now(UTC) + LATER)
    before = graph.contents(*DAYS)
    sizes = table_sizes(lake, "chicago")
    assert sizes["crimes"].snapshots == 3

    said = _keep_up(graph)

    now = table_sizes(lake, "chicago")
    assert graph.contents(*DAYS) == before
    assert on_disk(lake) == referred(lake)
    assert {name: size.snapshots for name, size in now.items()} == dict.fromkeys([*CURATED, *INSIGHTS], 1)
    assert [stale_days(lake, CHICAGO, insight) for insight in all_insights()] == [[]] * len(INSIGHTS)

    expiry, orphans = said["lake_expiry"], said["lake_orphans"]
    assert expiry["snapshots_removed"].value == sum(size.snapshots - 1 for size in sizes.values())
    assert _rows(expiry, "done")["crimes"] == {"where": "crimes", "snapshots_removed": 2, "kept_for": ""}
    assert _rows(expiry, "sizes")["crimes"]["snapshots"] == "3 → 1"
    assert expiry["snapshots_before"].value == sum(size.snapshots for size in sizes.values())
    assert expiry["snapshots_after"].value == len(sizes)
    gone = sum(size.disk_files - now[name].disk_files for name, size in sizes.items())
    # An expiry writes a metadata file of its own.
    assert orphans["files_removed"].value == gone + sum(size.snapshots > 1 for size in sizes.values())
    assert orphans["disk_files_after"].value == sum(size.disk_files for size in now.values())
    assert orphans["disk_bytes_before"].value - orphans["disk_bytes_after"].value == orphans["bytes_removed"].value
    assert set(_rows(orphans, "done")) == {*sizes, "staging", "landing", "cache"}
    assert said["lake_compaction"]["data_files_before"].value == sum(size.data_files for size in sizes.values())


def test_what_is_young_stays_unless_it_is_asked_for(lake: Lake) -> None:
    before, files = contents(lake), on_disk(lake)
    said = _keep_up(_graph(lake, datetime.now(UTC)))
    assert contents(lake) == before
    assert on_disk(lake) == files
    assert said["lake_expiry"]["snapshots_removed"].value == said["lake_orphans"]["files_removed"].value == 0
    assert _rows(said["lake_expiry"], "sizes")["crimes"]["snapshots"] == "3"

    _keep_up(_graph(lake, datetime.now(UTC)), lake_expiry={"retention_days": 0})
    assert {name for name, _ in contents(lake)} == {name for name, _ in before}
    assert len(contents(lake)) == len(tables.names(lake, "chicago"))
    assert on_disk(lake) > files - {str(path) for path in lake.home.rglob("*.metadata.json")}


def test_retention_and_grace_can_be_longer(lake: Lake) -> None:
    before, files = contents(lake), on_disk(lake)
    longer = {"lake_expiry": {"retention_days": 40}, "lake_orphans": {"grace_hours": 40 * 24}}
    _keep_up(_graph(lake, datetime.now(UTC) + LATER), **longer)
    assert contents(lake) == before
    assert on_disk(lake) == files


@pytest.mark.parametrize("wrong", [{"lake_expiry": {"retention_days": -1}}, {"lake_orphans": {"grace_hours": 0}}])
def test_settings_that_would_harm_are_refused(lake: Lake, wrong: Mapping[str, Mapping[str, float]]) -> None:
    files = on_disk(lake)
    with pytest.raises((DagsterInvalidConfigError, ValueError), match="greater than or equal to"):
        _keep_up(_graph(lake, datetime.now(UTC) + LATER), **wrong)
    assert {path for path in files if not Path(path).exists()} == set()


def test_an_insight_that_is_behind_is_named(lake: Lake) -> None:
    graph = _graph(lake, datetime.now(UTC) + LATER)
    write_export(lake.home.with_name("crimes.csv"), [*_crimes(2), record(300, "2024-01-25", "2024-01-15")])
    graph.run(str(DAYS[0]), job="pull_change_day")
    graph.run(str(DAYS[0]), job="merge_change_day")
    said = _keep_up(graph)
    kept_for = str(_rows(said["lake_expiry"], "done")["crimes"]["kept_for"])
    assert kept_for.split(", ") == sorted(INSIGHTS)
    assert [stale_days(lake, CHICAGO, insight) for insight in all_insights()] == [list(DAYS)] * len(INSIGHTS)


def test_a_lake_not_begun_has_nothing_to_keep_up(tmp_path: Path) -> None:
    said = _keep_up(_graph(Lake(tmp_path / "lake"), datetime.now(UTC)))
    assert said["lake_compaction"]["done"].value == said["lake_expiry"]["sizes"].value == "nothing"
    assert said["lake_orphans"]["files_removed"].value == 0
