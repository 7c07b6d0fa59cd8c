"""Two cities in one Dagster home and one lake: neither is taken for the other, and one that fails stops nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.job_base import InMemoryJob
from dagster._core.execution.api import execute_run
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteJobOrigin, RemoteRepositoryOrigin

from crime_assets.cli.reconcile import reconcile
from crime_assets.cli.recovery import reload
from crime_assets.cli.runner import run
from crime_assets.cloud.notices import DayReport
from crime_assets.defs.automation import notices
from crime_assets.defs.automation.jobs import MERGE, PULL
from crime_assets.defs.automation.sensors import ATTEMPTS, STATE_TAG
from crime_assets.defs.names import CITY_TAG, Names
from crime_assets.profiles import Profile
from crime_assets_tests.graph import INSIGHTS, QUIET, Graph, day_tags
from crime_assets_tests.two_cities import CHICAGO, CITIES, FIRST, NEW_YORK, Source, Step, World

pytestmark = pytest.mark.slow

DAYS = [FIRST + timedelta(days=number) for number in range(9)]
STEPS = (
    Step(CHICAGO, DAYS[0], DAYS[0]),
    Step(NEW_YORK, DAYS[0], DAYS[1]),
    Step(NEW_YORK, DAYS[2], DAYS[2], fails=True),
    Step(CHICAGO, DAYS[1], DAYS[2]),
    Step(NEW_YORK, DAYS[2], DAYS[2]),
    Step(CHICAGO, DAYS[0], DAYS[0]),
)
PULLED = ("raw_crime_batches", "crime_deliveries", "crimes")
FAILURE, STARTED, SUCCESS = dg.DagsterRunStatus.FAILURE, dg.DagsterRunStatus.STARTED, dg.DagsterRunStatus.SUCCESS


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    return Source(tmp_path_factory.mktemp("cities") / "files", len(DAYS), seed=7)


@pytest.fixture(scope="module")
def both(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One lake and one home after the steps."""
    with dg.DagsterInstance.ephemeral() as instance:
        world = World(tmp_path_factory.mktemp("both"), source, together=True, instance=instance)
        world.load()
        for step in STEPS:
            world.run(step)
        yield world
        world.close()


def test_nothing_of_a_city_is_under_the_names_of_the_other(both: World) -> None:
    seen = {city: set(_keys_of(both, city)) for city in CITIES}
    for city, keys in seen.items():
        assert {tuple(key.path[:-1]) for key in keys} == {(city,)}
        assert {key.path[-1] for key in keys} >= {"crime_history", "raw_crime_batches", "crime_deliveries", "crimes"}
    assert set(both.instance.all_asset_keys()) == {key for keys in seen.values() for key in keys}

    for city in CITIES:
        done = [step for step in both.done if step.city == city]
        ran = {str(day) for step in done for day in DAYS if step.first <= day <= step.last}
        assert both.instance.get_materialized_partitions(dg.AssetKey([city, "crimes"])) == ran
        assert both.instance.get_materialized_partitions(dg.AssetKey("crimes")) == set()


def _keys_of(world: World, city: str) -> Iterator[dg.AssetKey]:
    """What the runs of a city made or checked."""
    for found in world.instance.get_runs(dg.RunsFilter(tags={CITY_TAG: city})):
        for entry in world.instance.all_logs(found.run_id):
            event = entry.dagster_event
            if event is not None and event.is_step_materialization:
                yield event.step_materialization_data.materialization.asset_key
            elif event is not None and event.event_type == dg.DagsterEventType.ASSET_CHECK_EVALUATION:
                yield event.asset_check_evaluation_data.asset_key


def test_one_lake_has_the_rows_of_two(both: World, source: Source, tmp_path: Path) -> None:
    apart = World(tmp_path, source, together=False)
    apart.load()
    for step in both.done:
        apart.run(step)
    found = both.contents()
    assert found == apart.contents()
    assert len(found["chicago.crimes"]) >= 60 + 3 * 3
    assert len(found["new_york.crimes"]) > 39, "a newer publication was taken"
    apart.close()


def test_a_city_that_fails_leaves_the_other_green(both: World) -> None:
    runs = both.instance.get_runs()
    assert {one.tags[CITY_TAG] for one in runs if one.status == FAILURE} == {NEW_YORK}
    checks = [
        entry.dagster_event.asset_check_evaluation_data
        for one in runs
        if one.tags[CITY_TAG] == CHICAGO
        for entry in both.instance.all_logs(one.run_id, of_type=dg.DagsterEventType.ASSET_CHECK_EVALUATION)
        if entry.dagster_event is not None
    ]
    assert {check.check_name for check in checks if check.blocking} == {"delivery_complete", "one_row_per_id"}
    assert all(check.passed for check in checks if check.blocking)


def test_insights_follow_the_crimes_of_their_own_city_only(both: World) -> None:
    ticks = dict.fromkeys(CITIES)

    def tick(city: str) -> set[tuple[str, str]]:
        graph = both.graphs[city]
        found = dg.evaluate_automation_conditions(defs=graph.definitions, instance=graph.instance, cursor=ticks[city])
        ticks[city] = found.cursor
        keys = graph.definitions.resolve_asset_graph().get_all_asset_keys()
        return {
            (key.to_user_string(), day)
            for key in keys
            if key.path[-1] in INSIGHTS
            for day in found.get_requested_partitions(key) or ()
        }

    for city in CITIES:
        tick(city)
        assert tick(city) == set()
    both.run(Step(NEW_YORK, DAYS[3], DAYS[3]))
    assert tick(CHICAGO) == set()
    asked = tick(NEW_YORK)
    assert {day for _, day in asked} == {str(DAYS[3])}
    assert {key.split("/")[0] for key, _ in asked} == {NEW_YORK}
    both.run(Step(CHICAGO, DAYS[3], DAYS[3]))
    assert tick(NEW_YORK) == set()
    assert {key for key, _ in tick(CHICAGO)} == {f"chicago/{name}" for name in INSIGHTS}


def test_a_sensor_is_not_held_up_by_runs_of_the_other_city(both: World, tmp_path: Path) -> None:
    """New York's run of the same day goes on, and three of its runs have failed."""
    graph = both.graphs[CHICAGO]
    both.source.stand_after(CHICAGO, DAYS[4])
    both.now = max(both.now, datetime.combine(DAYS[6], datetime.min.time(), ZoneInfo("UTC")))
    graph.run(str(DAYS[4]), job=PULL)

    def tick() -> list[dg.RunRequest]:
        with dg.build_sensor_context(
            instance=graph.instance,
            repository_def=graph.definitions.get_repository_def(),
            resources=graph.definitions.resources,
        ) as context:
            return graph.definitions.resolve_sensor_def("landing_objects").evaluate_tick(context).run_requests or []

    def record(city: str, status: dg.DagsterRunStatus, tags: dict[str, str]) -> None:
        job = both.graphs[city].definitions.resolve_job_def(MERGE)
        wanted = {**Names(city).tags, **tags, **day_tags(str(DAYS[4]))}
        graph.instance.create_run_for_job(job, status=status, tags=wanted)

    (request,) = tick()
    assert (request.partition_key, request.tags[CITY_TAG]) == (str(DAYS[4]), CHICAGO)
    state = {STATE_TAG: request.tags[STATE_TAG]}
    for status in (STARTED, *[FAILURE] * ATTEMPTS):
        record(NEW_YORK, status, state)
    assert [one.run_key for one in tick()] == [request.run_key]
    record(CHICAGO, STARTED, state)
    assert tick() == []


def test_a_schedule_looks_at_its_own_citys_failures(both: World, tmp_path: Path) -> None:
    """Days of a range that failed while others succeeded are pulled apart: of the city whose range it was."""
    both.now = max(both.now, datetime.combine(DAYS[8], datetime.min.time(), ZoneInfo("UTC")))

    def asked(city: str, instance: dg.DagsterInstance) -> list[str]:
        graph = both.graphs[city]
        both.source.stand_after(city, DAYS[7])
        with dg.build_schedule_context(
            instance=instance,
            scheduled_execution_time=datetime(2024, 2, 2, 2, tzinfo=ZoneInfo(graph.profile.city.timezone)),
            repository_def=graph.definitions.get_repository_def(),
            resources=graph.definitions.resources,
        ) as context:
            requests = graph.definitions.resolve_schedule_def("pull_change_day_daily").evaluate_tick(context)
        return [str(request.run_key) for request in requests.run_requests or []]

    with dg.DagsterInstance.local_temp(str(tmp_path)) as instance:
        job = both.graphs[NEW_YORK].definitions.resolve_job_def(PULL)
        range_ = day_tags(str(DAYS[4]), str(DAYS[6]))
        for status, tags in ((FAILURE, range_), (SUCCESS, day_tags(str(DAYS[3])))):
            instance.create_run_for_job(job, status=status, tags={**Names(NEW_YORK).tags, **tags})
        days = f"{DAYS[4]}-to-{DAYS[6]}-2024-02-02"
        assert days in asked(CHICAGO, instance)
        apart = asked(NEW_YORK, instance)
    assert days not in apart
    assert {f"{day}-2024-02-02" for day in DAYS[4:7]} <= set(apart)


def test_the_commands_of_a_city_record_under_its_name(
    both: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In a home of their own, here: that of the others vanishes."""
    profile = both.graphs[CHICAGO].profile
    # Set and taken away again by pytest, whatever a command sets.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setenv("CRIME_HOME", str(profile.settings.home))
    profile.settings = replace(profile.settings, dagster_home=tmp_path)
    both.source.stand_after(CHICAGO, DAYS[6])
    both.now = max(both.now, datetime.combine(DAYS[8], datetime.min.time(), ZoneInfo("UTC")))
    assert run(profile, DAYS[6], DAYS[6], insights=False) == 0
    assert reconcile(profile, None, None) == 0
    assert reload(profile) == 0
    with dg.DagsterInstance.get() as instance:
        made = {key.to_user_string() for key in instance.all_asset_keys()}
        assert made == {f"chicago/{name}" for name in (*PULLED, "crime_history", "crime_reconciliation")}
        assert instance.get_materialized_partitions(dg.AssetKey([CHICAGO, "crimes"])) == {str(DAYS[6])}
        assert {found.tags.get(CITY_TAG) for found in instance.get_runs()} == {CHICAGO}


class Told:
    """Who is notified, in place of a topic."""

    def __init__(self) -> None:
        self.reports: list[DayReport] = []

    def announce(self, report: DayReport, warn: object) -> None:
        self.reports.append(report)


def test_notices_are_of_the_sensors_own_city(both: World) -> None:
    locations = {city: RegisteredCodeLocationOrigin(city) for city in CITIES}
    told = {city: Told() for city in CITIES}
    cursors: dict[tuple[str, str], str | None] = {}

    def tick() -> None:
        for city, graph in both.graphs.items():
            # `Told` has what sensors ask of notices, and no more.
            for sensor in notices.build(Names(city), told[city]):  # type: ignore[arg-type]
                with dg.SensorEvaluationContext(
                    instance_ref=None,
                    instance=graph.instance,
                    cursor=cursors.get((city, sensor.name)),
                    repository_name="__repository__",
                    repository_def=graph.definitions.get_repository_def(),
                    # Dagster takes any object, and says so of its own kinds only.
                    resources={"profile": graph.profile},  # type: ignore[dict-item]
                    sensor_name=sensor.name,
                    code_location_origin=locations[city],
                ) as context:
                    cursors[city, sensor.name] = sensor.evaluate_tick(context).cursor

    tick()
    both.source.file(NEW_YORK).unlink(missing_ok=True)
    graph = both.graphs[NEW_YORK]
    both.now += timedelta(days=1)
    job = graph.definitions.resolve_job_def(PULL)
    origin = RemoteJobOrigin(RemoteRepositoryOrigin(locations[NEW_YORK], "__repository__"), PULL)
    failing = graph.instance.create_run_for_job(
        job, tags={**job.run_tags, **day_tags(str(DAYS[5]))}, run_config=QUIET, remote_job_origin=origin
    )
    execute_run(InMemoryJob(job), failing, graph.instance)
    tick()
    assert told[CHICAGO].reports == []
    (report,) = told[NEW_YORK].reports
    assert (report.city, report.succeeded, report.first_day) == (NEW_YORK, False, DAYS[5])


def test_a_home_of_one_city_goes_on_and_can_become_one_of_several(source: Source, tmp_path: Path) -> None:
    """What an older release recorded is under the same keys; under the city's name the same lake begins quietly."""
    with dg.DagsterInstance.ephemeral() as instance:
        recorded = {"crimes", *INSIGHTS}
        for name in sorted(recorded):
            made = dg.AssetMaterialization(name, partition=str(DAYS[0]))
            instance.report_runless_asset_event(made)
        world = World(tmp_path, source, together=False)
        alone = world.graphs[CHICAGO].profile
        one = world.graphs[CHICAGO] = Graph(alone, instance)
        source.stand_after(CHICAGO, FIRST - timedelta(days=1))
        one.load()
        for day in DAYS[:2]:
            world.run(Step(CHICAGO, day, day))
        days = {str(day) for day in DAYS[:2]}
        assert instance.get_materialized_partitions(dg.AssetKey("crimes")) == days
        assert {len(key.path) for key in instance.all_asset_keys()} == {1}
        assert {found.tags.get(CITY_TAG) for found in instance.get_runs()} == {None}
        rows = one.rows()

        several = Graph(Profile(replace(alone.settings, cities=CITIES), clock=alone.clock), instance)
        assert several.rows() == rows
        cursor = None
        for _ in range(2):
            found = dg.evaluate_automation_conditions(defs=several.definitions, instance=instance, cursor=cursor)
            cursor = found.cursor
            assert found.total_requested == 0, "days that only the old keys have are not made again"
        several.profile.begin(FIRST)
        source.stand_after(CHICAGO, DAYS[2])
        world.now = datetime.combine(DAYS[4], datetime.min.time(), ZoneInfo("UTC"))
        several.run(str(DAYS[2]), job="backfill_change_days")
        assert instance.get_materialized_partitions(dg.AssetKey("crimes")) == days, "the old ones stay as they are"
        assert instance.get_materialized_partitions(dg.AssetKey([CHICAGO, "crimes"])) == {str(DAYS[2])}
        assert len(several.rows()) == len(rows) + 3
        world.close()
