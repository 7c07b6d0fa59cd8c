"""Horizontal bars, each with its label and value; negative values go to the left."""

from __future__ import annotations

from collections.abc import Sequence

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import FALL, RISE, STEADY, number
from crime_assets.publishing.charts.svg import FAINT_INK, INK, LINE, element, picture, shortened, text, tooltip

_ROW, _LABEL_LETTERS, _WIDTH = 22, 24, 480
_LABELS, _VALUES = 168, 64
_BLUE = "#2a7fb8"


def bars(title: str, labels: Sequence[str], values: Sequence[float | None]) -> str:
    """A bar for each label, in their order; None is a value that is not known or not shown."""
    known = [0.0, *(value for value in values if value is not None)]
    low, high = min(known), max(known)
    room = _WIDTH - _LABELS - _VALUES - (_VALUES if low < 0 else 0)
    unit = room / ((high - low) or 1.0)
    zero = _LABELS + (_VALUES if low < 0 else 0) - low * unit
    body = []
    for index, (label, value) in enumerate(zip(labels, values, strict=True)):
        y = 6 + index * _ROW
        body.append(
            element(
                "g",
                tooltip(f"{label}: {NOT_SHOWN if value is None else number(value)}"),
                text(shortened(label, _LABEL_LETTERS), _LABELS - 8, y + 14, text_anchor="end"),
                *_bar(value, zero, unit, y, is_signed=low < 0),
            )
        )
    height = 12 + max(1, len(labels)) * _ROW
    if not labels:
        body.append(text("Nothing was recorded.", 12, 20, fill=FAINT_INK))
    body.append(element("line", x1=zero, y1=4, x2=zero, y2=height - 4, stroke=LINE))
    return picture(title, _WIDTH, height, body)


def _bar(value: float | None, zero: float, unit: float, y: float, *, is_signed: bool) -> list[str]:
    if value is None:
        return [text(NOT_SHOWN, zero + 6, y + 14, fill=FAINT_INK)]
    color = (RISE if value > 0 else FALL if value < 0 else STEADY) if is_signed else _BLUE
    left, width = (zero, value * unit) if value >= 0 else (zero + value * unit, -value * unit)
    beside = (left + width + 6, "start") if value >= 0 else (left - 6, "end")
    said = f"{'+' if is_signed and value > 0 else ''}{number(value)}"
    return [
        element("rect", x=left, y=y + 2, width=max(width, 0.0), height=_ROW - 6, fill=color),
        text(said, beside[0], y + 14, text_anchor=beside[1], fill=INK),
    ]
