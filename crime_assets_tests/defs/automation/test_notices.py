"""Runs are announced once, with what they came to: by sensors where a daemon started them, else by the command."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin
from dagster._core.storage.tags import WILL_RETRY_TAG

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.notices import Notices
from crime_assets.core.errors import CrimeAssetsError, FeedUnavailable
from crime_assets.defs.automation import notices as automation
from crime_assets.defs.automation.notices import ANNOUNCED_TAG, announce_run, report_of
from crime_assets.defs.names import Names
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.streams.inventory import read_inventory
from crime_assets_tests.build import clock_at, export_profile, record, write_export
from crime_assets_tests.cloud.notices import NAMESPACE, Listener, listen
from crime_assets_tests.graph import QUIET, Graph, day_tags

pytestmark = pytest.mark.slow

LOCATION = RegisteredCodeLocationOrigin("crime_assets")


def unwanted(sentence: str) -> None:
    raise AssertionError(sentence)


class House:
    """A lake with its history, and the sensors of notices as a daemon keeps them."""

    def __init__(self, tmp_path: Path, instance: dg.DagsterInstance, listener: Listener) -> None:
        crimes = [record(n, "2024-01-10") for n in range(1, 4)]
        crimes += [record(4, "2024-01-25"), record(1, "2024-01-25T16:00:00.000", arrest=True), record(5, "2024-01-26")]
        # Without an id it cannot be typed.
        crimes += [record(6, "2024-01-26", occurred="2024-01-05", date="no time at all")]
        profile = export_profile(tmp_path / "lake", write_export_of(tmp_path / "crimes.csv", crimes))
        profile.begin(date(2024, 1, 25))
        self.notices = Notices(listener.clients, listener.topic, NAMESPACE)
        self.listener = listener
        self.graph = Graph(profile, instance)
        self.sensors = {sensor.name: sensor for sensor in automation.build(Names(), self.notices)}
        self.cursors: dict[str, str | None] = {}
        # The clock stands: a lag is a number.
        profile.clock = clock_at("2024-01-29T12:00:00")

    def tick(self) -> None:
        """One evaluation of each sensor, in a code location, as the daemon asks for it."""
        definitions = self.graph.definitions
        for name, sensor in self.sensors.items():
            with dg.SensorEvaluationContext(
                instance_ref=None,
                instance=self.graph.instance,
                cursor=self.cursors.get(name),
                repository_name="__repository__",
                repository_def=definitions.get_repository_def(),
                resources={"profile": self.graph.profile},  # type: ignore[dict-item]
                sensor_name=name,
                code_location_origin=LOCATION,
            ) as context:
                self.cursors[name] = sensor.evaluate_tick(context).cursor

    def launch(self, job_name: str, tags: dict[str, str], **overrides: Any) -> str:
        """A run as the daemon starts it: it knows which code location it is of."""
        if not overrides and history_before(self.graph.profile.lake, self.graph.profile.city) is None:
            self.graph.load()
        graph = Graph(self.graph.profile, self.graph.instance, overrides) if overrides else self.graph
        job = graph.definitions.resolve_job_def(job_name)
        origin = RemoteJobOrigin(RemoteRepositoryOrigin(LOCATION, "__repository__"), job_name)
        run = self.graph.instance.create_run_for_job(job, tags=tags, run_config=QUIET, remote_job_origin=origin)
        execute_run(InMemoryJob(job), run, self.graph.instance)
        return run.run_id

    def report(self, run_id: str) -> dict[str, object]:
        """The report of a run, by field."""
        return vars(report_of(self.graph.instance, run_id, self.graph.profile))


def write_export_of(path: Path, crimes: list[dict[str, object]]) -> Path:
    """An export; the one time that is none is written as it stands."""
    whole = [crime if crime["date"] != "no time at all" else {**crime, "date": "2024-01-05"} for crime in crimes]
    write_export(path, whole)
    path.write_text(path.read_text().replace("JH000006,01/05/2024 12:00:00 AM", "JH000006,no time at all"))
    return path


@pytest.fixture
def house(tmp_path: Path, moto: str) -> Iterator[House]:
    with dg.DagsterInstance.ephemeral() as instance:
        yield House(tmp_path, instance, listen(Clients()))


def broken_feed(error: Exception) -> object:
    """A feed that fails with that error."""

    class Broken:
        name = "broken"

        def total(self) -> None:
            """A service, and whole."""

        def changes(self, first: date, last: date) -> object:
            raise error

    return Broken()


def refused(house: House, error: Exception) -> str:
    """The sentence of a run whose feed fails with that error."""
    run_id = house.launch("pull_change_day", day_tags("2024-01-25"), feed=broken_feed(error))
    return str(house.report(run_id)["error"])


def test_nobody_to_tell_no_sensors() -> None:
    assert automation.build(Names(), None) == []


def test_the_sensors_are_on_by_default(house: House) -> None:
    assert {sensor.default_status for sensor in house.sensors.values()} == {dg.DefaultSensorStatus.RUNNING}
    merged = dg.Definitions.merge(house.graph.definitions, dg.Definitions(sensors=[*house.sensors.values()]))
    dg.Definitions.validate_loadable(merged)


def test_a_range_that_the_daemon_ran_is_announced_once_with_its_figures(house: House) -> None:
    house.tick()
    run_id = house.launch("backfill_change_days", day_tags("2024-01-25", "2024-01-26"))
    for _ in range(3):
        house.tick()
    (heard,) = house.listener.heard()
    assert heard["Subject"] == "crime-assets chicago 2024-01-25 to 2024-01-26 succeeded"
    told = json.loads(heard["MessageAttributes"]["report"]["Value"])
    landing = house.graph.profile.landing
    inventories = [read_inventory(landing, "chicago", date(2024, 1, day)) for day in (25, 26)]
    items = [item for inventory in inventories if inventory is not None for item in inventory.items]
    expected = {
        "run_id": run_id,
        "succeeded": True,
        "records_delivered": 4,
        "objects": len(items),
        "bytes_delivered": sum(item.size for item in items),
        "rows_inserted": 2,
        "rows_replaced": 1,
        "rows_quarantined": 1,
        "rows_total": 5,
        "lag_days": 2,
    }
    assert {name: told[name] for name in expected} == expected
    assert told["duration_seconds"] > 0
    measured = house.listener.measured(datetime.now(UTC))
    assert measured["Rows"] == (5, "Count")
    assert measured["BytesDelivered"] == (expected["bytes_delivered"], "Bytes")
    assert (measured["Succeeded"], measured["Failed"]) == ((1, "Count"), (0, "Count"))


def test_a_merge_and_a_backfill_are_announced_a_pull_is_not(house: House) -> None:
    house.tick()
    for job in ("pull_change_day", "merge_change_day", "run_change_day"):
        house.launch(job, day_tags("2024-01-25"))
        house.tick()
    assert [heard["Subject"] for heard in house.listener.heard()] == ["crime-assets chicago 2024-01-25 succeeded"] * 2


def test_runs_of_the_command_are_not_seen_by_the_sensors(house: House) -> None:
    house.tick()
    house.graph.load()
    result = house.graph.run("2024-01-25", job="backfill_change_days")
    house.tick()
    assert house.listener.heard() == []
    for _ in range(2):
        announce_run(house.graph.instance, result.run_id, house.graph.profile, house.notices, unwanted)
    assert len(house.listener.heard()) == 1


def test_what_was_announced_is_not_announced_again(house: House) -> None:
    """A sensor whose cursor was lost, or that was stopped between telling and noting it, sees a run again."""
    house.tick()
    cursors = dict(house.cursors)
    run_id = house.launch("backfill_change_days", day_tags("2024-01-25"))
    house.tick()
    house.cursors = cursors
    house.tick()
    assert len(house.listener.heard()) == 1
    run = house.graph.instance.get_run_by_id(run_id)
    assert run is not None
    assert run.tags[ANNOUNCED_TAG] == "true"


def test_a_failed_pull_is_announced_with_the_sentence_of_its_error(house: House) -> None:
    house.tick()
    error = FeedUnavailable("The portal did not answer: run again later.")
    run_id = house.launch("pull_change_day", day_tags("2024-01-26"), feed=broken_feed(error))
    house.tick()
    (heard,) = house.listener.heard()
    assert heard["Subject"] == "crime-assets chicago 2024-01-26 failed"
    assert heard["Message"].startswith(f"{heard['Subject']}\n\n{error}\n\n")
    assert heard["Message"].endswith(f"Run: {run_id}")
    assert house.listener.measured(datetime.now(UTC))["Failed"] == (1, "Count")


def test_a_failure_that_is_tried_again_says_so(house: House) -> None:
    run_id = house.launch("pull_change_day", day_tags("2024-01-25"), feed=broken_feed(FeedUnavailable("No.")))
    house.graph.instance.add_run_tags(run_id, {WILL_RETRY_TAG: "true"})
    assert house.report(run_id)["will_retry"] is True


def test_errors_of_others_are_named_but_not_repeated(house: House) -> None:
    """They can hold the address of a database with its password, or a link that lets its reader in."""
    sentence = refused(house, RuntimeError("postgresql://dagster:secret@db/"))
    assert sentence == "The step raw_crime_batches failed (RuntimeError): see the run in Dagster."


def test_a_sentence_of_ours_is_found_below_errors_of_others(house: House) -> None:
    error = RuntimeError("secret")
    error.__cause__ = CrimeAssetsError("The disk is full:\nfree some space.")
    assert refused(house, error) == "The disk is full: free some space."


def test_a_run_that_was_killed_says_so(house: House) -> None:
    job = house.graph.definitions.resolve_job_def("run_change_day")
    run = house.graph.instance.create_run_for_job(job, status=dg.DagsterRunStatus.STARTED, tags=day_tags("2024-01-25"))
    house.graph.instance.report_run_failed(run)
    found = house.report(run.run_id)
    assert found["succeeded"] is False
    assert "A run of run_change_day ended before it could say why" in str(found["error"])
    assert (found["rows_total"], found["objects"], found["lag_days"]) == (None, None, None)


def test_checks_that_failed_are_named(house: House) -> None:
    found = house.report(house.launch("backfill_change_days", day_tags("2024-01-25", "2024-01-26")))
    assert "quarantine_share" in found["failed_checks"]  # type: ignore[operator]
    assert "one_row_per_id" not in found["failed_checks"]  # type: ignore[operator]


def test_a_landing_store_out_of_reach_leaves_only_the_lag_unknown(house: House) -> None:
    run_id = house.launch("backfill_change_days", day_tags("2024-01-25"))

    class Unreachable:
        def list(self, prefix: str) -> Iterator[object]:
            raise CrimeAssetsError("AWS cannot be reached.")

    house.graph.profile.__dict__["landing"] = Unreachable()
    found = house.report(run_id)
    assert (found["lag_days"], found["rows_total"]) == (None, 4)


def test_a_topic_that_is_gone_fails_no_tick(house: House, capsys: pytest.CaptureFixture[str]) -> None:
    house.tick()
    house.listener.clients.client("sns").delete_topic(TopicArn=house.listener.topic)
    house.launch("backfill_change_days", day_tags("2024-01-25"))
    capsys.readouterr()
    house.tick()
    assert "could not be sent; the run itself is not affected" in "".join(capsys.readouterr())
    assert house.listener.measured(datetime.now(UTC))["Succeeded"] == (1, "Count")


def test_a_run_nobody_knows_is_told(house: House) -> None:
    with pytest.raises(CrimeAssetsError, match="Dagster has no run"):
        house.report("00000000-0000-4000-8000-000000000001")
