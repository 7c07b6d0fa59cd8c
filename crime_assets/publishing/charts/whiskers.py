"""Whiskers: how much more or less each of several is than a common measure, with the interval around it, and zero."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import ticks
from crime_assets.publishing.charts.svg import FAINT_INK, INK, LINE, element, picture, shortened, text, tooltip

_WIDTH, _LABELS, _VALUES, _EDGE = 720.0, 208.0, 192.0, 16.0
_ROW, _TOP, _AXIS = 24.0, 8.0, 40.0
_LETTERS = 31
_BLUE = "#225ea8"
_LEAST_REACH = 0.02
"""To each side of zero: otherwise tiny differences would look like large ones."""


@dataclass(frozen=True)
class Whisker:
    """A difference as a share (.04 is 4 % more) with its interval; without a value it is not known or not shown."""

    label: str
    value: float | None
    low: float | None = None
    high: float | None = None


def whiskers(title: str, rows: Sequence[Whisker], zero: str) -> str:
    """A line for each row, in their order, with its figures as text; `zero` says what all are held against."""
    if not rows:
        return picture(title, _WIDTH, 40.0, [text("There is nothing to compare yet.", 12, 24, fill=FAINT_INK)])
    ends = [end for row in rows for end in (row.value, row.low, row.high) if end is not None]
    scale = ticks(min([-_LEAST_REACH, *ends]), max([_LEAST_REACH, *ends]), 5)
    unit = (_WIDTH - _LABELS - _VALUES - _EDGE) / (scale[-1] - scale[0])

    def place(value: float) -> float:
        return _LABELS + (value - scale[0]) * unit

    bottom = _TOP + len(rows) * _ROW
    body = [*_axis(scale, [place(value) for value in scale], bottom), *_zero(place(0.0), bottom, zero)]
    for number, row in enumerate(rows):
        y = _TOP + (number + 0.5) * _ROW
        at = None if row.value is None else place(row.value)
        between = None if row.low is None or row.high is None else (place(row.low), place(row.high))
        body.append(_row(row, y, at, between))
    return picture(title, _WIDTH, bottom + _AXIS, body)


def _axis(scale: Sequence[float], places: Sequence[float], bottom: float) -> list[str]:
    found = []
    for value, x in zip(scale, places, strict=True):
        found.append(element("line", x1=x, y1=_TOP, x2=x, y2=bottom, stroke=LINE, stroke_width=0.5))
        said = "0" if abs(value) < 1e-9 else _percent(value, 0 if scale[1] - scale[0] > 0.0099 else 1)
        found.append(text(said, x, bottom + 16, text_anchor="middle", fill=FAINT_INK))
    return found


def _zero(x: float, bottom: float, said: str) -> list[str]:
    return [
        element("line", x1=x, y1=_TOP, x2=x, y2=bottom + 4, stroke=INK),
        text(f"0 = {said}", x, bottom + 33, text_anchor="middle", fill=INK),
    ]


def _row(row: Whisker, y: float, at: float | None, between: tuple[float, float] | None) -> str:
    parts = [tooltip(f"{row.label}: {_said(row)}")]
    parts.append(text(shortened(row.label, _LETTERS), _LABELS - 10, y + 4, text_anchor="end"))
    if between:
        low, high = between
        parts.append(element("line", x1=low, y1=y, x2=high, y2=y, stroke=_BLUE, stroke_width=2))
        parts += [element("line", x1=x, y1=y - 5, x2=x, y2=y + 5, stroke=_BLUE, stroke_width=2) for x in between]
    if at is not None:
        parts.append(element("circle", cx=at, cy=y, r=4.5, fill=_BLUE))
    parts.append(text(_said(row), _WIDTH - _VALUES + 8, y + 4, fill=FAINT_INK))
    return element("g", *parts)


def _said(row: Whisker) -> str:
    if row.value is None:
        return NOT_SHOWN
    if row.low is None or row.high is None:
        return _percent(row.value)
    return f"{_percent(row.value)} ({_percent(row.low)} to {_percent(row.high)})"


def _percent(share: float, digits: int = 1) -> str:
    return f"{share:+.{digits}%}"
