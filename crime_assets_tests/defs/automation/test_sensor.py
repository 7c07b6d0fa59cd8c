"""The sensor on landing objects, tick by tick, on a real landing store and a real instance."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import dagster as dg
import pytest

from crime_assets.core import keys
from crime_assets.core.envelopes import seal
from crime_assets.defs.automation.sensors import ATTEMPTS, MOST_RUNS, STATE_TAG
from crime_assets.profiles import Profile
from crime_assets_tests.build import clock_at, export_profile, record, write_export
from crime_assets_tests.graph import Graph, day_tags

pytestmark = pytest.mark.slow

DAY = date(2024, 1, 25)
FAILURE, CANCELED = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.CANCELED


class House:
    """A lake, its graph, and the sensor with the cursor that the daemon would keep."""

    def __init__(self, profile: Profile, instance: dg.DagsterInstance) -> None:
        self.graph = Graph(profile, instance)
        self.sensor = self.graph.definitions.resolve_sensor_def("landing_objects")
        self.cursor: str | None = None

    @property
    def profile(self) -> Profile:
        return self.graph.profile

    def at(self, now: str) -> None:
        """Set the clock."""
        self.profile.clock = clock_at(now)

    def tick(self) -> list[dg.RunRequest]:
        """One evaluation, as the daemon would make it: requests whose run key was used before do nothing."""
        with dg.build_sensor_context(
            instance=self.graph.instance,
            cursor=self.cursor,
            repository_def=self.graph.definitions.get_repository_def(),
            resources=self.graph.definitions.resources,
        ) as context:
            found = self.sensor.evaluate_tick(context)
        self.cursor = found.cursor
        self.message = found.skip_message
        used = {run.tags.get("dagster/run_key") for run in self.graph.instance.get_runs()}
        return [request for request in found.run_requests or [] if request.run_key not in used]

    def begin(self, status: dg.DagsterRunStatus, request: dg.RunRequest) -> str:
        """A run of the request, in that status."""
        tags = {**request.tags, "dagster/run_key": str(request.run_key), **day_tags(str(request.partition_key))}
        return self.other_run(status, tags)

    def other_run(self, status: dg.DagsterRunStatus, tags: dict[str, str]) -> str:
        job = self.graph.definitions.resolve_job_def("merge_change_day")
        return self.graph.instance.create_run_for_job(job, status=status, tags=tags).run_id

    def land(self, day: date, number: int = 1) -> Path:
        """Put an object of one record into the landing store; its path."""
        at = datetime(2024, 2, 1, tzinfo=UTC)
        key = keys.delivery("chicago", day, "test", at)
        self.profile.landing.write(key, seal(record(number, str(day)), "chicago", day, f"batch-{number}", at))
        return self.profile.lake.landing / key


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A lake on an export, with its history loaded; the present is 2024-02-01."""
    crimes = [record(n, "2024-01-10") for n in range(1, 4)] + [record(4, "2024-01-25"), record(5, "2024-01-26")]
    profile = export_profile(tmp_path / "lake", write_export(tmp_path / "crimes.csv", crimes))
    with dg.DagsterInstance.ephemeral() as instance:
        found = House(profile, instance)
        found.graph.load()
        yield found


def test_a_lake_not_yet_begun_is_left_alone(tmp_path: Path) -> None:
    with dg.DagsterInstance.ephemeral() as instance:
        house = House(export_profile(tmp_path / "lake", tmp_path / "none.csv"), instance)
        assert house.tick() == []
        assert "materialize crime_history first" in str(house.message)
    assert not (tmp_path / "lake").exists()


def test_a_day_goes_from_landing_to_merged_with_one_run(house: House) -> None:
    assert house.tick() == []
    house.graph.run("2024-01-25", job="pull_change_day")
    (request,) = house.tick()
    assert request.partition_key == "2024-01-25"
    assert str(request.run_key).startswith("2024-01-25-")
    assert request.tags[STATE_TAG] == str(request.run_key).removesuffix("-0")
    assert house.tick()[0].run_key == request.run_key, "the same state must give the same key, or it would run twice"

    house.graph.run("2024-01-25", job="merge_change_day")
    assert [row["id"] for row in house.graph.rows() if row["change_day"] == DAY] == [4]
    assert house.tick() == []


def test_an_unfinished_run_of_the_day_is_waited_for(house: House) -> None:
    house.land(DAY)
    (request,) = house.tick()
    run_id = house.begin(dg.DagsterRunStatus.NOT_STARTED, request)
    house.land(DAY, 2)
    assert house.tick() == [], "what landed meanwhile waits for the run at work"
    house.graph.instance.report_run_canceled(house.graph.instance.get_run_by_id(run_id))
    (again,) = house.tick()
    assert again.run_key != request.run_key


@pytest.mark.parametrize("status", [dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.STARTING])
def test_a_range_at_work_covers_its_days_and_no_others(house: House, status: dg.DagsterRunStatus) -> None:
    for age in range(3):
        house.land(DAY + timedelta(days=age), age)
    house.other_run(status, day_tags("2024-01-25", "2024-01-26"))
    assert [request.partition_key for request in house.tick()] == ["2024-01-27"]


@pytest.mark.parametrize("status", [FAILURE, CANCELED])
def test_a_state_is_tried_three_times_then_a_person_is_asked(
    house: House, status: dg.DagsterRunStatus, capsys: pytest.CaptureFixture[str]
) -> None:
    house.land(DAY)
    tried = []
    for _ in range(ATTEMPTS):
        (request,) = house.tick()
        tried.append(request.run_key)
        house.begin(status, request)
    assert len(set(tried)) == ATTEMPTS == 3
    capsys.readouterr()
    assert house.tick() == []
    assert "2024-01-25: 3 runs on the same objects ended without success" in "".join(capsys.readouterr())

    house.land(DAY, 2)
    (request,) = house.tick()
    assert request.run_key not in tried


def test_a_failed_day_is_tried_anew_once_its_manifest_is_there(house: House) -> None:
    house.land(DAY)
    for _ in range(ATTEMPTS):
        house.begin(FAILURE, house.tick()[0])
    assert house.tick() == []
    house.graph.run("2024-01-25", job="pull_change_day")
    assert [request.partition_key for request in house.tick()] == ["2024-01-25"]


def test_an_object_rewritten_with_the_same_second_and_size_is_seen_one_deleted_is_not(house: House) -> None:
    house.graph.run("2024-01-25", job="pull_change_day")
    house.graph.run("2024-01-25", job="merge_change_day")
    (path,) = (house.profile.lake.landing / keys.deliveries_prefix("chicago", DAY)).iterdir()
    key = path.relative_to(house.profile.lake.landing).as_posix()
    house.profile.landing.write(key, path.read_bytes())
    assert [request.partition_key for request in house.tick()] == ["2024-01-25"]
    house.graph.run("2024-01-25", job="merge_change_day")
    assert house.tick() == []
    path.unlink()
    assert house.tick() == []


def test_a_late_object_of_an_old_day_is_found_by_the_sweep(house: House) -> None:
    house.at("2024-07-10T12:00:00")
    late = house.land(DAY)
    ticks = 0
    while not (requests := house.tick()):
        ticks += 1
        assert ticks < 10
    assert [request.partition_key for request in requests] == ["2024-01-25"]
    assert ticks > 0, "this day is far away: nobody should have to look at all days on every tick"

    late.unlink()
    found: list[dg.RunRequest] = []
    for _ in range(10):
        found += house.tick()
    assert found == []
    house.land(DAY, 2)
    for _ in range(10):
        found += house.tick()
    assert {request.partition_key for request in found} == {"2024-01-25"}, "the sweep comes round again"


def test_one_tick_asks_for_so_many_runs_and_the_next_for_the_rest(house: House) -> None:
    house.at("2024-03-10T12:00:00")
    days = [DAY + timedelta(days=n) for n in range(45)]
    for number, day in enumerate(days):
        house.land(day, number)
    asked: list[str] = []
    for _ in range(10):
        requests = house.tick()
        assert len(requests) <= MOST_RUNS
        asked += [str(request.partition_key) for request in requests]
        for request in requests:
            house.begin(dg.DagsterRunStatus.NOT_STARTED, request)
    assert asked[0] == str(days[-1]), "the newest day comes first"
    assert sorted(asked) == [str(day) for day in days]


def test_a_tick_that_is_full_is_gone_on_with_where_it_stopped(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.defs.automation.sensors.MOST_RUNS", 3)
    house.at("2024-03-25T12:00:00")
    days = [DAY + timedelta(days=n) for n in range(5)]
    for number, day in enumerate(days):
        house.land(day, number)
    assert [[request.partition_key for request in house.tick()] for _ in range(3)] == [
        ["2024-01-29", "2024-01-28", "2024-01-27"],
        ["2024-01-26", "2024-01-25"],
        ["2024-01-29", "2024-01-28", "2024-01-27"],
    ]


def test_a_tick_that_is_late_looks_at_few_old_days_and_the_next_goes_on(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("crime_assets.defs.automation.sensors.SWEEP_SECONDS", -1.0)
    house.at("2024-03-25T12:00:00")
    house.land(DAY)
    house.land(date(2024, 3, 24), 2)
    found = [[request.partition_key for request in house.tick()] for _ in range(6)]
    # 46 old days, eight on a tick.
    assert found == 5 * [["2024-03-24"]] + [["2024-03-24", "2024-01-25"]]


def test_objects_outside_the_lakes_days_and_garbage_are_left_alone(house: House) -> None:
    house.land(DAY - timedelta(days=1))
    house.land(date(2024, 2, 1))
    for key in (
        "raw/city=chicago/change_day=2024-13-45/x.gz",
        "raw/city=chicago/change_day=today/x.gz",
        "raw/city=chicago/x.gz",
        "raw/city=gotham/change_day=2024-01-25/x.gz",
        "elsewhere/change_day=2024-01-25/x.gz",
    ):
        house.profile.landing.write(key, b"garbage")
    for _ in range(3):
        assert house.tick() == []


def test_garbage_among_a_days_objects_is_merged_around_once(house: House) -> None:
    house.graph.run("2024-01-25", job="pull_change_day")
    house.profile.landing.write("raw/city=chicago/change_day=2024-01-25/garbage.gz", b"\x1f\x8bgarbage")
    (request,) = house.tick()
    assert request.partition_key == "2024-01-25"
    house.graph.run("2024-01-25", job="merge_change_day")
    assert house.tick() == []
    assert len(house.graph.rows()) == 4
