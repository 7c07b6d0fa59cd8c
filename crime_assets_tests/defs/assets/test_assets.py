"""What each asset says of itself and of what it did, and that a range of days is one run."""

from __future__ import annotations

import fcntl
import sys
import time
from collections.abc import Mapping
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.execution.backfill import BulkActionStatus, PartitionBackfill
from dagster._core.instance_for_test import instance_for_test
from dagster._core.remote_origin import InProcessCodeLocationOrigin
from dagster._core.types.loadable_target_origin import LoadableTargetOrigin
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import InProcessWorkspaceLoadTarget
from dagster._daemon.backfill import execute_backfill_iteration
from dagster._daemon.daemon import get_default_daemon_logger

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.defs.assets.common import preview
from crime_assets.lakehouse.schema import CRIMES, published
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.extract import cubes
from crime_assets_tests.build import CHICAGO, export_profile, record, write_export
from crime_assets_tests.graph import INSIGHTS, Graph, Result

pytestmark = pytest.mark.slow

DAYS = ("2024-01-25", "2024-01-26", "2024-01-27")
ENVELOPE = ("_city", "_change_day", "_batch", "_pulled_at", "_md5")
DAILY = ("raw_crime_batches", "crime_deliveries", "crimes", *INSIGHTS)


def _crimes() -> list[dict[str, object]]:
    """Twelve crimes of the history, one of them to a car; one, two and three of the days; two that cannot be typed."""
    crimes = [
        record(n, "2024-01-10", f"2024-01-{5 - n % 2:02}", domestic=True, iucr="1320" if n == 1 else "0820")
        for n in range(1, 13)
    ]
    for number, day in enumerate(DAYS, start=1):
        crimes += [record(100 * number + n, day, primary_type="A | B") for n in range(number)]
    return [*crimes, record(98, "2024-01-10", ward="x"), record(99, "2024-01-27", ward="x")]


@pytest.fixture(scope="module")
def graph(tmp_path_factory: pytest.TempPathFactory) -> Graph:
    home = tmp_path_factory.mktemp("assets")
    return Graph(export_profile(home / "lake", write_export(home / "crimes.csv", _crimes())))


@pytest.fixture(scope="module")
def loaded(graph: Graph) -> Mapping[str, dg.MetadataValue]:
    """The metadata of the history's first load."""
    graph.load()
    return graph.materialized("crime_history")[None]


@pytest.fixture(scope="module")
def ranged(graph: Graph, loaded: object) -> Result:
    """One run of three days."""
    return graph.run(DAYS[0], DAYS[-1])


def _figures(metadata: Mapping[str, dg.MetadataValue], *names: str) -> tuple[object, ...]:
    return tuple(metadata[name].value for name in names)


def test_history_says_what_it_loaded(graph: Graph, loaded: Mapping[str, dg.MetadataValue]) -> None:
    names = ("dagster/row_count", "records_read", "quarantined", "older_versions_left_out", "before", "loaded_now")
    assert _figures(loaded, *names) == (12, 13, 1, 0, "2024-01-25", True)
    assert loaded["snapshot"].value == str(graph.snapshots()["crimes"][0])
    assert loaded["preview"].value.splitlines()[2].startswith("| 12 | 2024-01-05 13:00:00 | THEFT |")
    assert len(loaded["preview"].value.splitlines()) == 2 + 10


def test_a_range_is_one_run_with_figures_for_each_day(graph: Graph, ranged: Result) -> None:
    for name in DAILY:
        assert set(graph.materialized(name, ranged.run_id)) == set(DAYS), name
    pulled = graph.materialized("raw_crime_batches", ranged.run_id)
    assert [_figures(pulled[day], "dagster/partition_row_count", "batches", "pulled") for day in DAYS] == [
        (1, 1, 1),
        (2, 1, 2),
        (4, 1, 4),
    ]
    landed = graph.materialized("crime_deliveries", ranged.run_id)
    assert [_figures(landed[day], "dagster/partition_row_count", "objects", "different_records") for day in DAYS] == [
        (1, 1, 1),
        (2, 1, 2),
        (4, 1, 4),
    ]
    merged = graph.materialized("crimes", ranged.run_id)
    names = ("dagster/row_count", "rows_delivered", "rows_inserted", "rows_quarantined", "versions_superseded")
    assert {_figures(merged[day], *names) for day in DAYS} == {(18, 7, 6, 1, 0)}
    for name in INSIGHTS:
        for day, metadata in graph.materialized(name, ranged.run_id).items():
            rows = len(graph.insight(name, date.fromisoformat(str(day))))
            assert _figures(metadata, "dagster/partition_row_count", "changed") == (rows, True), name


def test_previews_are_of_their_day_and_read_well(graph: Graph, ranged: Result) -> None:
    for name in DAILY:
        for day, metadata in graph.materialized(name, ranged.run_id).items():
            lines = metadata["preview"].value.splitlines()
            assert len(lines) > 2, (name, day)
            assert len({line.replace("\\|", "").count("|") for line in lines}) == 1, (name, day)
    first = graph.materialized("crimes", ranged.run_id)["2024-01-26"]["preview"].value.splitlines()[2]
    assert first.startswith("| 201 | 2024-01-05 13:00:00 | A \\| B | $500 AND UNDER | 001XX N STATE ST | 001 | False |")
    key = graph.materialized("crime_deliveries", ranged.run_id)["2024-01-26"]["preview"].value.splitlines()[2]
    assert key.startswith("| raw/city=chicago/change_day=2024-01-26/local-")


def test_preview_cells_stay_in_their_row() -> None:
    text = preview(["a", "b"], [("x|y\nz", None), (0.123456, "w" * 100)]).value
    assert text == f"| a | b |\n| --- | --- |\n| x\\|y z |  |\n| 0.123 | {'w' * 80} |"


def test_column_schemas_are_those_of_the_tables(graph: Graph, ranged: Result) -> None:
    layer = graph.definitions.resolve_asset_graph()
    expected = [(column.name, column.type, column.doc) for column in published(CRIMES, CHICAGO)]
    for name in ("crimes", "crime_history"):
        schema = layer.get(dg.AssetKey(name)).metadata["dagster/column_schema"]
        assert [(c.name, c.type, c.description) for c in schema.columns] == expected
    delivered = layer.get(dg.AssetKey("crime_deliveries")).metadata["dagster/column_schema"]
    assert {c.name for c in delivered.columns} == {*CHICAGO.source_columns, *ENVELOPE}
    for name in INSIGHTS:
        recorded = graph.materialized(name, ranged.run_id)[DAYS[0]]["dagster/column_schema"].value.columns
        assert [c.name for c in recorded][:2] == ["as_of_day", "period"], name
        assert [c.type for c in recorded][:2] == ["date32[day]", "string"], name
        assert all(c.type and c.description for c in recorded), name


def test_column_lineage_names_columns_that_exist(graph: Graph, ranged: Result) -> None:
    layer = graph.definitions.resolve_asset_graph()
    exists = {
        name: {c.name for c in layer.get(dg.AssetKey(name)).metadata["dagster/column_schema"].columns}
        for name in ("crime_deliveries", "crimes", *INSIGHTS)
    }
    for name, upstream in [("crimes", "crime_deliveries"), *((insight, "crimes") for insight in INSIGHTS)]:
        lineage = graph.materialized(name, ranged.run_id)[DAYS[0]]["dagster/column_lineage"].value.deps_by_column
        assert lineage, name
        assert set(lineage) <= exists[name], name
        for column, sources in lineage.items():
            assert sources, (name, column)
            assert {source.asset_key.to_user_string() for source in sources} == {upstream}, (name, column)
            assert {source.column_name for source in sources} <= exists[upstream], (name, column)
    lineage = graph.materialized("crimes", ranged.run_id)[DAYS[0]]["dagster/column_lineage"].value.deps_by_column
    assert set(lineage) == exists["crimes"]
    assert [source.column_name for source in lineage["hour"]] == ["date"]
    assert [source.column_name for source in lineage["record_md5"]] == ["_md5"]


def test_history_again_counts_nothing(graph: Graph, ranged: Result) -> None:
    graph.load()
    again = graph.materialized("crime_history")[None]
    assert _figures(again, "loaded_now", "records_read", "snapshot") == (False, 0, "")
    assert "dagster/row_count" not in again


def test_a_day_without_history_is_an_error_that_says_so(tmp_path: Path) -> None:
    graph = Graph(export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes())))
    result = graph.run(DAYS[0], fails=True)
    (failure,) = [event for event in result.all_events if event.is_step_failure and event.step_key == "crimes"]
    error = failure.step_failure_data.error.cause
    assert error.cls_name == CrimeAssetsError.__name__
    assert "The lake has no history yet: materialize crime_history once" in error.message
    assert graph.snapshots() == {}


def test_an_insight_is_computed_while_nobody_else_may_write(tmp_path: Path) -> None:
    """A merge between computing an insight and writing it would be marked as known to it."""
    profile = export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", _crimes()))
    asked = []

    class Watched:
        days_at_once = 1

        def insight(self, insight: Insight, day: date) -> object:
            with (profile.settings.home / ".lock").open() as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            asked.append(insight.table)
            return profile.engine.insight(insight, day)

        measure = staticmethod(profile.engine.measure)
        spent = staticmethod(profile.engine.spent)

    graph = Graph(profile, overrides={"engine": Watched()})
    graph.load()
    graph.run(DAYS[0], publishes=True)
    assert sorted(asked) == sorted([*INSIGHTS, *(cube.table for cube in cubes())])


def test_a_backfill_of_a_range_is_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    export = write_export(tmp_path / "crimes.csv", _crimes())
    profile = Profile(Settings(home=tmp_path / "lake", feed="export", export=str(export)))
    chosen = DAILY[:4]
    profile.begin(date.fromisoformat(DAYS[0]))
    for name, value in {"CRIME_HOME": tmp_path / "lake", "CRIME_FEED": "export", "CRIME_EXPORT": export}.items():
        monkeypatch.setenv(name, str(value))
    graph_module = LoadableTargetOrigin(
        executable_path=sys.executable, module_name="crime_assets.definitions", attribute="defs"
    )
    target = InProcessWorkspaceLoadTarget(InProcessCodeLocationOrigin(graph_module))
    with instance_for_test(synchronous_run_coordinator=True, synchronous_run_launcher=True) as instance:
        graph = Graph(profile, instance)
        graph.load()
        instance.add_backfill(
            PartitionBackfill.from_asset_partitions(
                backfill_id="days",
                asset_graph=graph.definitions.resolve_asset_graph(),
                partition_names=list(DAYS),
                asset_selection=[dg.AssetKey(name) for name in chosen],
                backfill_timestamp=time.time(),
                tags={},
                dynamic_partitions_store=instance,
                all_partitions=False,
                title=None,
                description=None,
                run_config=None,
            )
        )
        with WorkspaceProcessContext(instance, target) as workspace:
            for _ in range(5):
                list(execute_backfill_iteration(workspace, get_default_daemon_logger("backfill")))
                if instance.get_backfill("days").status == BulkActionStatus.COMPLETED_SUCCESS:
                    break
        runs = instance.get_runs(dg.RunsFilter(tags={"dagster/backfill": "days"}))
        assert [run.status for run in runs] == [dg.DagsterRunStatus.SUCCESS]
        for name in chosen:
            assert set(graph.materialized(name, runs[0].run_id)) == set(DAYS), name
        assert len(graph.rows()) == 18
