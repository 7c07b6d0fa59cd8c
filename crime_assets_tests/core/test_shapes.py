"""Fewer points: borders stay where they were, and neighbors go on sharing them."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import pytest

from crime_assets.core.shapes import Ring, simplified

METERS_OF_DEGREE = 111_195.0
SHRINK = math.cos(math.radians(41.8))
Point = tuple[float, float]


def meters(point: Point) -> Point:
    return (point[0] * METERS_OF_DEGREE * SHRINK, point[1] * METERS_OF_DEGREE)


def degrees(point: Point, west: float = -87.7, south: float = 41.8) -> Point:
    return (west + point[0] / METERS_OF_DEGREE / SHRINK, south + point[1] / METERS_OF_DEGREE)


def edges(areas: Mapping[str, Sequence[Ring]]) -> Counter[frozenset[Point]]:
    """How many rings each edge is of."""
    return Counter(
        frozenset(edge)
        for rings in areas.values()
        for ring in rings
        for edge in zip(ring, [*ring[1:], ring[0]], strict=True)
        if edge[0] != edge[1]
    )


def signed_square_meters(ring: Ring) -> float:
    """By the shoelace formula; below zero where the ring runs clockwise."""
    corners = [meters(point) for point in ring]
    pairs = zip(corners, [*corners[1:], corners[0]], strict=True)
    return sum(a[0] * b[1] - b[0] * a[1] for a, b in pairs) / 2


def square_meters(rings: Iterable[Ring]) -> float:
    """Of rings that do not lie in one another."""
    return sum(abs(signed_square_meters(ring)) for ring in rings)


def distance(point: Point, ring: Ring) -> float:
    """Meters from a point to the nearest edge of a ring."""
    x, y = meters(point)
    nearest = math.inf
    corners = [meters(corner) for corner in ring]
    for (x1, y1), (x2, y2) in zip(corners, [*corners[1:], corners[0]], strict=True):
        square = (x2 - x1) ** 2 + (y2 - y1) ** 2
        share = min(1.0, max(0.0, ((x - x1) * (x2 - x1) + (y - y1) * (y2 - y1)) / square)) if square else 0.0
        nearest = min(nearest, math.hypot(x - x1 - share * (x2 - x1), y - y1 - share * (y2 - y1)))
    return nearest


def checkered(seed: int, side: int = 4) -> dict[str, list[list[Point]]]:
    """A square of areas, each a kilometer wide, whose borders are shaky lines of many points; closed rings."""
    chance = random.Random(seed)

    def shaky(start: Point, end: Point) -> list[Point]:
        steps = 25
        line = [
            (
                start[0] + (end[0] - start[0]) * step / steps + (chance.uniform(-12, 12) if 0 < step < steps else 0),
                start[1] + (end[1] - start[1]) * step / steps + (chance.uniform(-12, 12) if 0 < step < steps else 0),
            )
            for step in range(steps + 1)
        ]
        return [degrees(point) for point in line]

    across = {
        (x, y): shaky((x * 1000, y * 1000), (x * 1000 + 1000, y * 1000)) for x in range(side) for y in range(side + 1)
    }
    up = {
        (x, y): shaky((x * 1000, y * 1000), (x * 1000, y * 1000 + 1000)) for x in range(side + 1) for y in range(side)
    }
    areas = {}
    for x in range(side):
        for y in range(side):
            around = [*across[x, y], *up[x + 1, y][1:], *across[x, y + 1][::-1][1:], *up[x, y][::-1][1:]]
            areas[f"{x}{y}"] = [around]
    return areas


def turned(ring: Sequence[Point], by: int, *, backwards: bool) -> list[Point]:
    """The same closed ring begun elsewhere."""
    opened = list(ring[:-1])
    opened = opened[by % len(opened) :] + opened[: by % len(opened)]
    if backwards:
        opened.reverse()
    return [*opened, opened[0]]


@pytest.mark.parametrize("seed", [1, 2, 3])
class TestNeighbors:
    def test_share_every_border_that_they_shared(self, seed: int) -> None:
        small = simplified(checkered(seed), 15)
        outline = [degrees(corner) for corner in ((0, 0), (4_000, 0), (4_000, 4_000), (0, 4_000))]
        for edge, times in edges(small).items():
            # Borders shake by 12 meters at the most; one within the square that is of one area only is a gap.
            is_outside = all(distance(point, outline) < 13 for point in edge)
            assert times == (1 if is_outside else 2), edge
        whole = square_meters(ring for rings in small.values() for ring in rings)
        assert whole == pytest.approx(16e6, rel=0.01)

    def test_lose_most_points_and_move_no_border_beyond_the_tolerance(self, seed: int) -> None:
        areas = checkered(seed)
        for tolerance, most in ((15, 0.5), (40, 0.1)):
            small = simplified(areas, tolerance)
            for name, (ring,) in areas.items():
                (kept,) = small[name]
                assert len(kept) < most * len(ring), name
                # Half a step of the grid, in both directions, is what putting points on it may add.
                assert max(distance(point, kept) for point in ring) < tolerance + 1, name

    def test_do_not_depend_on_where_rings_begin_and_which_way_they_run(self, seed: int) -> None:
        areas = checkered(seed)
        chance = random.Random(seed)
        others = {
            name: [turned(ring, chance.randrange(99), backwards=chance.random() < 0.5) for ring in rings]
            for name, rings in sorted(areas.items(), key=lambda _: chance.random())
        }
        assert edges(simplified(others, 15)) == edges(simplified(areas, 15))


def neighbors(*border: Point) -> dict[str, list[list[Point]]]:
    """Two areas with a border from one end to the other between them; meters."""
    (x1, y1), (x2, y2) = border[0], border[-1]
    left = [*border, (x2 - 2_000, y2 + 2_000), (x1 - 2_000, y1 - 2_000)]
    right = [*border[::-1], (x1 + 2_000, y1 - 2_000), (x2 + 2_000, y2 + 2_000)]
    return {name: [[degrees(point) for point in [*ring, ring[0]]]] for name, ring in (("left", left), ("right", right))}


class TestBorders:
    def test_with_two_points_to_choose_from_are_one_border_still(self) -> None:
        """Either of the two corners alone would do: both areas must keep the same one."""
        areas = neighbors((0, 0), (100, 400), (100, 600), (0, 1_000))
        assert Counter(edges(simplified(areas, 80)).values()) == {1: 6, 2: 2}

    def test_of_an_enclave_with_two_points_to_choose_from(self) -> None:
        corners = [(-500, 0), (0, -200), (400, -30), (400, 30), (0, 200), (-500, 0)]
        enclave = [degrees(point) for point in corners]
        small = simplified({"around": [circle(2_000), enclave[::-1]], "enclave": [enclave]}, 80)
        assert len(small["enclave"][0]) == 4
        assert edges({"hole": small["around"][1:]}) == edges(small | {"around": []})

    @pytest.mark.parametrize(("away", "points"), [(13, 4), (17, 5)])
    def test_are_measured_in_meters_whichever_way_they_run(self, away: float, points: int) -> None:
        for bump in (neighbors((0, 0), (away, 500), (0, 1_000)), neighbors((0, 0), (500, away), (1_000, 0))):
            assert [len(rings[0]) for rings in simplified(bump, 15).values()] == [points, points]

    def test_that_go_beyond_their_end_and_come_back_are_kept(self) -> None:
        small = simplified(neighbors((0, 0), (5, 500), (10, 500), (0, 100)), 15)
        assert all(distance(degrees((5, 500)), rings[0]) < 15 for rings in small.values())


def circle(radius: float, points: int = 720, middle: Point = (0.0, 0.0)) -> list[Point]:
    """A closed ring of a radius in meters."""
    corners = [math.tau * n / points for n in range(points)]
    ring = [degrees((middle[0] + radius * math.cos(a), middle[1] + radius * math.sin(a))) for a in corners]
    return [*ring, ring[0]]


class TestRings:
    def test_come_out_without_a_repeated_end_in_five_decimals(self) -> None:
        (ring,) = simplified({"1": [circle(1_000)]}, 15)["1"]
        assert ring[0] != ring[-1]
        assert len(set(ring)) == len(ring)
        assert all(number == round(number, 5) for point in ring for number in point)

    def test_an_island_is_round_still(self) -> None:
        whole = circle(1_000)
        (ring,) = simplified({"1": [whole]}, 15)["1"]
        # A chord that is 15 m off its circle of 1,000 m spans 20 degrees: 18 of them, twice that after halving.
        assert 18 <= len(ring) <= 36
        assert max(distance(point, ring) for point in whole) < 16

    def test_a_hole_is_kept_and_fits_the_enclave_in_it(self) -> None:
        enclave = circle(300)
        areas = {"around": [circle(1_000), turned(enclave, 100, backwards=True)], "enclave": [enclave]}
        small = simplified(areas, 15)
        assert [len(rings) for rings in small.values()] == [2, 1]
        assert edges({"hole": small["around"][1:]}) == edges({"enclave": small["enclave"]})

    @pytest.mark.parametrize("backwards", [True, False])
    def test_run_the_way_they_ran(self, backwards: bool) -> None:
        whole = turned(circle(500), 300, backwards=backwards)
        (ring,) = simplified({"1": [whole]}, 15)["1"]
        assert (signed_square_meters(ring) < 0) is (signed_square_meters(whole) < 0) is backwards

    def test_of_one_area_stay_apart(self) -> None:
        areas = {"1": [circle(200), circle(200, middle=(2_000.0, 0.0))]}
        assert square_meters(simplified(areas, 15)["1"]) == pytest.approx(2 * math.pi * 200**2, rel=0.1)

    def test_points_that_only_one_neighbor_has_on_a_straight_border_are_of_neither(self) -> None:
        corners = [(0, 0), (1_000, 0), (1_000, 1_000), (0, 1_000), (0, 0)]
        left = [degrees(point) for point in corners]
        right = [degrees((x + 1_000, y)) for x, y in corners]
        more = [degrees((1_000, y)) for y in (700, 500, 100)]
        small = simplified({"left": [left], "right": [[*right[:4], *more, right[0]]]}, 15)
        assert [len(rings[0]) for rings in small.values()] == [4, 4]
        assert Counter(edges(small).values()) == {1: 6, 2: 1}

    def test_too_small_to_be_seen_are_left_out_unless_there_is_no_larger_one(self) -> None:
        speck = circle(5, middle=(2_000.0, 0.0))
        assert len(simplified({"1": [circle(500), speck]}, 15)["1"]) == 1
        (kept,) = simplified({"1": [speck]}, 15)["1"]
        assert len(kept) > 10

    def test_smaller_than_the_grid_are_none(self) -> None:
        assert simplified({"1": [circle(0.1)], "2": [circle(500)]}, 15)["1"] == []
        assert simplified({}, 15) == {}
