"""Maps: areas colored by their number, as links if they lead somewhere, with a legend.

Shapes are in degrees and are drawn in an equirectangular projection around their middle: accurate enough for a city.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from crime_assets.publishing.charts.key import NOT_SHOWN, Key
from crime_assets.publishing.charts.scales import BACKGROUND, Classes, number
from crime_assets.publishing.charts.svg import FAINT_INK, INK, element, picture, text, tooltip

Ring = Sequence[tuple[float, float]]
"""Points (longitude, latitude) around an area or a hole in it."""

_WIDTH, _MOST_HEIGHT, _EDGE, _GAP = 640.0, 720.0, 8.0, 12.0


@dataclass(frozen=True)
class Area:
    """An area of a map. `value` is None where it is too small to be shown; `link` leads to more about the area.

    A background area only shows where the others are: nothing is said about its value. An area made of cells has a
    ragged outline and is drawn with finer lines.
    """

    name: str
    rings: Sequence[Ring]
    value: float | None
    link: str | None = None
    is_marked: bool = False
    is_of_cells: bool = False
    label: str | None = None
    is_background: bool = False


@dataclass(frozen=True)
class Dot:
    """A point on a map, sized by its value."""

    name: str
    longitude: float
    latitude: float
    value: float


def draw(title: str, areas: Sequence[Area], steps: Classes, dots: Sequence[Dot] = ()) -> str:
    """The areas, marked ones on top, then the dots; a sentence if there is nothing to draw."""
    points = [point for area in areas for ring in area.rings for point in ring]
    points += [(dot.longitude, dot.latitude) for dot in dots]
    if not points:
        return picture(title, _WIDTH, 40.0, [text("There is no place to draw here.", 12, 24, fill=FAINT_INK)])
    place = _Projection(points)
    key = Key(title, steps, _WIDTH - 2 * _EDGE, has_nothing=not any(area.is_background for area in areas))
    order = sorted(areas, key=lambda area: (not area.is_background, area.is_marked))
    body = [_linked(area, _shape(area, key, place)) for area in order]
    body += [_label(area, steps, place) for area in areas if area.label]
    body += [_dot(dot, place, max(other.value for other in dots)) for dot in dots]
    body += key.legend(_EDGE, place.height + _GAP)
    height = place.height + _GAP + key.height + _EDGE
    return picture(title, _WIDTH, height, body, is_interactive=any(area.link for area in areas))


class _Projection:
    def __init__(self, points: Iterable[tuple[float, float]]) -> None:
        longitudes, latitudes = zip(*points, strict=True)
        self._west, self._north = min(longitudes), max(latitudes)
        self._shrink = math.cos(math.radians((min(latitudes) + max(latitudes)) / 2))
        across = max((max(longitudes) - self._west) * self._shrink, 1e-4)
        down = max(self._north - min(latitudes), 1e-4)
        self._unit = min((_WIDTH - 2 * _EDGE) / across, (_MOST_HEIGHT - 2 * _EDGE) / down)
        self._left = (_WIDTH - across * self._unit) / 2
        self.height = down * self._unit + 2 * _EDGE

    def __call__(self, longitude: float, latitude: float) -> tuple[float, float]:
        return (
            self._left + (longitude - self._west) * self._shrink * self._unit,
            _EDGE + (self._north - latitude) * self._unit,
        )


def _shape(area: Area, key: Key, place: _Projection) -> str:
    return _background(area, place) if area.is_background else _area(area, key, place)


def _linked(area: Area, shape: str) -> str:
    return element("a", shape, href=area.link, aria_label=_said(area)) if area.link else shape


def _said(area: Area) -> str:
    if area.is_background:
        return area.name
    return f"{area.name}: {NOT_SHOWN if area.value is None else number(area.value)}"


def _background(area: Area, place: _Projection) -> str:
    return element(
        "path", d=_data(area, place), fill=BACKGROUND, fill_rule="evenodd", stroke=FAINT_INK, stroke_width=0.4
    )


def _area(area: Area, key: Key, place: _Projection) -> str:
    return element(
        "path",
        tooltip(_said(area)),
        d=_data(area, place),
        fill=key.fill(area.value),
        fill_rule="evenodd",
        stroke=INK if area.is_marked else key.outline(area.value),
        stroke_width=(1.2 if area.is_of_cells else 2) if area.is_marked else 0.7,
    )


def _data(area: Area, place: _Projection) -> str:
    return "".join(f"{_ring(ring, place)}Z" for ring in area.rings)


def _ring(ring: Ring, place: _Projection) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in ring))


def _label(area: Area, steps: Classes, place: _Projection) -> str:
    x, y = place(*middle(max(area.rings, key=len)))
    ink = steps.ink(area.value) if area.value and not area.is_background else INK
    return text(
        area.label, x, y + 4, text_anchor="middle", font_size=11, fill=ink, pointer_events="none", aria_hidden="true"
    )


def middle(ring: Ring) -> tuple[float, float]:
    """The centroid of the area in a ring; if that is outside, the middle of the widest part beside it."""
    sides = list(zip(ring, [*ring[1:], ring[0]], strict=True))
    doubled = x = y = 0.0
    for (x1, y1), (x2, y2) in sides:
        cross = x1 * y2 - x2 * y1
        doubled, x, y = doubled + cross, x + (x1 + x2) * cross, y + (y1 + y2) * cross
    if not doubled:
        return ring[0]
    x, y = x / (3 * doubled), y / (3 * doubled)
    borders = sorted(x1 + (y - y1) * (x2 - x1) / (y2 - y1) for (x1, y1), (x2, y2) in sides if (y1 > y) != (y2 > y))
    parts = list(zip(borders[::2], borders[1::2], strict=False))
    if parts and not any(west <= x <= east for west, east in parts):
        west, east = max(parts, key=lambda part: part[1] - part[0])
        x = (west + east) / 2
    return x, y


def _dot(dot: Dot, place: _Projection, largest: float) -> str:
    x, y = place(dot.longitude, dot.latitude)
    radius = 3 + 11 * math.sqrt(dot.value / largest) if largest else 3.0
    return element(
        "circle",
        tooltip(f"{dot.name}: {number(dot.value)}"),
        cx=x,
        cy=y,
        r=radius,
        fill="#b35806",
        fill_opacity=0.65,
        stroke="#ffffff",
        stroke_width=0.7,
    )
