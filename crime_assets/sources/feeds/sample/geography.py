"""The city's shape: an outline of its own making, shared out among the beats; districts and areas are made of these.

Nothing here is traced from a real map: the outline is drawn by hand around the beats' means, and a border lies where
two beats' means are equally near (Voronoi cells). All lengths are feet of the state plane.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np

from crime_assets.sources.feeds.sample import shares
from crime_assets.sources.feeds.sample.draws import Flags, Floats

Point = tuple[float, float]
Ring = tuple[Point, ...]
"""Corners, the first not repeated; the inside is on the left."""

# Thousands of feet: the shore from north to south, then the border with the suburbs back to it.
_SHORE = (
    *((1170.5, 1950.0), (1170.2, 1947.2), (1171.4, 1943.8), (1171.0, 1940.4), (1172.8, 1937.2), (1172.6, 1933.9)),
    *((1174.6, 1930.3), (1174.9, 1926.4), (1176.4, 1922.9), (1175.7, 1918.8), (1177.6, 1915.2), (1179.4, 1911.1)),
    *((1180.3, 1907.4), (1182.6, 1904.6), (1181.9, 1901.3), (1183.2, 1897.8), (1181.2, 1893.9), (1182.0, 1889.6)),
    *((1183.4, 1885.2), (1185.6, 1880.4), (1188.4, 1876.2), (1190.9, 1871.6), (1191.7, 1867.3), (1195.6, 1863.9)),
    *((1198.0, 1859.6), (1200.6, 1855.2), (1203.9, 1850.6), (1204.6, 1846.3), (1207.0, 1842.0), (1206.7, 1838.1)),
)
_LIMITS = (
    *((1206.7, 1818.0), (1190.0, 1818.0), (1190.0, 1814.5), (1178.0, 1814.5), (1178.0, 1818.0), (1170.0, 1818.0)),
    *((1170.0, 1824.0), (1163.5, 1824.0), (1163.5, 1827.5), (1152.0, 1827.5), (1152.0, 1838.0), (1159.5, 1838.0)),
    *((1159.5, 1845.5), (1147.0, 1845.5), (1147.0, 1853.5), (1143.5, 1853.5), (1143.5, 1859.0), (1131.0, 1859.0)),
    *((1131.0, 1871.5), (1139.0, 1871.5), (1139.0, 1875.5), (1149.5, 1875.5), (1149.5, 1882.5), (1146.0, 1882.5)),
    *((1146.0, 1894.5), (1134.0, 1894.5), (1134.0, 1907.5), (1128.5, 1907.5), (1128.5, 1919.0), (1120.0, 1919.0)),
    *((1120.0, 1928.5), (1096.5, 1928.5), (1096.5, 1940.0), (1122.5, 1940.0), (1122.5, 1947.0), (1143.5, 1947.0)),
    *((1143.5, 1943.5), (1154.5, 1943.5), (1154.5, 1953.0), (1170.5, 1953.0)),
)
_MARGIN = 60.0
"""How far points stay away from borders: more than borders move if they are drawn with fewer points."""


def beats() -> list[list[str]]:
    """The beats as `shares.BEATS` has them: beat, ward, community area, rows, mean x, mean y."""
    return [beat.split() for line in shares.BEATS.splitlines() for beat in line.split(" ; ")]


@functools.cache
def layers() -> Mapping[str, Mapping[str, Sequence[Ring]]]:
    """Column of `crimes` → area → its rings, those around holes included."""
    found: dict[str, dict[str, list[Ring]]] = {"district": {}, "beat": {}, "community_area": {}}
    for (beat, _, community_area, *_), cell in zip(beats(), cells(), strict=True):
        for layer, name in (("district", f"0{beat[:2]}"), ("beat", beat), ("community_area", community_area)):
            found[layer].setdefault(name, []).append(cell)
    return {layer: {name: _joined(parts) for name, parts in areas.items()} for layer, areas in found.items()}


@functools.cache
def cells() -> tuple[Ring, ...]:
    """Each beat's ring, in the order of the beats; corners that meet are equal."""
    means = np.array([beat[4:6] for beat in beats()], dtype=np.float64)
    outline = [(x * 1000, y * 1000) for x, y in reversed((*_SHORE, *_LIMITS))]
    return tuple(_cell(means, number, outline) for number in range(len(means)))


def degrees(
    x: Floats,
    y: Floats,
    origin: Sequence[float] = shares.POINT_ORIGIN,
    longitude: Sequence[float] = shares.LONGITUDE,
    latitude: Sequence[float] = shares.LATITUDE,
) -> tuple[Floats, Floats]:
    """Longitudes and latitudes of points; the figures are those of a state plane, as `shares` has them."""
    origin_x, origin_y, unit = origin
    east, north = (x - origin_x) / unit, (y - origin_y) / unit
    terms = np.stack([np.ones_like(x), east, north, east * north, east * east, north * north])
    return np.array(longitude) @ terms, np.array(latitude) @ terms


def inside(cell: Ring, points: Floats) -> Flags:
    """Which of the points (n rows of x, y) lie in the cell, and not close to its border."""
    corners = np.array(cell)
    along, off = np.roll(corners, -1, axis=0) - corners, points[:, None, :] - corners
    share = np.clip(np.sum(off * along, axis=2) / np.sum(along * along, axis=1), 0.0, 1.0)
    away = np.min(np.hypot(*np.moveaxis(off - share[:, :, None] * along, 2, 0)), axis=1)
    # A line from a point to the east crosses the border an odd number of times.
    passes = (off[:, :, 1] >= 0) != (off[:, :, 1] >= along[:, 1])
    is_west = (along[:, 0] * off[:, :, 1] > along[:, 1] * off[:, :, 0]) == (along[:, 1] > 0)
    return np.asarray((np.sum(passes & is_west, axis=1) % 2 == 1) & (away > _MARGIN))


def _cell(means: Floats, number: int, outline: list[Point]) -> Ring:
    """The part of the city that is nearer to this mean than to any other."""
    here = means[number]
    away = np.hypot(*(means - here).T)
    ring = outline
    for other in np.argsort(away, kind="stable")[1:]:
        if away[other] > 2 * max(np.hypot(x - here[0], y - here[1]) for x, y in ring):
            break
        ring = list(_nearer(ring, here, means[other]))
    return tuple((round(float(x), 3), round(float(y), 3)) for x, y in _without_spurs(ring))


def _nearer(ring: list[Point], here: Floats, there: Floats) -> Iterator[Point]:
    """The part of the ring that is nearer to the one than to the other (Sutherland and Hodgman's clipping)."""
    middle, apart = (here + there) / 2, there - here
    sides = [(x - middle[0]) * apart[0] + (y - middle[1]) * apart[1] for x, y in ring]
    for (x, y), side, (u, v), next_side in zip(ring, sides, [*ring[1:], ring[0]], [*sides[1:], sides[0]], strict=True):
        if side <= 0:
            yield x, y
        if side * next_side < 0:
            share = side / (side - next_side)
            yield x + share * (u - x), y + share * (v - y)


def _without_spurs(ring: list[Point]) -> list[Point]:
    """The ring without corners where it stands still or turns back: clipping at a bay leaves lines of no width."""
    for number, (x, y) in enumerate(ring):
        (t, u), (v, w) = ring[number - 1], ring[(number + 1) % len(ring)]
        (a, b), (c, d) = (x - t, y - u), (v - x, w - y)
        if np.hypot(a, b) < 0.5 or (a * c + b * d < 0 and abs(a * d - b * c) < 1e-3 * np.hypot(a, b) * np.hypot(c, d)):
            return _without_spurs([*ring[:number], *ring[number + 1 :]])
    return ring


def _joined(parts: Iterable[Ring]) -> list[Ring]:
    """The rings around parts that share borders: what is a border of two of them goes away."""
    steps = {step for ring in parts for step in zip(ring, (*ring[1:], ring[0]), strict=True)}
    onward: dict[Point, list[Point]] = {}
    for here, there in sorted(steps):
        if (there, here) not in steps:
            onward.setdefault(here, []).append(there)
    rings = []
    while onward:
        start = min(onward)
        ring, here = [start], _step(onward, start)
        while here != start:
            ring.append(here)
            here = _step(onward, here)
        rings.append(tuple(ring))
    return rings


def _step(onward: dict[Point, list[Point]], here: Point) -> Point:
    there = onward[here].pop()
    if not onward[here]:
        del onward[here]
    return there
