"""Several lines over the same points, told apart by dashes as well as by color, with a legend below.

A point may be hollow, where it is of another kind than those that are filled. Where a value is hidden, there is no
point, and the line is interrupted.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from crime_assets.publishing.charts.lines import Placing, runs
from crime_assets.publishing.charts.scales import number, ticks
from crime_assets.publishing.charts.svg import FAINT_INK, LINE, element, path, picture, text, tooltip

_WIDTH, _PLOT = 720.0, 216.0
_LEFT, _RIGHT, _TOP, _AXIS = 56.0, 16.0, 12.0, 28.0
_LINE = 18.0
_LABELS = 6
_LOOKS = (("#225ea8", None), ("#b35806", "7 4"), ("#1b7a4b", "2 3"), ("#5e3c99", "10 3 2 3"))


@dataclass(frozen=True)
class Series:
    """One line: its name, a value for each point (None is not shown), and which points are filled; all, if not said."""

    name: str
    values: Sequence[float | None]
    filled: Sequence[bool] | None = None


def several(title: str, labels: Sequence[str], series: Sequence[Series], form: Callable[[float], str] = number) -> str:
    """The lines over points with these labels, at equal distances, from zero up; `form` writes a value."""
    if not labels:
        return picture(title, _WIDTH, 40.0, [text("There is nothing to draw yet.", 12, 24, fill=FAINT_INK)])
    known = [value for one in series for value in one.values if value is not None]
    scale = ticks(0.0, max(known, default=1.0) or 1.0)
    step = (_WIDTH - _LEFT - _RIGHT) / max(1, len(labels) - 1)

    def place(index: int, value: float) -> tuple[float, float]:
        return _LEFT + index * step, _TOP + _PLOT * (1 - value / scale[-1])

    body = _axes(labels, scale, place, form)
    for one, (color, dashes) in zip(series, _LOOKS, strict=False):
        body += [_drawn(run, color, dashes) for run in runs(one.values, place) if len(run) > 1]
        body += _points(one, labels, color, place, form)
    bottom = _TOP + _PLOT + _AXIS
    return picture(title, _WIDTH, bottom + len(series) * _LINE + 6, [*body, *_legend(series, bottom)])


def _axes(labels: Sequence[str], scale: Sequence[float], place: Placing, form: Callable[[float], str]) -> list[str]:
    found = []
    for value in scale:
        _, y = place(0, value)
        found.append(element("line", x1=_LEFT, y1=y, x2=_WIDTH - _RIGHT, y2=y, stroke=LINE))
        found.append(text(form(value), _LEFT - 8, y + 4, text_anchor="end", fill=FAINT_INK))
    every = max(1, -(-len(labels) // _LABELS))
    for index in range(0, len(labels), every):
        anchor = "start" if index == 0 else "end" if index > len(labels) - every / 2 - 1 else "middle"
        x, _ = place(index, 0)
        found.append(text(labels[index], x, _TOP + _PLOT + 18, text_anchor=anchor, fill=FAINT_INK))
    return found


def _drawn(run: Sequence[tuple[float, float]], color: str, dashes: str | None) -> str:
    return element("path", d=path(run), fill="none", stroke=color, stroke_width=2, stroke_dasharray=dashes)


def _points(one: Series, labels: Sequence[str], color: str, place: Placing, form: Callable[[float], str]) -> list[str]:
    filled = one.filled or [True] * len(one.values)
    found = []
    for index, value in enumerate(one.values):
        if value is not None:
            x, y = place(index, value)
            said = tooltip(f"{labels[index]}, {one.name}: {form(value)}")
            inside = color if filled[index] else "#ffffff"
            found.append(element("circle", said, cx=x, cy=y, r=3.5, fill=inside, stroke=color, stroke_width=1.5))
    return found


def _legend(series: Sequence[Series], top: float) -> list[str]:
    found = []
    for down, (one, (color, dashes)) in enumerate(zip(series, _LOOKS, strict=False)):
        y = top + (down + 0.5) * _LINE
        found.append(_drawn([(_LEFT, y), (_LEFT + 34, y)], color, dashes))
        found.append(text(one.name, _LEFT + 42, y + 4, fill=FAINT_INK))
    return found
