"""Live reports in the graph, from a small simulated stream to the warehouse: assets, checks, sensors, retention."""

from __future__ import annotations

import gzip
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import psycopg2
import pyarrow.parquet as pq
import pytest

from crime_assets import definitions
from crime_assets.core import keys
from crime_assets.core.errors import UsageError
from crime_assets.defs.automation.live import ATTEMPTS, EXPIRE, LOAD
from crime_assets.incidents.chain import ALERTS, DELIVERIES, QUARANTINE, Chain
from crime_assets.incidents.deliveries import read_reports
from crime_assets.incidents.sample import SampleReports, Sent
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.records.live import table_of
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.live import LiveReports
from crime_assets_tests.graph import GRAPH_RUN, QUIET, Graph, Result, failing, verdicts
from crime_assets_tests.incidents.warehouse.reports import kept
from crime_assets_tests.incidents.warehouse.servers import ask, fresh, history, ledger, served

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")]

NOW = datetime(2026, 3, 16, 12, tzinfo=UTC)
WEEKS, RATE = 2, 300
LOADED = {"fir_deliveries", "fir_history", "fir_alerts", "fir_warehouse"}
CHECKED = {"one_row_per_fir", "no_alert_without_events", "warehouse_equals_history"}


class House:
    """A home with a stream that was read to its end, its graph, and a clock."""

    def __init__(self, home: Path, warehouse: str = "", source: str = "") -> None:
        self.now = NOW
        settings = Settings(home=home, stream="fir", stream_source=source, warehouse=warehouse)
        self.profile = Profile(settings, lambda: self.now)
        self.live = LiveReports(self.profile)
        self.graph = Graph(self.profile)
        self.address, self.cursor = warehouse, None
        self.message: str | None = None

    def produce(self, sent: Iterable[Sent]) -> None:
        """Put messages into the stream as they arrive, and one that is no report."""
        at = [NOW]
        producer = self.live.producer(lambda: at[0])
        for one in sent:
            at[0] = one.arrived_at
            producer.put(one.key, one.data)
        producer.put("k", b"no report")
        producer.close()

    def consume(self) -> None:
        state = self.live.state()
        try:
            self.live.loop(state, print, is_live=False).run(until_ended=True)
        finally:
            state.close()

    def run(self, job: str, *, fails: bool = False, tags: dict[str, str] | None = None, **config: float) -> Result:
        sys.audit(GRAPH_RUN, job)
        found = self.graph.definitions.resolve_job_def(job).execute_in_process(
            instance=self.graph.instance,
            run_config={**QUIET, **({"ops": {"fir_expiry": {"config": config}}} if config else {})},
            raise_on_error=not fails,
            tags=tags,
        )
        assert found.success is not fails
        return found

    def tick(self, sensor: str) -> dg.SensorResult | Any:
        """One evaluation, as the daemon would make it."""
        defs = self.graph.definitions
        with dg.build_sensor_context(
            instance=self.graph.instance,
            cursor=self.cursor,
            repository_def=defs.get_repository_def(),
            resources=defs.resources,
        ) as context:
            found = defs.resolve_sensor_def(sensor).evaluate_tick(context)
        self.cursor, self.message = found.cursor, found.skip_message
        return found

    def requested(self) -> list[dg.RunRequest]:
        """What the sensor on deliveries asks for, but for run keys that were used before."""
        used = {run.tags.get("dagster/run_key") for run in self.graph.instance.get_runs()}
        found = self.tick("fir_deliveries_landed").run_requests or []
        return [request for request in found if request.run_key not in used]

    def chain(self, name: str) -> Chain:
        return Chain(self.live.store, "fir", self.live.epoch, name)

    def rows(self, name: str) -> list[dict[str, Any]]:
        table = table_of(self.profile.lake, name)
        found: list[dict[str, Any]] = table.scan().to_arrow().to_pylist() if table is not None else []
        return found

    def told(self, asset: str) -> dict[str, object]:
        """The metadata of the newest materialization."""
        return {name: value.value for name, value in self.graph.materialized(asset)[None].items()}

    def deliver_again(self) -> None:
        """One more delivery, of what the first one has."""
        chain = self.chain(DELIVERIES)
        content = chain.read(1)
        assert content is not None
        chain.append(content)

    def change_status(self, **changed: object) -> None:
        key = keys.live("fir", "status.json")
        found = json.loads(self.live.store.read(key) or b"")
        self.live.store.write(key, json.dumps({**found, **changed}).encode())


def sample() -> list[Sent]:
    """Messages of two weeks, as they arrive."""
    found = SampleReports(7, NOW - timedelta(weeks=WEEKS), WEEKS + 1, RATE)
    return [one for one in found.records() if one.arrived_at < NOW]


@pytest.fixture(scope="module")
def read_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home whose stream of two weeks was read in three pieces, and nothing loaded."""
    home = tmp_path_factory.mktemp("read") / "home"
    house = House(home)
    sent = sample()
    for first in range(0, len(sent), len(sent) // 3 + 1):
        house.produce(sent[first : first + len(sent) // 3 + 1])
        house.consume()
    assert house.chain(DELIVERIES).last() == 3
    return home


FIREHOSE = "firehose:fir/"


@pytest.fixture
def firehose(tmp_path: Path, server: str) -> House:
    """Where no consumer reads the stream, but Firehose delivers it."""
    return House(tmp_path / "by-firehose", fresh(server), FIREHOSE)


def write_as_firehose(house: House, name: str, messages: Sequence[bytes]) -> str:
    """An object as Firehose writes it: a message a line, packed."""
    key = f"fir/2026/03/16/12/history-1-{name}.gz"
    house.live.store.write(key, gzip.compress(b"".join(one + b"\n" for one in messages)))
    os.utime(house.live.store.location(key), (NOW.timestamp(), NOW.timestamp()))
    return key


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.fixture
def bare(tmp_path: Path, read_home: Path) -> House:
    """Without a warehouse."""
    shutil.copytree(read_home, tmp_path / "home")
    return House(tmp_path / "home")


@pytest.fixture
def house(tmp_path: Path, read_home: Path, server: str) -> House:
    """With a new warehouse, which nothing was loaded into."""
    shutil.copytree(read_home, tmp_path / "home")
    return House(tmp_path / "home", fresh(server))


def test_a_stream_adds_to_the_graph_and_changes_nothing_of_it(tmp_path: Path) -> None:
    text = dg.AssetKey.to_user_string

    def names(settings: Settings) -> set[str]:
        found = definitions.build_defs(Profile(settings))
        repository, layer = found.get_repository_def(), found.resolve_asset_graph()
        assert all(layer.get(key).description for key in [*layer.get_all_asset_keys(), *layer.asset_check_keys])
        assert all(list(spec.owners) for spec in found.resolve_all_asset_specs())
        return {
            *(
                f"{text(key)} < {' '.join(sorted(map(text, layer.get(key).parent_keys)))}"
                for key in layer.get_all_asset_keys()
            ),
            *(
                f"{key.asset_key.to_user_string()} {key.name} {layer.get(key).blocking}"
                for key in layer.asset_check_keys
            ),
            *(f"job {job.name}" for job in repository.get_all_jobs()),
            *(f"{s.name} {s.default_status.value} {s.cron_schedule}" for s in repository.schedule_defs),
            *(f"{s.name} {s.default_status.value} {s.minimum_interval_seconds} s" for s in repository.sensor_defs),
        }

    plain = Settings(home=tmp_path / "lake")
    stream = replace(plain, stream="fir")
    added = {
        "fir_stream < ",
        "fir_deliveries < fir_stream",
        "fir_history < fir_deliveries",
        "fir_alerts < fir_history",
        "fir_expiry < fir_alerts fir_history",
        "fir_stream lag False",
        "fir_history one_row_per_fir True",
        "fir_alerts no_alert_without_events False",
        "job load_fir",
        "job expire_fir",
        "expire_fir_nightly RUNNING 30 4 * * *",
        "stream_lag RUNNING 30 s",
        "fir_deliveries_landed RUNNING 60 s",
    }
    assert names(stream) - names(plain) == added
    assert names(plain) <= names(stream)
    assert names(replace(stream, warehouse="postgresql://loader@db/fir")) ^ names(stream) == {
        "fir_warehouse < fir_history",
        "fir_expiry < fir_alerts fir_history",
        "fir_expiry < fir_alerts fir_history fir_warehouse",
        "fir_warehouse warehouse_equals_history False",
    }
    assert names(replace(stream, stream_source=FIREHOSE)) ^ names(stream) == {
        "fir_alerts < fir_history",
        "fir_expiry < fir_alerts fir_history",
        "fir_expiry < fir_history",
        "fir_stream lag False",
        "fir_alerts no_alert_without_events False",
        "fir_deliveries objects_whole False",
        "stream_lag RUNNING 30 s",
    }
    assert list(tmp_path.iterdir()) == []
    for prefix in ("", "live/", "li", "live/stream=fir/"):
        with pytest.raises(UsageError, match="is no prefix of what Firehose writes"):
            names(replace(stream, stream_source=f"firehose:{prefix}"))
    with pytest.raises(UsageError, match="CRIME_STREAM_TIMEZONE=Asia/Nowhere is no time zone"):
        names(replace(stream, stream_zone="Asia/Nowhere"))


def test_without_a_stream_nothing_of_live_reports_is_imported() -> None:
    program = (
        "import sys; from crime_assets.cli.main import _parser; _parser()\n"
        "from crime_assets.definitions import defs; defs()\n"
        "print([name for name in sys.modules if name.startswith('crime_assets.incidents')])"
    )
    found = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True)
    assert found.stdout == "[]\n"


def test_the_password_of_the_warehouse_is_in_no_definition(tmp_path: Path) -> None:
    house = House(tmp_path / "home", "postgresql://loader:5ecret-W0rd@db/fir")
    defs = house.graph.definitions
    jobs = [str(job.get_job_snapshot()) for job in defs.get_repository_def().get_all_jobs()]
    assert "fir_warehouse" in "".join(jobs)
    assert "5ecret-W0rd" not in "".join([*jobs, repr(defs), repr(house.profile.settings)])


def test_from_the_stream_to_the_warehouse(house: House) -> None:
    house.now += timedelta(hours=1)
    result = house.run(LOAD)
    lines = [line for number, _ in house.chain(DELIVERIES).after(0) for line in _lines(house, number)]
    reports = kept(lines)

    assert len(reports) > 400
    assert len(lines) > len(reports), "nothing was amended"
    rows = house.rows("fir_history")
    assert {row["fir_id"]: {name: row[name] for name in reports[row["fir_id"]]} for row in rows} == reports
    assert len(rows) == len(reports)
    assert history(house.address) == reports
    alerts = [json.loads(line) for _, content in house.chain(ALERTS).after(0) for line in content.splitlines()]
    assert len(alerts) > 3
    assert sorted((row["alert_id"], row["revision"]) for row in house.rows("fir_alerts")) == sorted(
        (alert["alert_id"], alert["revision"]) for alert in alerts
    )
    assert failing(result) == set()
    assert {*verdicts(result)} == CHECKED
    assert f"All reports that {len(alerts)} alerts name" in str(verdicts(result)["no_alert_without_events"].description)
    last = house.chain(DELIVERIES).last()
    assert ledger(house.address) == [house.chain(DELIVERIES).key(number) for number in range(1, last + 1)]
    assert house.told("fir_deliveries") == {"epoch": house.live.epoch, "last": last, "waiting": last}
    assert (house.told("fir_history")["dagster/row_count"], house.told("fir_warehouse")["changed"]) == (
        len(reports),
        len(reports),
    )


def _lines(house: House, number: int) -> Iterator[dict[str, Any]]:
    """The lines of a delivery as `kept` takes them: times as texts, NULL left out."""
    for report in read_reports(house.live.store, house.chain(DELIVERIES).key(number)):
        yield {
            name: value.isoformat() if isinstance(value, datetime) else value
            for name, value in report.items()
            if value is not None
        }


def test_what_was_loaded_is_not_loaded_again(house: House) -> None:
    house.run(LOAD)
    before = {name: len(_table(house, name).history()) for name in ("fir_history", "fir_alerts")}
    house.deliver_again()
    result = house.run(LOAD)

    assert {name: len(_table(house, name).history()) for name in before} == before
    assert [house.told(name)["changed"] for name in ("fir_history", "fir_alerts", "fir_warehouse")] == [0, 0, 0]
    assert failing(result) == set()


def _table(house: House, name: str) -> Any:
    table = table_of(house.profile.lake, name)
    assert table is not None
    return table


def test_a_report_that_is_twice_in_the_history_stops_what_comes_after(house: House) -> None:
    house.run(LOAD)
    table = _table(house, "fir_history")
    (file, *_) = tables.data_files(table)
    path = tables.new_data_path(table, "all")
    pq.write_table(pq.ParquetFile(tables.fetch(table, [file])[0]).read().slice(0, 1), path)
    tables.commit(table, tables.Change((), (path,), {}))
    before = len(house.graph.instance.get_runs())
    found = verdicts(house.run(LOAD, fails=True))

    assert not found["one_row_per_fir"].passed
    assert found["one_row_per_fir"].severity == dg.AssetCheckSeverity.ERROR
    assert "1 rows too many" in str(found["one_row_per_fir"].description)
    assert "warehouse_equals_history" not in found
    assert before + 1 == len(house.graph.instance.get_runs())


def test_an_alert_of_a_report_that_nobody_delivered_is_found(house: House) -> None:
    house.run(LOAD)
    (_, content) = next(house.chain(ALERTS).after(0))
    unknown = {**json.loads(content.splitlines()[0]), "alert_id": "made-up", "event_ids": ["e-1"]}
    house.chain(ALERTS).append(json.dumps(unknown).encode() + b"\n")
    house.run(LOAD)
    assert verdicts(house.graph.check("no_alert_without_events"))["no_alert_without_events"].passed, "it is too young"
    house.now += timedelta(minutes=11)
    found = verdicts(house.graph.check("no_alert_without_events"))["no_alert_without_events"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert "such as made-up" in str(found.description)
    house.now += timedelta(days=8)
    assert verdicts(house.graph.check("no_alert_without_events"))["no_alert_without_events"].passed, "it is too old"


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        ("UPDATE fir_history SET beat = 'elsewhere' WHERE fir_id = '{newest}'", "in reports {newest}"),
        ("DELETE FROM fir_history WHERE fir_id = '{oldest}'", "in months 2026-03"),
        ("UPDATE fir_history SET version = version + 1 WHERE fir_id = '{oldest}'", "in months 2026-03"),
        ("UPDATE fir_history SET fir_id = 'x' WHERE fir_id = '{newest}'", "in reports x"),
    ],
)
def test_a_row_that_was_changed_in_the_warehouse_is_found(house: House, damage: str, told: str) -> None:
    house.run(LOAD)
    rows = sorted(house.rows("fir_history"), key=lambda row: row["registered_at"])
    which = {"oldest": rows[0]["fir_id"], "newest": rows[-1]["fir_id"]}
    with closing(psycopg2.connect(house.address)) as connection, connection.cursor() as cursor:
        cursor.execute(damage.format(**which))
        assert cursor.rowcount == 1
        connection.commit()
    found = verdicts(house.graph.check("warehouse_equals_history"))["warehouse_equals_history"]
    assert not found.passed
    assert told.format(**which) in str(found.description)


def test_the_lag_is_told_when_it_changes_and_now_and_then(bare: House) -> None:
    def told() -> tuple[bool, str, float] | None:
        events = bare.tick("stream_lag").asset_events
        if not events:
            return None
        observation, evaluation = events
        assert observation.asset_key == evaluation.asset_key == dg.AssetKey("fir_stream")
        assert evaluation.check_name == "lag"
        return evaluation.passed, evaluation.severity.value, observation.metadata["lag_seconds"].value

    bare.change_status(lag_seconds=0.4)
    assert told() == (True, "WARN", 0.4)
    bare.now += timedelta(seconds=30)
    assert told() is None
    bare.change_status(lag_seconds=7.0)
    assert told() == (False, "WARN", 7.0)
    bare.change_status(lag_seconds=301.0)
    assert told() == (False, "ERROR", 301.0)
    bare.now += timedelta(seconds=40)
    assert told() is None, "that it is silent is as bad"
    assert "start it again" in str(bare.message)
    bare.now += timedelta(minutes=5)
    assert told() == (False, "ERROR", 301.0)
    bare.change_status(lag_seconds=0.0, written_at=bare.now.isoformat())
    assert told() == (True, "WARN", 0.0)
    bare.change_status(lost_since="2026-03-01T00:00:00+00:00", written_at=bare.now.isoformat())
    assert told() == (False, "ERROR", 0.0)


def test_the_lag_can_be_checked_by_hand(bare: House) -> None:
    assert verdicts(bare.graph.check("lag"))["lag"].passed
    bare.now += timedelta(minutes=2)
    found = verdicts(bare.graph.check("lag"))["lag"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)


def test_deliveries_are_loaded_as_they_land_tick_by_tick(bare: House) -> None:
    (request,) = bare.requested()
    last = bare.chain(DELIVERIES).last()
    assert request.run_key == f"{bare.live.epoch}-{last}-0"

    def begin(status: dg.DagsterRunStatus, request: dg.RunRequest) -> str:
        job = bare.graph.definitions.resolve_job_def(LOAD)
        tags = {**request.tags, "dagster/run_key": str(request.run_key)}
        return bare.graph.instance.create_run_for_job(job, status=status, tags=tags).run_id

    running = begin(dg.DagsterRunStatus.STARTED, request)
    assert bare.requested() == []
    bare.graph.instance.delete_run(running)
    for number in range(ATTEMPTS):
        (request,) = bare.requested()
        assert request.run_key == f"{bare.live.epoch}-{last}-{number}"
        begin(dg.DagsterRunStatus.FAILURE, request)
    bare.now = datetime.now(UTC)
    assert bare.requested() == []
    assert "see their errors" in str(bare.message)
    bare.now += timedelta(hours=2)
    (request,) = bare.requested()

    bare.run(LOAD, tags={**request.tags, "dagster/run_key": str(request.run_key)})
    assert bare.requested() == []
    bare.deliver_again()
    (request,) = bare.requested()
    assert request.run_key == f"{bare.live.epoch}-{last + 1}-0"
    bare.run(LOAD, tags=request.tags)
    assert bare.requested() == [], "what brought nothing new is not asked for again and again"


def test_where_nothing_was_read_yet_sensors_wait_and_runs_say_so(tmp_path: Path) -> None:
    house = House(tmp_path / "home")
    assert house.requested() == []
    house.tick("stream_lag")
    assert "start `crime-assets stream run`" in str(house.message)
    assert failing(house.graph.check("lag")) == {"lag"}
    result = house.run(LOAD, fails=True)
    (failed, *_) = [event for event in result.all_events if event.is_step_failure]
    assert "Nothing has read the stream fir yet: start" in str(failed.event_specific_data)


def test_old_objects_go_once_lake_and_warehouse_have_them(house: House) -> None:
    def left() -> dict[str, int]:
        return {name: len(list(house.chain(name).after(0))) for name in (DELIVERIES, ALERTS, QUARANTINE)}

    def age(days: float) -> None:
        at = (house.now - timedelta(days=days)).timestamp()
        for path in (house.profile.lake.landing / "live").rglob("*.*"):
            os.utime(path, (at, at))

    before = left()
    assert min(before.values()) > 0
    age(31)
    house.run(EXPIRE, delivery_days=1.0)
    assert left() == {**before, QUARANTINE: 0}, "the history has none of them"
    without = House(house.profile.lake.home)
    without.run(LOAD)
    age(36)
    house.run(EXPIRE)
    assert left() == {**before, QUARANTINE: 0}, "the warehouse has none of them"
    house.run(LOAD)
    house.run(EXPIRE)
    assert left() == {DELIVERIES: 0, ALERTS: before[ALERTS], QUARANTINE: 0}
    assert house.told("fir_expiry")[DELIVERIES] == before[DELIVERIES]
    age(91)
    house.run(EXPIRE)
    assert left() == dict.fromkeys(before, 0)
    assert failing(house.run(LOAD)) == set()
    assert len(house.rows("fir_history")) == len(ask(house.address, "SELECT 1 FROM fir_history"))


def alike(row: Mapping[str, Any]) -> dict[str, Any]:
    """What is the same on both roads: all but when it arrived and where it was."""
    return {name: row[name] for name in row.keys() - {"arrived_at", "epoch", "delivery"}}


def test_what_firehose_delivers_makes_the_same_history(bare: House, firehose: House) -> None:
    """Repeated messages, objects that overlap and what is no report: history and warehouse are the consumer's."""
    bare.run(LOAD)
    chance = random.Random(5)
    told = [one.data for one in sample()]
    chance.shuffle(told)
    third = len(told) // 3
    assert firehose.requested() == []
    for n in range(3):
        overlapping = told[n * third : (n + 1) * third + 50]
        write_as_firehose(firehose, f"{n + 1}", [*overlapping[:-5], *chance.sample(told, 20), b"no report"])
    (request,) = firehose.requested()
    result = firehose.run(LOAD, tags=request.tags)
    assert failing(result) == set()
    assert {*verdicts(result)} == {"one_row_per_fir", "objects_whole", "warehouse_equals_history"}
    write_as_firehose(firehose, "0-late", told[2 * third :])
    (request,) = firehose.requested()
    assert request.run_key == f"{firehose.live.epoch}-4-0"
    firehose.run(LOAD, tags=request.tags)
    assert firehose.requested() == []

    expected = {row["fir_id"]: alike(row) for row in bare.rows("fir_history")}
    found = firehose.rows("fir_history")
    assert len(found) == len(expected) > 400
    assert {row["fir_id"]: alike(row) for row in found} == expected
    assert {row["arrived_at"] for row in found} == {None}
    assert {one: alike(row) for one, row in history(firehose.address).items()} == expected
    assert len(ledger(firehose.address)) == firehose.chain(DELIVERIES).last() == firehose.chain(QUARANTINE).last() == 4


def test_an_object_of_firehose_that_is_cut_off_is_named_and_holds_up_no_other(firehose: House) -> None:
    told = [one.data for one in sample()]
    write_as_firehose(firehose, "1", told[:50])
    damaged = write_as_firehose(firehose, "2", told[50:100])
    whole = firehose.live.store.read(damaged) or b""
    firehose.live.store.write(damaged, whole[:-9])
    found = verdicts(firehose.run(LOAD))["objects_whole"]
    assert (found.passed, found.severity) == (False, dg.AssetCheckSeverity.ERROR)
    assert damaged in str(found.description)
    before = len(firehose.rows("fir_history"))
    assert before > 0
    firehose.live.store.write(damaged, whole)
    assert failing(firehose.run(LOAD)) == set()
    assert len(firehose.rows("fir_history")) > before

    firehose.live.store.delete(damaged)
    firehose.live.store.delete(damaged.replace("2.gz", "1.gz"))
    firehose.now += timedelta(days=40)
    for path in (firehose.profile.lake.landing / "live").rglob("*.*"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    firehose.run(EXPIRE)
    assert list(firehose.chain(DELIVERIES).after(0)) == []
    write_as_firehose(firehose, "3", told[100:150])
    firehose.run(LOAD)
    assert firehose.chain(DELIVERIES).last() == 3
