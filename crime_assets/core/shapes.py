"""Simplifies the shapes of areas for a map: fewer points, and neighbors that still touch.

Pure geometry on rings of (longitude, latitude). Where shapes come from and what they are called is decided elsewhere.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Ring = Sequence[tuple[float, float]]
"""Points (longitude, latitude) in degrees around an area or a hole in it; the last may repeat the first."""

_GRID = 100_000
"""Steps per degree of the grid that points are snapped to: about a meter. Nearly equal points become equal."""
_METERS = 111_195.0
"""Meters in a degree of latitude, on a sphere with the earth's mean radius."""
_LEAST = 3
"""Fewest points with which a ring, without its repeated end, encloses anything."""

_Point = tuple[int, int]
_Line = tuple[_Point, ...]


def simplified(areas: Mapping[str, Sequence[Ring]], tolerance: float) -> dict[str, list[list[tuple[float, float]]]]:
    """The areas with so few points that every border is still within `tolerance` (meters) of where it was.

    A border of two areas is simplified once and stays the border of both: rings are cut where borders meet, and each
    piece is simplified by itself (Douglas-Peucker). Rings come out without a repeated end and keep their
    direction; coordinates have five decimals. Rings too small to be seen are left out, unless an area has no larger
    one; an area smaller than the grid has no ring.
    """
    lines = {name: [line for ring in rings if len(line := _on_grid(ring)) >= _LEAST] for name, rings in areas.items()}
    borders = _Borders(lines, tolerance)
    found = {}
    for name, rings in lines.items():
        large = [line for line in map(borders.ring, rings) if len(line) >= _LEAST]
        found[name] = [[(x / _GRID, y / _GRID) for x, y in line] for line in large or sorted(rings, key=len)[-1:]]
    return found


class _Borders:
    def __init__(self, areas: Mapping[str, Sequence[_Line]], tolerance: float) -> None:
        rings = [ring for rings in areas.values() for ring in rings]
        latitudes = [y / _GRID for ring in rings for _, y in ring] or [0.0]
        shrink = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2))
        self._scale = np.array([_METERS * shrink, _METERS]) / _GRID
        self._tolerance = tolerance
        beside: dict[_Point, set[_Point]] = defaultdict(set)
        for ring in rings:
            for one, other in _steps(ring):
                beside[one].add(other)
                beside[other].add(one)
        self._junctions = {point for point, others in beside.items() if len(others) != 2}

    def ring(self, ring: _Line) -> _Line:
        """The ring with fewer points."""
        cuts = [place for place, point in enumerate(ring) if point in self._junctions]
        if not cuts:
            return self._island(ring)
        turned = ring[cuts[0] :] + ring[: cuts[0] + 1]
        ends = [*(cut - cuts[0] for cut in cuts), len(ring)]
        pieces = (self._piece(turned[first : last + 1]) for first, last in pairwise(ends))
        return tuple(point for piece in pieces for point in piece[:-1])

    def _island(self, ring: _Line) -> _Line:
        """A ring that meets no other, or only one all around: from its least point to the farthest one and back."""
        start = ring.index(min(ring))
        turned = ring[start:] + ring[: start + 1]
        around = min(turned, turned[::-1])
        far = int(np.argmax(_lengths((np.array(around) - around[0]) * self._scale)))
        thinned = self._piece(around[: far + 1])[:-1] + self._piece(around[far:])[:-1]
        return thinned if around == turned else thinned[::-1]

    def _piece(self, line: _Line) -> _Line:
        """A piece of border with fewer points; both of its areas get the same."""
        back = line[::-1]
        return self._thinned(line) if line <= back else self._thinned(back)[::-1]

    def _thinned(self, line: _Line) -> _Line:
        places = np.array(line) * self._scale
        kept, open_spans = {0, len(line) - 1}, [(0, len(line) - 1)]
        while open_spans:
            first, last = open_spans.pop()
            if last - first < 2:
                continue
            away = _distances(places[first + 1 : last], places[first], places[last])
            far = int(np.argmax(away))
            if away[far] > self._tolerance:
                middle = first + 1 + far
                kept.add(middle)
                open_spans += [(first, middle), (middle, last)]
        return tuple(line[place] for place in sorted(kept))


def _on_grid(ring: Ring) -> _Line:
    """The ring on the grid, without repeated points."""
    points = [(round(x * _GRID), round(y * _GRID)) for x, y in ring]
    return tuple(point for before, point in zip([points[-1], *points], points, strict=False) if point != before)


def _steps(ring: _Line) -> Iterator[tuple[_Point, _Point]]:
    return zip(ring, ring[1:] + ring[:1], strict=True)


def _distances(
    points: NDArray[np.float64], start: NDArray[np.float64], end: NDArray[np.float64]
) -> NDArray[np.float64]:
    """How far each point is from the line segment between two others."""
    along, off = end - start, points - start
    square = float(along @ along)
    share = np.clip(off @ along / square, 0.0, 1.0) if square else np.zeros(len(points))
    return _lengths(off - np.outer(share, along))


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.hypot(vectors[:, 0], vectors[:, 1])
