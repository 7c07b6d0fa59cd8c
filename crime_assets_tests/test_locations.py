"""A code location for each of several cities: an attribute of the module, whose names all have the city before them."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import pytest
from dagster._core.code_pointer import CodePointer
from dagster._core.definitions.reconstruct import repository_def_from_target_def
from dagster._core.workspace.load_target import WorkspaceFileTarget

from crime_assets import definitions
from crime_assets.cli import runner
from crime_assets.core.errors import UsageError
from crime_assets.defs.names import CITY_TAG, Names
from crime_assets.profiles import Settings, open_profile
from crime_assets.sources import cities

MODULE = "crime_assets.definitions"


@pytest.fixture
def _both(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIME_CITIES", "chicago,new_york")
    monkeypatch.setenv("CRIME_FEED_NEW_YORK", "export")


@pytest.mark.usefixtures("_both")
@pytest.mark.parametrize("city", ["chicago", "new_york"])
def test_every_name_that_dagster_keeps_has_the_city_before_it(city: str) -> None:
    repository = repository_def_from_target_def(CodePointer.from_module(MODULE, city, None).load_target())
    assert repository is not None
    graph = repository.asset_graph
    keys = {*graph.get_all_asset_keys(), *(check.asset_key for check in graph.asset_check_keys)}
    assert {key.path[0] for key in keys} == {city}
    assert {len(key.path) for key in keys} == {2}
    assert not graph.external_asset_keys, "nothing depends on what is not there"

    jobs = [job for job in repository.get_all_jobs() if job.name != "__ASSET_JOB"]
    assert {job.run_tags.get(CITY_TAG) for job in jobs} == {city}
    (follows,) = (one for one in repository.sensor_defs if isinstance(one, dg.AutomationConditionSensorDefinition))
    assert follows.run_tags == {CITY_TAG: city}


@pytest.mark.usefixtures("_both")
def test_but_for_that_the_graph_is_the_same(tmp_path: Path) -> None:
    alone = open_profile(Settings(home=tmp_path / "lake"))
    one, of_many = definitions.build_defs(alone), definitions.chicago()

    def picture(found: dg.Definitions) -> dict[str, object]:
        graph, repository = found.resolve_asset_graph(), found.get_repository_def()
        return {
            **{
                graph.get(key).key.path[-1]: (
                    sorted(parent.path[-1] for parent in graph.get(key).parent_keys),
                    graph.get(key).group_name,
                    graph.get(key).partitions_def,
                    graph.get(key).pools,
                    graph.get(key).description,
                )
                for key in graph.get_all_asset_keys()
            },
            "checks": sorted((check.asset_key.path[-1], check.name) for check in graph.asset_check_keys),
            "jobs": {
                job.name: sorted(key.path[-1] for key in job.asset_layer.executable_asset_keys)
                for job in repository.get_all_jobs()
            },
            "schedules": sorted((one.name, one.cron_schedule) for one in repository.schedule_defs),
            "sensors": sorted(one.name for one in repository.sensor_defs),
        }

    assert picture(one) == picture(of_many)


@pytest.mark.usefixtures("_both")
def test_the_command_uses_the_names_of_its_citys_location(monkeypatch: pytest.MonkeyPatch) -> None:
    """`crime-assets run` and `crime-assets dev` go on with the same records of Dagster."""
    for city in ("chicago", "new_york"):
        monkeypatch.setenv("CRIME_CITY", city)
        by_command = definitions.build_defs(open_profile(Settings.from_environment())).resolve_asset_graph()
        in_location = getattr(definitions, city)().resolve_asset_graph()
        assert {*by_command.get_all_asset_keys()} == {*in_location.get_all_asset_keys()}
        assert {*definitions.defs().resolve_asset_graph().get_all_asset_keys()} == {*by_command.get_all_asset_keys()}


def test_one_city_has_no_name_before_anything() -> None:
    repository = definitions.defs().get_repository_def()
    assert {len(key.path) for key in repository.asset_graph.get_all_asset_keys()} == {1}
    assert not any(job.run_tags for job in repository.get_all_jobs())


@pytest.mark.parametrize("city", cities.names())
def test_a_location_says_whose_codes_and_which_portal_its_city_has(city: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CRIME_CITIES", city)
    graph = getattr(definitions, city)().resolve_asset_graph()
    assets = [graph.get(key) for key in graph.get_all_asset_keys()]
    said = "".join(f"{asset.description} {asset.metadata.get('dagster/column_schema')}" for asset in assets)
    assert ("by its FBI code" if city == "chicago" else "by its NIBRS code") in said
    assert ("FBI code" in said) == (city == "chicago")
    kinds = {asset.key.path[-1]: asset.kinds for asset in assets}
    portal = {"washington": "arcgis"}.get(city, "socrata")
    assert kinds["raw_crime_batches"] == {"python", portal}
    assert kinds["boundaries"] == {"json", portal}


def test_a_city_that_is_not_asked_for_is_no_location(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="CRIME_CITIES is not set: set it to the cities of this Dagster home"):
        definitions.chicago()
    monkeypatch.setenv("CRIME_CITIES", "chicago,new_york")
    with pytest.raises(UsageError, match="CRIME_CITIES=chicago,new_york does not name los_angeles: add it there"):
        definitions.los_angeles()
    with pytest.raises(AttributeError, match="no attribute 'gotham'"):
        definitions.gotham  # noqa: B018 - to ask for it is the trial


def test_nothing_is_built_of_cities_that_are_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: set[str] = set()
    get = cities.get

    def heard(name: str) -> cities.City:
        asked.add(name)
        return get(name)

    monkeypatch.setenv("CRIME_CITIES", ",".join(cities.names()))
    monkeypatch.setattr(cities, "get", heard)
    definitions.new_york()
    assert asked == {"new_york"}


@pytest.mark.usefixtures("_both")
def test_dev_opens_a_location_for_each_city(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    became: list[list[str]] = []
    # Set and taken away again by pytest, whatever the command sets.
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    monkeypatch.setattr(runner.os, "execv", lambda _, command: became.append(command))
    runner.dev(open_profile(Settings.from_environment()), 3000)

    (command,) = became
    workspace = command[command.index("-w") + 1]
    assert command.count("-w") == 1
    origins = WorkspaceFileTarget([workspace]).create_origins()
    found = {origin.location_name: origin.loadable_target_origin for origin in origins}
    assert {name: (target.module_name, target.attribute) for name, target in found.items()} == {
        "chicago": (MODULE, "chicago"),
        "new_york": (MODULE, "new_york"),
    }


def test_a_run_without_a_tag_is_of_the_city_of_its_assets() -> None:
    """A person who materializes assets by hand starts a job without tags."""
    chicago, new_york, alone = Names("chicago"), Names("new_york"), Names()

    def whose(tags: dict[str, str], *keys: dg.AssetKey) -> list[Names]:
        run = dg.DagsterRun(job_name="any", tags=tags, asset_selection=frozenset(keys) or None)
        return [names for names in (chicago, new_york, alone) if names.has(run)]

    assert whose(chicago.tags) == [chicago]
    assert whose({}, chicago.key("crimes")) == [chicago]
    assert whose({}, dg.AssetKey("crimes")) == [alone]
    assert whose({}) == [alone], "all runs from before there were several"
    assert whose({CITY_TAG: "los_angeles"}) == []
