"""What Dagster does by a clock that is wrong, and in the nights when the city's clock is changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.test_utils import freeze_time
from dagster._utils.schedules import cron_string_iterator

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, chain
from crime_assets.defs.partitions import change_days
from crime_assets.profiles import Profile, Settings
from crime_assets.profiles.clock import behind
from crime_assets_tests.build import clock_at
from crime_assets_tests.graph import Graph

CHICAGO = ZoneInfo("America/Chicago")
FIRST = date(2026, 2, 1)
SCHEDULES = ["pull_change_day_daily", "upkeep_nightly", "reconcile_with_source_weekly"]


def lake(home: Path, now: str, first: date = FIRST) -> Profile:
    """A lake that has merged its first 28 days, on a machine with that clock (UTC)."""
    profile = Profile(Settings(home=home, sample_rows=1_000), clock_at(now))
    profile.begin(first)
    for number in range(28):
        profile.landing.write(keys.merged("chicago", first + timedelta(days=number)), b"{}")
    return profile


@pytest.fixture
def instance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.local_temp(str(tmp_path_factory.mktemp("dagster"))) as made:
        yield made


def tick(graph: Graph, schedule: str, at: datetime) -> tuple[list[dg.RunRequest], str]:
    """What a schedule asks for at a moment, and why it asks for nothing."""
    definitions = graph.definitions
    with dg.build_schedule_context(
        instance=graph.instance,
        scheduled_execution_time=at,
        repository_def=definitions.get_repository_def(),
        resources=definitions.resources,
    ) as context:
        found = definitions.resolve_schedule_def(schedule).evaluate_tick(context)
    return list(found.run_requests or []), str(found.skip_message)


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize(
    "now", ["1970-01-02T08:00:00", "2000-01-01T08:00:00", "2026-02-20T08:00:00", "2036-03-01T08:00"]
)
def test_a_schedule_does_nothing_by_a_wrong_clock_and_says_why(
    tmp_path: Path, instance: dg.DagsterInstance, schedule: str, now: str
) -> None:
    profile = lake(tmp_path, now)
    requests, said = tick(Graph(profile, instance), schedule, profile.clock().astimezone(CHICAGO))
    assert not requests
    assert "set the clock right" in said
    assert (str(profile.today) in said, "\n" in said) == (True, False)


@pytest.mark.parametrize("schedule", SCHEDULES)
def test_a_lake_that_was_off_for_two_hundred_days_goes_on(
    tmp_path: Path, instance: dg.DagsterInstance, schedule: str
) -> None:
    profile = lake(tmp_path, "2026-09-16T08:00:00")
    requests, said = tick(Graph(profile, instance), schedule, profile.clock().astimezone(CHICAGO))
    assert requests, said


def test_the_sensor_on_landing_objects_waits_while_the_clock_is_behind(tmp_path: Path) -> None:
    for now, is_behind in (("2000-01-01T08:00:00", True), ("2026-03-01T08:00:00", False)):
        graph = Graph(lake(tmp_path, now))
        with dg.build_sensor_context(
            instance=graph.instance,
            repository_def=graph.definitions.get_repository_def(),
            resources=graph.definitions.resources,
        ) as context:
            found = graph.definitions.resolve_sensor_def("landing_objects").evaluate_tick(context)
        assert not found.run_requests
        assert ("set the clock right" in str(found.skip_message)) == is_behind


@pytest.mark.slow
def test_no_lake_is_begun_from_dagster_by_a_clock_that_was_reset(tmp_path: Path) -> None:
    profile = Profile(Settings(home=tmp_path, sample_rows=1_000), clock_at("1970-01-01T00:01:00"))
    with pytest.raises(Exception, match="feed") as raised:
        Graph(profile).load()
    said = [str(error) for error in chain(raised.value) if isinstance(error, CrimeAssetsError)]
    assert said == [behind(profile, profile.today)]
    assert profile.state is None


@pytest.mark.parametrize(
    "now", ["1970-01-01T00:01:00", "1999-12-31T23:59:00", "2026-01-31T08:00:00", "2026-02-01T08:00:00"]
)
def test_definitions_load_when_the_days_would_end_before_they_begin(tmp_path: Path, now: str) -> None:
    moment = clock_at(now)()
    for profile in (lake(tmp_path / "begun", now), Profile(Settings(home=tmp_path / "new"), clock_at(now))):
        with freeze_time(moment):
            Graph(profile).definitions.get_repository_def()
            days = change_days(profile).get_partition_keys()
        assert days == [] if profile.state is not None else len(days) == 7


@pytest.mark.parametrize(
    ("begin", "hours"),
    [
        # 02:00 is left out: the tick comes when the clock next shows a time.
        (date(2026, 3, 6), [2, 2, 3, 2, 2]),
        # 01:00 to 02:00 comes twice, 02:00 once.
        (date(2026, 10, 30), [2, 2, 2, 2, 2]),
        (date(2027, 3, 12), [2, 2, 3, 2, 2]),
        (date(2027, 11, 5), [2, 2, 2, 2, 2]),
    ],
)
def test_each_change_day_has_one_tick_and_one_partition_when_clocks_change(
    tmp_path: Path, instance: dg.DagsterInstance, begin: date, hours: list[int]
) -> None:
    first = begin - timedelta(days=28)
    profile = lake(tmp_path, f"{begin + timedelta(days=6)}T12:00:00", first)
    graph, days = Graph(profile, instance), change_days(profile)
    start = datetime.combine(begin, datetime.min.time(), CHICAGO)
    ticks = cron_string_iterator(start.timestamp(), "0 2 * * *", "America/Chicago")
    moments = [next(ticks).astimezone(CHICAGO) for _ in hours]
    assert [moment.hour for moment in moments] == hours
    newest = []
    for moment in moments:
        requests, said = tick(graph, "pull_change_day_daily", moment)
        assert requests, said
        newest.append(max(r.partition_key or r.tags["dagster/asset_partition_range_end"] for r in requests))
        with dg.partition_loading_context(effective_dt=moment):
            assert days.get_last_partition_key() == str(moment.date() - timedelta(days=1))
    ended = [str(begin + timedelta(days=number - 1)) for number in range(len(hours))]
    assert newest == ended
    with freeze_time(moments[-1]):
        keys_of_days = days.get_partition_keys()
    assert keys_of_days[-len(ended) :] == ended
    assert len(keys_of_days) == len(set(keys_of_days)) == (begin - first).days + len(hours) - 1
    windows = [days.time_window_for_partition_key(day) for day in ended]
    assert [window.end for window in windows[:-1]] == [window.start for window in windows[1:]]
    lengths = {(window.end.timestamp() - window.start.timestamp()) / 3600 for window in windows}
    assert lengths == ({23, 24} if 3 in hours else {24, 25})
