"""Two hundred runs of two cities in any order, in one lake and one Dagster home on disk, against a lake for each."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest

from crime_assets.defs.automation.jobs import RUN
from crime_assets.defs.names import CITY_TAG
from crime_assets_tests.two_cities import CITIES, Source, Step, World, steps

pytestmark = pytest.mark.stress

RUNS = 200
WITHOUT_OUTPUT = {
    "compute_logs": {"module": "dagster._core.storage.noop_compute_log_manager", "class": "NoOpComputeLogManager"}
}
"""Keeping what steps print takes Dagster two processes for each."""


@pytest.mark.parametrize("seed", [1])
def test_two_hundred_runs_of_two_cities_are_those_of_two_lakes(seed: int, tmp_path: Path) -> None:
    wanted = steps(RUNS, seed)
    source = Source(tmp_path / "files", RUNS, seed)
    (tmp_path / "dagster").mkdir()
    with dg.DagsterInstance.local_temp(str(tmp_path / "dagster"), overrides=WITHOUT_OUTPUT) as instance:
        both, apart = (
            World(tmp_path / "lakes", source, together=there, instance=instance if there else None)
            for there in (True, False)
        )
        for world in (both, apart):
            world.load()
            for step in wanted:
                world.run(step)
            for city in CITIES:
                last = max(step.last for step in world.done if step.city == city)
                world.run(Step(city, last, last), job=RUN)
        assert both.done == apart.done
        found, expected = both.contents(), apart.contents()
        for name, rows in expected.items():
            assert found[name] == rows, name
        for city, graph in both.graphs.items():
            _assert_alike(city, both, apart)
            made = {key.path[-1] for key in instance.all_asset_keys() if key.path[0] == city}
            ran = {str(step.first) for step in both.done if step.city == city}
            assert ran <= instance.get_materialized_partitions(graph.names.key("crimes"))
            assert {"crimes", "crime_history"} < made
        assert {len(key.path) for key in instance.all_asset_keys()} == {2}
        failed = [run.tags[CITY_TAG] for run in instance.get_runs() if not run.is_success]
        assert sorted(failed) == sorted(step.city for step in wanted if step.fails)
        for world in (both, apart):
            world.close()


def _assert_alike(city: str, both: World, apart: World) -> None:
    """The insights of the last day are the same to the row."""
    last = max(step.last for step in both.done if step.city == city)
    here, there = both.graphs[city], apart.graphs[city]
    made = {spec.key.path[-1] for spec in here.definitions.resolve_all_asset_specs()}
    for name in sorted(name for name in made if name.startswith("insight_")):
        assert here.insight(name, last) == there.insight(name, last), (city, name)
