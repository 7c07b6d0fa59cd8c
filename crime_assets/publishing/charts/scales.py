"""Colors for numbers, and round numbers for axes.

Colors are ColorBrewer's YlGnBu and PuOr (Cynthia Brewer, colorbrewer2.org), which people with any color vision can tell
apart and put in order. Of YlGnBu's seven, the palest is left out because it is almost white, and the fifth is a little
lighter, so that dark text can be read on it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

SEQUENTIAL = ("#c7e9b4", "#7fcdbb", "#41b6c4", "#2899c8", "#225ea8", "#0c2c84")
"""From few to many."""
FALL, RISE, STEADY = "#5e3c99", "#b35806", "#7b8794"
"""Less and more than before, and neither: the ends of PuOr."""
NOTHING = "#ffffff"
"""Nothing recorded."""
HIDDEN = "#e4e7eb"
"""Too few to be shown: the background of a hatching."""
BACKGROUND = "#f1f3f5"
"""Shapes that only show where the others are."""
_DARK_FROM = 4


@dataclass(frozen=True)
class Classes:
    """Steps of a color scale: value v has color number i if it is at most `upper[i]`, and more than the one before.

    `lowest` is the smallest value that is shown: below it there are only zeros and what is hidden. Values that are
    not `are_whole` may lie anywhere between two steps, whole numbers or not.
    """

    upper: tuple[float, ...]
    lowest: float | None = None
    are_whole: bool = True

    def color(self, value: float) -> str:
        """The color of a value."""
        return SEQUENTIAL[self._index(value)]

    def ink(self, value: float) -> str:
        """A color for text on it, with enough contrast."""
        return "#ffffff" if self._index(value) >= _DARK_FROM else "#1f2933"

    def outline(self, value: float) -> str:
        """A color for its outline, which separates it from neighbors of the same color."""
        return "#ffffff" if self._index(value) >= _DARK_FROM else "#52606d"

    def ranges(self) -> list[tuple[str, float, float]]:
        """(color, above, at most) of every step, from few to many; the first is from `lowest`, if that is whole."""
        below = self.lowest - 1 if self.lowest is not None and float(self.lowest).is_integer() else 0.0
        return [
            (SEQUENTIAL[index], self.upper[index - 1] if index else below, top) for index, top in enumerate(self.upper)
        ]

    def _index(self, value: float) -> int:
        return next((index for index, top in enumerate(self.upper) if value <= top), len(self.upper) - 1)


def classes(values: Sequence[float], *, are_whole: bool = True) -> Classes:
    """Steps at round numbers with about equally many values each; fewer steps if there are few values."""
    found = sorted(value for value in values if value > 0)
    if not found:
        return Classes(())
    tops: list[float] = []
    for step in range(1, len(SEQUENTIAL) + 1):
        value = found[min(len(found) - 1, math.ceil(step * len(found) / len(SEQUENTIAL)) - 1)]
        top = _rounded_up(value) if are_whole else _to_two_digits(value)
        if not tops or top > tops[-1]:
            tops.append(top)
    return Classes(tuple(tops), found[0], are_whole)


def ticks(low: float, high: float, about: int = 4) -> list[float]:
    """Round numbers from at most `low` to at least `high`, some `about` of them."""
    span = (high - low) or 1.0
    raw = span / about
    magnitude = 10.0 ** math.floor(math.log10(raw))
    step = next(magnitude * factor for factor in (1, 2, 5, 10) if magnitude * factor >= raw)
    first, last = math.floor(low / step), math.ceil(high / step)
    return [index * step for index in range(first, max(last, first + 1) + 1)]


def number(value: float) -> str:
    """A number as a person reads it: with thousands separators and at most three decimals."""
    if float(value).is_integer():
        return f"{int(value):,}"
    return f"{value:,.1f}" if abs(value) >= 100 else f"{value:.3g}"


def _rounded_up(value: float) -> float:
    """Rounded up to two significant digits, and to a whole number from 1 on."""
    if value <= 10:
        return float(math.ceil(value)) if value >= 1 else value
    magnitude = 10 ** (math.floor(math.log10(value)) - 1)
    return float(math.ceil(value / magnitude) * magnitude)


def _to_two_digits(value: float) -> float:
    """Rounded up to two significant digits, however small it is."""
    magnitude = 10.0 ** (1 - math.floor(math.log10(value)))
    # A value that has two digits stays what it is, whatever is left of its binary ones.
    return round(math.ceil(round(value * magnitude, 6)) / magnitude, 12)
