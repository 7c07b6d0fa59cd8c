"""Rings as polygons: which ring is a hole, and in what. Pictures fill by the even-odd rule and need no answer."""

from __future__ import annotations

from collections.abc import Sequence

Point = tuple[float, float]
Ring = Sequence[Point]
Polygons = list[list[Ring]]
"""Each an outer ring and the rings of its holes."""


def polygons(rings: Sequence[Ring]) -> Polygons:
    """The polygons that rings which do not cross fill by the even-odd rule."""
    if len(rings) == 1:
        return [[rings[0]]]
    boxes = [_box(ring) for ring in rings]
    around = [
        [other for other in range(len(rings)) if other != number and _holds(rings[other], boxes[other], ring[0])]
        for number, ring in enumerate(rings)
    ]
    found = {number: [rings[number]] for number, outside in enumerate(around) if len(outside) % 2 == 0}
    for number, outside in enumerate(around):
        if number not in found:
            # The innermost of those around it is one that a hole can be in: the number around that is one smaller.
            found[max(outside, key=lambda other: len(around[other]))].append(rings[number])
    return list(found.values())


def _box(ring: Ring) -> tuple[float, float, float, float]:
    longitudes, latitudes = zip(*ring, strict=True)
    return min(longitudes), min(latitudes), max(longitudes), max(latitudes)


def _holds(ring: Ring, box: tuple[float, float, float, float], point: Point) -> bool:
    """Whether the point is inside the ring: a line from it to the east crosses the ring an odd number of times."""
    x, y = point
    west, south, east, north = box
    if not (west <= x <= east and south <= y <= north):
        return False
    crossed = 0
    for (a, b), (c, d) in zip(ring, [*ring[1:], ring[0]], strict=True):
        crossed += (b > y) != (d > y) and x < a + (y - b) * (c - a) / (d - b)
    return crossed % 2 == 1
