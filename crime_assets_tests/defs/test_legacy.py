"""A migration in the graph: documents, their check, the export, and what is told of it. The steps are doubles here."""

from __future__ import annotations

import json
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import psycopg2
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from crime_assets.cli.legacy import fill_sample
from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.migration_notices import MigrationReport
from crime_assets.cloud.notices import Notices
from crime_assets.core.errors import UsageError
from crime_assets.definitions import build_defs
from crime_assets.defs.automation import notices as automation
from crime_assets.defs.automation.jobs import MIGRATE
from crime_assets.defs.automation.notices import announce_run, report_of
from crime_assets.defs.names import Names
from crime_assets.migration.finish import finish
from crime_assets.migration.verify import verify
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.legacy import LegacyRoad
from crime_assets_tests.cloud.notices import NAMESPACE, listen
from crime_assets_tests.graph import GRAPH_RUN, QUIET, Graph
from crime_assets_tests.migration.servers import PostgresServer, postgres_legacy
from crime_assets_tests.migration.steps import UNEQUAL, Steps, doubled

__all__ = ["postgres_legacy"]
pytestmark = pytest.mark.slow

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
LOCATION = RegisteredCodeLocationOrigin("crime_assets")
ADDRESS = "postgresql://reader@nowhere/department"


class House:
    def __init__(self, home: Path, steps: Steps, instance: dg.DagsterInstance, address: str = ADDRESS) -> None:
        self.steps = steps
        self.profile = Profile(Settings(home=home, legacy=address, legacy_password="hunter2"), lambda: NOW)
        self.graph = Graph(self.profile, instance)

    def run(self) -> dg.ExecuteInProcessResult:
        sys.audit(GRAPH_RUN, MIGRATE)
        job = self.graph.definitions.resolve_job_def(MIGRATE)
        return job.execute_in_process(instance=self.graph.instance, run_config=QUIET, raise_on_error=False)

    def report(self, found: dg.ExecuteInProcessResult) -> MigrationReport:
        report = report_of(self.graph.instance, found.run_id, self.profile)
        assert isinstance(report, MigrationReport)
        return report


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[House]:
    with doubled(monkeypatch) as steps, dg.DagsterInstance.ephemeral() as instance:
        yield House(tmp_path / "lake", steps, instance)


def test_documents_are_verified_before_they_are_exported(house: House) -> None:
    found = house.run()
    assert found.success
    assert house.steps.called == ["load", "catch_up", "verify False", "export"]
    made = {
        event.asset_key.path[-1]: event.materialization.metadata
        for event in found.get_asset_materialization_events()
        if event.asset_key
    }
    documents = {name: value.value for name, value in made["legacy_documents"].items()}
    assert documents.items() >= {"documents": 3, "rows": 8, "changes": 7, "position": "6", "state": "lost"}.items()
    assert made["legacy_export"]["export"].value == "0173-0a1b"
    report = house.report(found)
    assert (report.succeeded, report.documents, report.changes, report.differences) == (True, 3, 7, 0)
    assert (report.export, report.error) == ("0173-0a1b", "")


def test_differences_stop_the_export_and_show_no_value(house: House) -> None:
    house.steps.verdict = UNEQUAL
    found = house.run()
    assert not found.success
    assert "export" not in house.steps.called
    (check,) = found.get_asset_check_evaluations()
    assert not check.passed
    assert check.blocking
    assert check.metadata["differences"].value == 3
    assert check.metadata["places"].value == ["crime#1 crimes.block differs", "crime#2 crimes missing"]
    assert "secret" not in repr(check)
    report = house.report(found)
    assert (report.succeeded, report.differences, report.export) == (False, 3, "")
    assert report.error == "3 documents or values differ from the database: nothing was exported."


def test_a_real_department_is_exported_only_while_it_is_equal(postgres_legacy: PostgresServer, tmp_path: Path) -> None:
    with postgres_legacy.database() as name, dg.DagsterInstance.ephemeral() as instance:
        address = f"postgresql://{postgres_legacy.user}@localhost/{name}?host={postgres_legacy.socket}"
        house = House(tmp_path / "lake", Steps(), instance, address)
        with closing(psycopg2.connect(**postgres_legacy.where(name))) as connection:
            crimes = fill_sample(house.profile, connection, 60).crimes
        assert house.run().success
        (first,) = exports(tmp_path)
        report = house.report(found := house.run())
        assert (found.success, report.changes, report.differences) == (True, 0, 0)
        assert report.documents
        assert report.documents > crimes
        both = exports(tmp_path)
        assert both == {first: both[first], report.export: both[first]}

        with closing(sqlite3.connect(tmp_path / "lake" / "legacy" / "documents.db")) as store:
            ((edited,),) = store.execute("SELECT max(id) FROM documents WHERE id < 'crime$'")
            change = (
                """UPDATE documents SET item = replace(item, '"block":{"S":"', '"block":{"S":"secret ') WHERE id = ?"""
            )
            assert store.execute(change, [edited]).rowcount == 1
            store.commit()
        report = house.report(found := house.run())
        assert (found.success, report.differences, report.export) == (False, 1, "")
        (check,) = found.get_asset_check_evaluations()
        assert check.metadata["places"].value == [f"{edited} crimes.block differs"]
        assert "secret" not in repr(check) + report.text + report.document()
        assert exports(tmp_path) == both

        assert verify(LegacyRoad(house.profile).road, True, lambda _: None).repaired == 1
        assert house.run().success
        assert len({*exports(tmp_path)} - {*both}) == 1
        finish(LegacyRoad(house.profile).road)


def exports(place: Path) -> dict[str, int]:
    """Items by export, of those that are whole."""
    found = [json.loads(path.read_text()) for path in place.rglob("manifest-summary.json")]
    return {one["exportArn"].rpartition("/")[2]: one["itemCount"] for one in found}


def test_a_step_that_fails_is_no_verdict(house: House) -> None:
    house.steps.fails = "verify False"
    found = house.run()
    assert not found.success
    assert found.get_asset_check_evaluations() == []
    report = house.report(found)
    assert (report.succeeded, report.differences) == (False, None)
    assert report.error == "The database went away: wait for it."


def test_each_outcome_is_one_message(house: House, moto: str) -> None:
    listener = listen(Clients())
    notices = Notices(listener.clients, listener.topic, NAMESPACE)
    sensors = automation.build(Names(), notices, has_legacy=True)
    cursors = {sensor.name: evaluated(house, sensor, None) for sensor in sensors}
    launched(house)
    house.steps.fails = "load"
    failed = launched(house)
    for _ in range(2):
        cursors = {sensor.name: evaluated(house, sensor, cursors[sensor.name]) for sensor in sensors}
    announce_run(house.graph.instance, failed, house.profile, notices, pytest.fail)
    assert sorted(heard["Subject"] for heard in listener.heard()) == [
        "crime-assets chicago migration failed",
        "crime-assets chicago migration succeeded",
    ]


def launched(house: House) -> str:
    """A run as the daemon starts it: it knows which code location it is of."""
    sys.audit(GRAPH_RUN, MIGRATE)
    job, instance = house.graph.definitions.resolve_job_def(MIGRATE), house.graph.instance
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), MIGRATE)
    run = instance.create_run_for_job(job, run_config=QUIET, remote_job_origin=origin)
    execute_run(InMemoryJob(job), run, instance)
    return run.run_id


def evaluated(house: House, sensor: dg.SensorDefinition, cursor: str | None) -> str | None:
    with dg.SensorEvaluationContext(
        instance_ref=None,
        instance=house.graph.instance,
        cursor=cursor,
        repository_name="__repository__",
        repository_def=house.graph.definitions.get_repository_def(),
        resources={"profile": house.profile},
        sensor_name=sensor.name,
        code_location_origin=LOCATION,
    ) as context:
        return sensor.evaluate_tick(context).cursor


def test_it_is_in_the_graph_only_where_there_is_a_database(tmp_path: Path) -> None:
    def names(legacy: str) -> tuple[set[str], set[str]]:
        found = build_defs(Profile(Settings(home=tmp_path, legacy=legacy), lambda: NOW))
        jobs = {job.name for job in found.resolve_all_job_defs()}
        return {key.path[-1] for key in found.resolve_all_asset_keys()}, jobs

    without, plain_jobs = names("")
    with_it, jobs = names(ADDRESS)
    assert with_it - without == {"legacy_documents", "legacy_export"}
    assert jobs - plain_jobs == {MIGRATE}


def test_a_driver_that_is_missing_is_a_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.profiles.legacy.find_spec", lambda _: None)
    with pytest.raises(UsageError, match="needs more packages: run `pip install 'crime-assets\\[legacy\\]'`"):
        build_defs(Profile(Settings(home=tmp_path, legacy="oracle+oracledb://reader@nowhere/x"), lambda: NOW))
