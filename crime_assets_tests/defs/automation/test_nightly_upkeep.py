"""The nightly upkeep comes after the pull, once a night, and leaves alone a lake that was never begun."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from crime_assets_tests.build import sample_profile
from crime_assets_tests.graph import Graph

pytestmark = pytest.mark.slow

NIGHT = datetime(2024, 3, 1, 4, tzinfo=ZoneInfo("America/Chicago"))


def _tick(graph: Graph) -> ScheduleExecutionData:
    definitions = graph.definitions
    with dg.build_schedule_context(
        instance=graph.instance,
        scheduled_execution_time=NIGHT,
        repository_def=definitions.get_repository_def(),
        resources=definitions.resources,
    ) as context:
        return definitions.resolve_schedule_def("upkeep_nightly").evaluate_tick(context)


def test_a_night_asks_for_one_run_of_all_three_with_their_defaults(tmp_path: Path) -> None:
    profile = sample_profile(tmp_path / "lake")
    profile.begin(profile.first_change_day)
    graph = Graph(profile)
    (request,) = _tick(graph).run_requests or []
    assert (request.partition_key, request.run_key) == (None, None)
    result = graph.definitions.resolve_job_def("upkeep").execute_in_process(run_config=request.run_config)
    assert result.success


def test_a_lake_not_begun_is_left_alone(tmp_path: Path) -> None:
    found = _tick(Graph(sample_profile(tmp_path / "lake")))
    assert not found.run_requests
    assert "has not begun" in str(found.skip_message)


def test_it_comes_after_the_pull(tmp_path: Path) -> None:
    definitions = Graph(sample_profile(tmp_path / "lake")).definitions
    pull, upkeep = (definitions.resolve_schedule_def(name) for name in ("pull_change_day_daily", "upkeep_nightly"))
    hours = [int(str(schedule.cron_schedule).split()[1]) for schedule in (pull, upkeep)]
    assert hours == [2, 4]
    assert pull.execution_timezone == upkeep.execution_timezone
