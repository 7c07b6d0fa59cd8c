"""What colors mean in a picture: the fill of a value, its outline, and the legend that says so.

Nothing, few and not shown differ in more than hue, so that they can be told apart in a gray print and by every eye.
"""

from __future__ import annotations

from collections.abc import Sequence
from zlib import crc32

from crime_assets.publishing.charts.scales import HIDDEN, NOTHING, Classes, number
from crime_assets.publishing.charts.svg import FAINT_INK, element, text

_SWATCH, _GAP, _BETWEEN, _LINE, _FONT = 12.0, 4.0, 14.0, 18.0, 11.0
_EM_A_LETTER = 0.64
"""Width of digits in the widest font that pictures name, DejaVu Sans; other letters are narrower on average."""
_HATCH = 5
NOT_SHOWN = "not shown"
"""Said of a hidden number. It may be too few, or give others away that are: nobody is told which."""


class Key:
    """The colors of a picture with that title, and their legend, as wide as `room`.

    `has_nothing` is False if no count in it is zero.
    """

    def __init__(self, title: str, steps: Classes, room: float, *, has_nothing: bool = True) -> None:
        self._hidden, self._definitions = hatching(title)
        self._steps = steps
        self._lines = _wrapped([*entries(steps, has_nothing=has_nothing), (self._hidden, NOT_SHOWN)], room)
        self.height = len(self._lines) * _LINE

    def fill(self, value: float | None) -> str:
        """The fill for a value that may be hidden (None) or nothing at all."""
        if value is None:
            return self._hidden
        return self._steps.color(value) if value > 0 else NOTHING

    def outline(self, value: float | None) -> str:
        """A color for the outline of a shape with that value, which separates it from neighbors of the same color."""
        return self._steps.outline(value) if value else FAINT_INK

    def legend(self, x: float, y: float) -> list[str]:
        """The legend, with the definitions that `fill` refers to."""
        found = []
        for down, line in enumerate(self._lines):
            top = y + down * _LINE
            for left, color, said in line:
                swatch = {"x": x + left, "y": top, "width": _SWATCH, "height": _SWATCH}
                found.append(element("rect", **swatch, fill=color, stroke=FAINT_INK, stroke_width=0.5))
                found.append(text(said, x + left + _SWATCH + _GAP, top + 10, font_size=_FONT, fill=FAINT_INK))
        return [*found, self._definitions]


def hatching(title: str) -> tuple[str, str]:
    """The fill for what is hidden in the picture with that title, and its definition, which the picture must hold."""
    # A page has several pictures, so each needs unique ids for its definitions.
    name = f"hatch-{crc32(title.encode()):08x}"
    stripes = element(
        "pattern",
        element("rect", width=_HATCH, height=_HATCH, fill=HIDDEN),
        element("line", x1=0, y1=0, x2=0, y2=_HATCH, stroke=FAINT_INK, stroke_width=1.5),
        id=name,
        width=_HATCH,
        height=_HATCH,
        patternUnits="userSpaceOnUse",
        patternTransform="rotate(45)",
    )
    return f"url(#{name})", element("defs", stripes)


def entries(steps: Classes, *, has_nothing: bool = True) -> list[tuple[str, str]]:
    """(color, what it means) from nothing, if there is any, to many; what is hidden has no color, but a hatching."""
    nothing = [(NOTHING, "0")] if has_nothing else []
    return [*nothing, *((color, _range(above, top, steps)) for color, above, top in steps.ranges())]


def _wrapped(entries: Sequence[tuple[str, str]], room: float) -> list[list[tuple[float, str, str]]]:
    """Lines of (left, color, text), as many as are needed."""
    lines: list[list[tuple[float, str, str]]] = [[]]
    left = 0.0
    for color, said in entries:
        width = _SWATCH + _GAP + len(said) * _EM_A_LETTER * _FONT
        if lines[-1] and left + width > room:
            lines.append([])
            left = 0.0
        lines[-1].append((left, color, said))
        left += width + _BETWEEN
    return lines


def _range(above: float, top: float, steps: Classes) -> str:
    """A step as text, in whole numbers if its values are."""
    if not steps.are_whole:
        return f"over {number(above)} to {number(top)}" if above else f"to {number(top)}"
    if float(top).is_integer() and float(above).is_integer():
        first = int(above) + 1
        return number(top) if first >= top else f"{number(first)}-{number(top)}"
    return f"to {number(top)}"
