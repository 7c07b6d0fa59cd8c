"""Heat maps: a colored cell for each row and column, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crime_assets.charts.scales import HIDDEN, NOTHING, Classes, classes, number
from crime_assets.charts.svg import FAINT_INK, element, picture, text, tooltip

_LEFT, _TOP, _LEGEND = 44, 24, 34
_WIDTH, _ROW = 720, 26


def heat(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
) -> str:
    """Cells by (row, column); None is a value that is not shown, and one that is missing is zero."""
    steps = classes([value for value in values.values() if value])
    width = (_WIDTH - _LEFT) / max(1, len(columns))
    every = max(1, -(-len(columns) // 12))
    body = [
        text(column, _LEFT + (index + 0.5) * width, _TOP - 8, text_anchor="middle", fill=FAINT_INK)
        for index, column in enumerate(columns)
        if index % every == 0
    ]
    for down, row in enumerate(rows):
        y = _TOP + down * _ROW
        body.append(text(row, _LEFT - 8, y + _ROW / 2 + 4, text_anchor="end", fill=FAINT_INK))
        for along, column in enumerate(columns):
            value = values.get((row, column), 0.0)
            said = "too few to be shown" if value is None else number(value)
            body.append(
                element(
                    "rect",
                    tooltip(f"{row}, {column}: {said}"),
                    x=_LEFT + along * width + 0.5,
                    y=y + 0.5,
                    width=width - 1,
                    height=_ROW - 1,
                    fill=color_of(value, steps),
                )
            )
    height = _TOP + len(rows) * _ROW
    return picture(title, _WIDTH, height + _LEGEND, [*body, *legend(steps, _LEFT, height + 12)])


def color_of(value: float | None, steps: Classes) -> str:
    """The color of a value that may be hidden (None) or nothing at all."""
    if value is None:
        return HIDDEN
    return steps.color(value) if value > 0 else NOTHING


def legend(steps: Classes, x: float, y: float, room: float = 660.0) -> list[str]:
    """What the colors mean, on one line."""
    entries = [(NOTHING, "0"), *((color, _range(above, top)) for color, above, top in steps.ranges())]
    entries.append((HIDDEN, "too few"))
    width = min(96.0, room / len(entries))
    found = []
    for index, (color, said) in enumerate(entries):
        left = x + index * width
        found.append(element("rect", x=left, y=y, width=12, height=12, fill=color, stroke=FAINT_INK, stroke_width=0.5))
        found.append(text(said, left + 16, y + 10, font_size=11, fill=FAINT_INK))
    return found


def _range(above: float, top: float) -> str:
    """A step in whole numbers where it is of whole numbers."""
    if float(top).is_integer() and float(above).is_integer():
        first = int(above) + 1
        return number(top) if first >= top else f"{number(first)}-{number(top)}"
    return f"to {number(top)}"
