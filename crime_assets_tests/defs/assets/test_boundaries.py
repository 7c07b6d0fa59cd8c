"""Boundaries in the graph: where they come from, that all of them are replaced or none, and when they are fetched."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster._core.definitions.schedule_definition import ScheduleExecutionData

from crime_assets.core import keys
from crime_assets.defs.assets.boundaries import NOTHING_TO_FETCH
from crime_assets.profiles import Profile, Settings
from crime_assets.publishing.reading import Extract
from crime_assets.publishing.shapes import shapes_of
from crime_assets.sources.feeds.boundaries import BoundarySource, DirectoryBoundaries, PortalBoundaries
from crime_assets.sources.feeds.sample.boundaries import SampleBoundaries
from crime_assets_tests.build import CHICAGO, clock_at
from crime_assets_tests.graph import QUIET, Graph
from crime_assets_tests.sources.feeds.map_server import MapServer, collection, feature, square

HOLE = square(-87.697, 41.803, 0.004)
SHAPES = {
    "district": [feature("31", [square(-87.7, 41.8), HOLE]), feature("1", [square(-87.69, 41.8)])],
    "beat": [feature("111", [square(-87.7, 41.8)], named="beat_num")],
    "community_area": [feature("7", [square(-87.7, 41.8)], named="area_numbe")],
}
KEYS = {layer: f"boundaries/city=chicago/{layer}.json" for layer in SHAPES}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A sound document for each layer."""
    place = tmp_path / "maps"
    place.mkdir()
    for layer, features in SHAPES.items():
        (place / f"{layer}.geojson").write_bytes(collection(*features))
    return place


def graph(home: Path, **settings: str) -> Graph:
    return Graph(Profile(Settings(home=home / "lake", **settings), clock_at("2024-02-01T12:00:00")))  # type: ignore[arg-type]


def fetch(graph: Graph, *, fails: bool = False) -> Mapping[str, dg.MetadataValue]:
    """Run the job; what the asset says of its newest run."""
    result = graph.definitions.resolve_job_def("fetch_boundaries").execute_in_process(
        instance=graph.instance, run_config=QUIET, raise_on_error=not fails
    )
    assert result.success is not fails
    return {} if fails else graph.materialized("boundaries")[None]


def stored(graph: Graph) -> dict[str, bytes]:
    """What lies in the landing store."""
    return {found.key: graph.profile.landing.read(found.key) or b"" for found in graph.profile.landing.list("")}


class TestFetching:
    def test_leaves_a_file_for_each_layer_that_maps_are_drawn_of(self, tmp_path: Path, directory: Path) -> None:
        lake = graph(tmp_path, boundaries=str(directory))
        fetch(lake)
        assert {layer: keys.boundaries("chicago", layer) for layer in SHAPES} == KEYS
        assert list(stored(lake)) == sorted(KEYS.values())
        extract = cast(Extract, SimpleNamespace(about=SimpleNamespace(city="chicago")))
        found = {layer: shapes_of(lake.profile.landing, extract, layer) for layer in SHAPES}
        assert all(are_boundaries for _, are_boundaries in found.values())
        assert {layer: {name: len(rings) for name, rings in areas.items()} for layer, (areas, _) in found.items()} == {
            "district": {"001": 1, "031": 2},
            "beat": {"0111": 1},
            "community_area": {"7": 1},
        }
        corners = {tuple(point) for point in found["district"][0]["031"][1]}
        assert corners == {(-87.697, 41.803), (-87.693, 41.803), (-87.693, 41.807), (-87.697, 41.807)}

    def test_says_what_it_did(self, tmp_path: Path, directory: Path) -> None:
        lake = graph(tmp_path, boundaries=str(directory))
        said = fetch(lake)
        assert {name: said[name].value for name in ("areas", "points_before", "points")} == {
            "areas": 4,
            "points_before": 25,
            "points": 20,
        }
        assert isinstance(said["layers"], dg.TableMetadataValue)
        rows = {str(found.data["layer"]): dict(found.data) for found in said["layers"].records}
        assert list(rows) == list(SHAPES)
        assert rows["district"] == {
            "layer": "district",
            "areas": 2,
            "points_before": 15,
            "points": 12,
            "bytes": len(stored(lake)[KEYS["district"]]),
            "from": str(directory / "district.geojson"),
            "file": str(tmp_path / "lake" / "landing" / KEYS["district"]),
        }

    def test_again_leaves_the_same_bytes(self, tmp_path: Path, directory: Path) -> None:
        lake = graph(tmp_path, boundaries=str(directory))
        fetch(lake)
        before = stored(lake)
        fetch(lake)
        assert stored(lake) == before

    def test_of_new_shapes_replaces_the_old(self, tmp_path: Path, directory: Path) -> None:
        lake = graph(tmp_path, boundaries=str(directory))
        fetch(lake)
        (directory / "district.geojson").write_bytes(collection(feature("2", [square(-87.7, 41.8)])))
        fetch(lake)
        assert list(json.loads(stored(lake)[KEYS["district"]])["areas"]) == ["002"]

    @pytest.mark.parametrize("content", [None, b"<html>", collection(feature("7", [square(2.3, 48.8)]))])
    def test_that_fails_leaves_all_that_were_there(
        self, tmp_path: Path, directory: Path, content: bytes | None
    ) -> None:
        lake = graph(tmp_path, boundaries=str(directory))
        fetch(lake)
        before = stored(lake)
        (directory / "district.geojson").write_bytes(collection(feature("2", [square(-87.7, 41.8)])))
        last = directory / "community_area.geojson"
        last.unlink() if content is None else last.write_bytes(content)
        fetch(lake, fails=True)
        assert stored(lake) == before

    def test_from_the_portal(self, tmp_path: Path) -> None:
        documents = {CHICAGO.boundaries[layer].dataset: collection(*found) for layer, found in SHAPES.items()}
        with MapServer(documents) as server:
            city = server.city(CHICAGO)

            class Here(Profile):
                @property
                def boundaries(self) -> BoundarySource:
                    return PortalBoundaries(city, scheme="http")

            lake = Graph(Here(Settings(home=tmp_path / "lake", feed="socrata"), clock_at("2024-02-01T12:00:00")))
            said = fetch(lake)
        assert said["areas"].value == 4
        assert len(server.requests) == 3
        assert list(stored(lake)) == sorted(KEYS.values())

    def test_of_nothing_is_no_failure_and_says_so(self, tmp_path: Path) -> None:
        lake = graph(tmp_path, feed="export", export="none.csv")
        said = fetch(lake)
        assert (said["areas"].value, said["note"].value) == (0, NOTHING_TO_FETCH)
        assert stored(lake) == {}


class TestSource:
    def test_is_the_portal_for_its_own_crimes_and_nothing_for_an_export(self, tmp_path: Path) -> None:
        def source(**settings: str) -> BoundarySource | None:
            return graph(tmp_path, **settings).profile.boundaries

        sample_city = replace(CHICAGO, serial_ids_from=None)
        assert source() == SampleBoundaries(sample_city)
        assert source(feed="export", export="x") is None
        portal = PortalBoundaries(CHICAGO)
        assert source(feed="socrata") == portal
        assert source(boundaries="portal") == PortalBoundaries(sample_city)
        assert source(feed="socrata", app_token="t") == PortalBoundaries(CHICAGO, app_token="t")
        assert source(feed="socrata", boundaries="/maps") == DirectoryBoundaries(Path("/maps"))

    def test_is_nothing_for_a_city_that_has_none(self, tmp_path: Path) -> None:
        profile = graph(tmp_path, feed="socrata").profile
        profile.__dict__["city"] = SimpleNamespace(boundaries={})
        assert profile.boundaries is None

    def test_is_one_variable(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.chdir(tmp_path)
        for text, found in {
            "": "",
            "portal": "portal",
            "maps": str(tmp_path / "maps"),
            "./portal": str(tmp_path / "portal"),
            "/maps": "/maps",
        }.items():
            assert Settings.from_environment({"CRIME_BOUNDARIES": text}).boundaries == found


class TestSchedule:
    def _tick(self, lake: Graph) -> ScheduleExecutionData:
        definitions = lake.definitions
        with dg.build_schedule_context(
            instance=lake.instance,
            scheduled_execution_time=datetime(2024, 3, 1, 3, tzinfo=ZoneInfo("America/Chicago")),
            repository_def=definitions.get_repository_def(),
            resources=definitions.resources,
        ) as context:
            return definitions.resolve_schedule_def("fetch_boundaries_monthly").evaluate_tick(context)

    def test_fetches_once_a_month(self, tmp_path: Path, directory: Path) -> None:
        (request,) = self._tick(graph(tmp_path, boundaries=str(directory))).run_requests or []
        assert request.partition_key is None

    def test_asks_for_nothing_where_nothing_is_fetched(self, tmp_path: Path) -> None:
        found = self._tick(graph(tmp_path, feed="export", export="none.csv"))
        assert not found.run_requests
        assert found.skip_message == NOTHING_TO_FETCH
