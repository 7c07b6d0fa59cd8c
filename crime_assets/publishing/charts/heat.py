"""Heat maps: a colored cell for each row and column, with a legend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from crime_assets.publishing.charts.key import NOT_SHOWN, Key
from crime_assets.publishing.charts.scales import classes, number
from crime_assets.publishing.charts.svg import FAINT_INK, LINE, element, picture, text, tooltip

_LEFT, _TOP, _GAP, _EDGE = 44, 24, 12, 4
_WIDTH, _ROW = 720, 26


def heat(
    title: str,
    rows: Sequence[str],
    columns: Sequence[str],
    values: Mapping[tuple[str, str], float | None],
) -> str:
    """Cells by (row, column); None is a value that is not shown, a missing cell is zero."""
    key = Key(title, classes([value for value in values.values() if value]), _WIDTH - _LEFT)
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
            said = NOT_SHOWN if value is None else number(value)
            body.append(
                element(
                    "rect",
                    tooltip(f"{row}, {column}: {said}"),
                    x=_LEFT + along * width + 0.5,
                    y=y + 0.5,
                    width=width - 1,
                    height=_ROW - 1,
                    fill=key.fill(value),
                    stroke=LINE,
                    stroke_width=0.5,
                )
            )
    height = _TOP + len(rows) * _ROW
    body += key.legend(_LEFT, height + _GAP)
    return picture(title, _WIDTH, height + _GAP + key.height + _EDGE, body)
