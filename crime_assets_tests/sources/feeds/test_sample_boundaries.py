"""The sample city's own map: a city in one piece, and every block lies where its record says."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import pytest

from crime_assets.cli.runner import lacks_own_map
from crime_assets.core import keys
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds.boundaries import read_boundaries
from crime_assets.sources.feeds.sample.boundaries import SampleBoundaries
from crime_assets.sources.feeds.sample.places import places
from crime_assets_tests.build import CHICAGO

Ring = Sequence[tuple[float, float]]
LAYERS = tuple(CHICAGO.boundaries)


@lru_cache
def shapes() -> dict[str, dict[str, list[list[tuple[float, float]]]]]:
    """Layer → area → rings, as maps get them."""
    return {layer: found.areas for layer, found in read_boundaries(CHICAGO, SampleBoundaries(CHICAGO)).items()}


def square_degrees(ring: Ring) -> float:
    """Negative for a ring around a hole."""
    x, y = np.array([*ring, ring[0]]).T
    return float(np.sum(x[:-1] * y[1:] - x[1:] * y[:-1]) / 2)


def is_inside(rings: Sequence[Ring], x: float, y: float) -> bool:
    """Whether a line from the point to the east crosses the rings an odd number of times."""
    crossed = 0
    for ring in rings:
        for (a, b), (c, d) in zip(ring, [*ring[1:], ring[0]], strict=True):
            crossed += (b > y) != (d > y) and x < a + (y - b) * (c - a) / (d - b)
    return crossed % 2 == 1


def test_it_has_every_area_of_its_records() -> None:
    for layer in LAYERS:
        assert set(shapes()[layer]) == set(places().columns[layer].to_pylist())


@pytest.mark.parametrize("layer", LAYERS)
def test_every_block_lies_in_its_area(layer: str) -> None:
    columns = places().columns
    latitudes, longitudes = (columns[name].cast("double").to_pylist() for name in ("latitude", "longitude"))
    outside = [
        (area, longitude, latitude)
        for area, longitude, latitude in zip(columns[layer].to_pylist(), longitudes, latitudes, strict=True)
        if not is_inside(shapes()[layer][area], longitude, latitude)
    ]
    assert outside == []


def test_areas_share_out_the_same_city() -> None:
    """None overlaps another, and none leaves a gap: else the sums of their sizes would differ."""
    sizes = {
        layer: sum(square_degrees(ring) for rings in shapes()[layer].values() for ring in rings) for layer in LAYERS
    }
    assert sizes["beat"] > 0.06
    assert sizes["district"] == pytest.approx(sizes["beat"], rel=2e-4)
    assert sizes["community_area"] == pytest.approx(sizes["beat"], rel=2e-4)


def test_every_district_is_in_one_piece() -> None:
    """No archipelago: a newcomer sees a city."""
    assert {name: len(rings) for name, rings in shapes()["district"].items() if len(rings) > 1} == {}
    assert all(len(rings) == 1 for rings in shapes()["beat"].values())


def test_it_is_drawn_once_and_only_where_nothing_else_is_asked_for(tmp_path: Path) -> None:
    def profile(**settings: str) -> Profile:
        return Profile(Settings(home=tmp_path / "lake", **settings))

    assert lacks_own_map(profile())
    assert not lacks_own_map(profile(feed="export", export="x"))
    assert not lacks_own_map(profile(boundaries="/maps"))
    new_york = profile(city="new_york")
    assert new_york.boundaries is None
    assert not lacks_own_map(new_york)
    drawn = profile()
    for layer in LAYERS:
        drawn.landing.write(keys.boundaries("chicago", layer), b"{}")
    assert not lacks_own_map(drawn)
