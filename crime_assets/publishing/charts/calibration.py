"""How often intervals held what came, against how often they say they do: the nearer to the diagonal, the better.

Units differ in shape as well as in color, and every share is written out, with the windows that it is of.
"""

from __future__ import annotations

from collections.abc import Sequence

from crime_assets.publishing.charts.svg import FAINT_INK, INK, LINE, element, picture, text, tooltip

Row = tuple[str, float, float, int]
"""A unit, the share that its intervals state, the share that they held, and of how many windows."""

_WIDTH, _SIDE, _LEFT, _TOP, _BOTTOM = 640.0, 240.0, 48.0, 28.0, 40.0
_BESIDE, _LINE = 328.0, 17.0
_STEP = 0.1
_RADIUS = 5.0
_MARKS = (("circle", "#225ea8"), ("square", "#b35806"), ("triangle", "#1b7a4b"), ("diamond", "#5e3c99"))


def calibration(title: str, rows: Sequence[Row]) -> str:
    """A mark for each row, and beside it what it stands for; shares are from 0 to 1."""
    if not rows:
        return picture(title, _WIDTH, 40.0, [text("No window is finished yet.", 12, 24, fill=FAINT_INK)])
    units = list(dict.fromkeys(unit for unit, _, _, _ in rows))
    lowest = _lowest(rows)
    body = [*_axes(lowest), *(_mark(row, units.index(row[0]), lowest) for row in rows), *_legend(rows, units)]
    lines = len(rows) + len(units)
    return picture(title, _WIDTH, max(_TOP + _SIDE + _BOTTOM, _TOP + lines * _LINE + 12), body)


def _lowest(rows: Sequence[Row]) -> float:
    """Where both axes begin: a tenth below all that is drawn."""
    least = min(min(nominal, held) for _, nominal, held, _ in rows)
    return max(0.0, round(int(least / _STEP + 1e-9) * _STEP - _STEP, 1))


def _place(nominal: float, held: float, lowest: float) -> tuple[float, float]:
    unit = _SIDE / (1 - lowest)
    return _LEFT + (nominal - lowest) * unit, _TOP + (1 - held) * unit


def _axes(lowest: float) -> list[str]:
    bottom, right = _TOP + _SIDE, _LEFT + _SIDE
    found = [
        element("rect", x=_LEFT, y=_TOP, width=_SIDE, height=_SIDE, fill="none", stroke=LINE),
        element("line", x1=_LEFT, y1=bottom, x2=right, y2=_TOP, stroke=FAINT_INK, stroke_dasharray="5 4"),
        text("share that held what came", _LEFT, _TOP - 12, fill=FAINT_INK),
        text("share that the interval states", _LEFT + _SIDE / 2, bottom + 32, text_anchor="middle", fill=FAINT_INK),
    ]
    steps = round((1 - lowest) / _STEP)
    every = max(1, -(-steps // 5))
    for step in range(0, steps + 1, every):
        share = 1 - step * _STEP
        x, y = _place(share, share, lowest)
        found.append(element("line", x1=_LEFT, y1=y, x2=right, y2=y, stroke=LINE, stroke_width=0.5))
        found.append(text(f"{share:.0%}", _LEFT - 6, y + 4, text_anchor="end", fill=FAINT_INK))
        found.append(text(f"{share:.0%}", x, bottom + 16, text_anchor="middle", fill=FAINT_INK))
    return found


def _mark(row: Row, number: int, lowest: float) -> str:
    unit, nominal, held, windows = row
    x, y = _place(nominal, held, lowest)
    said = f"{unit}: of {nominal:.0%} intervals, {held:.1%} held what came ({windows} windows)"
    return element("g", tooltip(said), _shape(number, x, y))


def _shape(number: int, x: float, y: float) -> str:
    shape, color = _MARKS[number % len(_MARKS)]
    look = {"fill": color, "fill_opacity": 0.55, "stroke": color, "stroke_width": 1.5}
    match shape:
        case "circle":
            return element("circle", cx=x, cy=y, r=_RADIUS, **look)
        case "square":
            return element("rect", x=x - _RADIUS, y=y - _RADIUS, width=2 * _RADIUS, height=2 * _RADIUS, **look)
        case "triangle":
            corners = [(x, y - _RADIUS), (x + _RADIUS, y + _RADIUS), (x - _RADIUS, y + _RADIUS)]
        case _:
            corners = [(x, y - _RADIUS - 1), (x + _RADIUS + 1, y), (x, y + _RADIUS + 1), (x - _RADIUS - 1, y)]
    return element("path", d="M" + "L".join(f"{one:.1f} {other:.1f}" for one, other in corners) + "Z", **look)


def _legend(rows: Sequence[Row], units: Sequence[str]) -> list[str]:
    """Every unit, and under it what its intervals held: counts as text."""
    found = []
    down = _TOP + _LINE / 2
    for number, unit in enumerate(units):
        found += [_shape(number, _BESIDE, down), text(unit, _BESIDE + 14, down + 4, fill=INK, font_weight="bold")]
        down += _LINE
        for _, nominal, held, windows in (row for row in rows if row[0] == unit):
            counted = f"{windows:,} window{'' if windows == 1 else 's'}"
            found.append(
                text(f"{nominal:.0%} stated, {held:.1%} held, {counted}", _BESIDE + 14, down + 4, fill=FAINT_INK)
            )
            down += _LINE
    return found
