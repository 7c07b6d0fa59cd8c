"""Lines over time: known values as a line, values still expected as a dashed line above it, on a shaded tail.

Where a value is hidden, the line is interrupted and the place is hatched.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crime_assets.publishing.charts.key import NOT_SHOWN, hatching
from crime_assets.publishing.charts.scales import number, ticks
from crime_assets.publishing.charts.svg import FAINT_INK, LINE, element, path, picture, text, tooltip

Placing = Callable[[int, float], tuple[float, float]]

_WIDTH, _HEIGHT = 720, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 24, 36
_BLUE, _SHADE, _AMBER = "#2a7fb8", "#eceff3", "#b35806"
_LABELS = 6


@dataclass(frozen=True)
class Point:
    """A value on the line; `expected` is its value once all is known, None if that cannot be estimated."""

    label: str
    value: float | None
    expected: float | None = None
    is_settled: bool = True


def line(title: str, points: Sequence[Point]) -> str:
    """A line through the points, at equal distances; None is a value that is not shown."""
    known = [value for point in points for value in (point.value, point.expected) if value is not None]
    scale = ticks(0.0, max(known, default=1.0) or 1.0)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(points) - 1)
    unit = (_HEIGHT - _TOP - _BOTTOM) / scale[-1]

    def place(index: int, value: float) -> tuple[float, float]:
        return _LEFT + index * step, _HEIGHT - _BOTTOM - value * unit

    return picture(
        title,
        _WIDTH,
        _HEIGHT,
        [
            *_shade(points, step),
            *_hidden(title, points, step),
            *_axes(points, scale, step, unit),
            *(_drawn(run, _BLUE) for run in runs([point.value for point in points], place)),
            *(_drawn(run, _AMBER, "5 4") for run in runs(_expected(points), place)),
            *_dots(points, place),
        ],
    )


def _shade(points: Sequence[Point], step: float) -> list[str]:
    """The unsettled tail, from between its first point and the one before."""
    first = next((index for index, point in enumerate(points) if not point.is_settled), None)
    if first is None:
        return []
    left = max(float(_LEFT), _LEFT + (first - 0.5) * step)
    width, height = _WIDTH - _RIGHT - left, _HEIGHT - _TOP - _BOTTOM
    return [
        element("rect", x=left, y=_TOP, width=max(width, 4.0), height=height, fill=_SHADE),
        text("still filling up", _WIDTH - _RIGHT, _TOP - 8, text_anchor="end", fill=FAINT_INK),
    ]


def _hidden(title: str, points: Sequence[Point], step: float) -> list[str]:
    """A hatched strip for every value that is not shown, and what that means."""
    hidden = [index for index, point in enumerate(points) if point.value is None]
    if not hidden:
        return []
    fill, definition = hatching(title)
    height, width = _HEIGHT - _TOP - _BOTTOM, max(step, 4.0)
    strips = []
    for index in hidden:
        left = max(float(_LEFT), _LEFT + index * step - width / 2)
        right = min(_LEFT + index * step + width / 2, float(_WIDTH - _RIGHT))
        said = tooltip(f"{points[index].label}: {NOT_SHOWN}")
        strips.append(element("rect", said, x=left, y=_TOP, width=right - left, height=height, fill=fill))
    return [
        definition,
        *strips,
        element("rect", x=_LEFT, y=4, width=12, height=12, fill=fill, stroke=FAINT_INK, stroke_width=0.5),
        text(NOT_SHOWN, _LEFT + 16, 14, fill=FAINT_INK),
    ]


def _axes(points: Sequence[Point], scale: Sequence[float], step: float, unit: float) -> list[str]:
    found = []
    for value in scale:
        y = _HEIGHT - _BOTTOM - value * unit
        found.append(element("line", x1=_LEFT, y1=y, x2=_WIDTH - _RIGHT, y2=y, stroke=LINE))
        found.append(text(number(value), _LEFT - 8, y + 4, text_anchor="end", fill=FAINT_INK))
    every = max(1, -(-len(points) // _LABELS))
    for index in range(0, len(points), every):
        anchor = "start" if index == 0 else "end" if index > len(points) - every / 2 else "middle"
        x = _LEFT + index * step
        found.append(text(points[index].label, x, _HEIGHT - 14, text_anchor=anchor, fill=FAINT_INK))
    return found


def _expected(points: Sequence[Point]) -> list[float | None]:
    """The expected values on the tail, starting with the last settled point."""
    values = [None if point.is_settled else point.expected for point in points]
    first = next((index for index, value in enumerate(values) if value is not None), None)
    if first:
        values[first - 1] = points[first - 1].value
    return values


def runs(values: Sequence[float | None], place: Placing) -> list[list[tuple[float, float]]]:
    """Where the values are, in pieces that a gap divides."""
    runs: list[list[tuple[float, float]]] = [[]]
    for index, value in enumerate(values):
        if value is None:
            runs.append([])
        else:
            runs[-1].append(place(index, value))
    return [run for run in runs if run]


def _drawn(run: Sequence[tuple[float, float]], color: str, dashes: str | None = None) -> str:
    if len(run) == 1:
        return element("circle", cx=run[0][0], cy=run[0][1], r=2.5, fill=color)
    return element("path", d=path(run), fill="none", stroke=color, stroke_width=2, stroke_dasharray=dashes)


def _dots(points: Sequence[Point], place: Placing) -> list[str]:
    """Dots to point at, with tooltips."""
    return [
        element("circle", tooltip(_said(point)), cx=x, cy=y, r=6.0, fill="transparent")
        for index, point in enumerate(points)
        if point.value is not None
        for x, y in [place(index, point.value)]
    ]


def _said(point: Point) -> str:
    said = f"{point.label}: {number(point.value or 0)}"
    if point.is_settled or point.expected is None:
        return said
    return f"{said}, about {number(round(point.expected))} expected when all is known"
