"""The daily pull asks for the day that has just ended on the city's clock, whatever the clock does in the night."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData
from dagster._utils.schedules import cron_string_iterator

from crime_assets.streams.inventory import Inventory, record_merged
from crime_assets.streams.pull import days_between
from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import Graph

pytestmark = pytest.mark.slow

CHICAGO = ZoneInfo("America/Chicago")
FIRST = date(2024, 1, 25)


@pytest.fixture
def definitions(tmp_path: Path) -> dg.Definitions:
    """Of a lake that begins with 2024-01-25."""
    profile = sample_profile(tmp_path / "lake")
    profile.begin(profile.first_change_day)
    return Graph(profile).definitions


def _tick(definitions: dg.Definitions, at: datetime, merged: Sequence[str] = ()) -> ScheduleExecutionData:
    """A tick on a lake that has merged these days."""
    landing = definitions.resources["landing"].resource_fn(None)
    record_merged(landing, "chicago", {date.fromisoformat(day): Inventory() for day in merged})
    schedule = definitions.resolve_schedule_def("pull_change_day_daily")
    repository = definitions.get_repository_def()
    with (
        TemporaryDirectory() as home,
        dg.DagsterInstance.local_temp(home) as instance,
        dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=at,
            repository_def=repository,
            resources=definitions.resources,
        ) as context,
    ):
        return schedule.evaluate_tick(context)


def _asked(found: ScheduleExecutionData) -> list[str | None]:
    return [request.partition_key for request in found.run_requests or []]


@pytest.mark.parametrize(
    ("tick", "day"),
    [
        ("2024-02-02T02:00:00-06:00", "2024-02-01"),
        # Clocks go forward: there is no 02:00, and the day before has ended all the same.
        ("2024-03-10T03:00:00-05:00", "2024-03-09"),
        ("2024-03-11T02:00:00-05:00", "2024-03-10"),
        # Clocks go back: there is one 02:00, after two times 01:00.
        ("2024-11-03T02:00:00-06:00", "2024-11-02"),
        ("2024-11-04T02:00:00-06:00", "2024-11-03"),
        # The city's day, though it is another day in UTC.
        ("2024-07-01T23:59:00-05:00", "2024-06-30"),
    ],
)
def test_a_tick_asks_for_the_day_before(definitions: dg.Definitions, tick: str, day: str) -> None:
    at = datetime.fromisoformat(tick).astimezone(CHICAGO)
    last = date.fromisoformat(day)
    before = [str(day) for day in days_between(FIRST, last - timedelta(days=1))]
    (request,) = _tick(definitions, at, merged=before).run_requests or []
    assert (request.partition_key, request.run_key) == (day, f"{day}-{at:%Y-%m-%d}")


def test_each_night_has_its_own_run_keys(definitions: dg.Definitions) -> None:
    first, second = (
        {request.run_key for request in _tick(definitions, datetime(2024, 3, n, 2, tzinfo=CHICAGO)).run_requests or []}
        for n in (1, 2)
    )
    assert len(first) == len(second) == 2
    assert not first & second


def test_a_lake_not_begun_is_left_alone(tmp_path: Path) -> None:
    definitions = Graph(sample_profile(tmp_path / "lake")).definitions
    found = _tick(definitions, datetime(2024, 3, 1, 2, tzinfo=CHICAGO))
    assert not found.run_requests
    assert "has not begun" in str(found.skip_message)


def test_a_lake_whose_first_day_has_not_ended_is_left_alone(definitions: dg.Definitions) -> None:
    found = _tick(definitions, datetime(2024, 1, 25, 2, tzinfo=CHICAGO))
    assert not found.run_requests
    assert "first change day has not ended" in str(found.skip_message)


def test_there_is_one_tick_a_day_at_two_on_the_citys_clock_or_when_it_next_shows_a_time(
    definitions: dg.Definitions,
) -> None:
    schedule = definitions.resolve_schedule_def("pull_change_day_daily")
    assert schedule.cron_schedule == "0 2 * * *"
    for first, times in {"2024-03-09": [2, 3, 2], "2024-11-02": [2, 2, 2]}.items():
        begin = datetime.fromisoformat(f"{first}T00:30:00").replace(tzinfo=CHICAGO)
        ticks = cron_string_iterator(begin.timestamp(), "0 2 * * *", schedule.execution_timezone)
        found = [next(ticks).astimezone(CHICAGO) for _ in range(3)]
        assert [tick.hour for tick in found] == times
        assert [tick.day - found[0].day for tick in found] == [0, 1, 2]
        asked = [_asked(_tick(definitions, tick))[-1] for tick in found]
        assert len(asked) == len(set(asked)) == 3
