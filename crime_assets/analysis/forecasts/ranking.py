"""Which cells come first, and which are flagged. Ties are broken in the same way for every method.

Dozens of cells tie at the edge of what is flagged: a method that broke its ties better would seem to find more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from crime_assets.analysis.statistics.figures import Floats, Ints

_DIGITS = 12
_UNKNOWN = -1


def order(score: NDArray[np.floating], history: NDArray[np.floating]) -> Ints:
    """Positions of the cells, the highest score first; of equal ones those with more in all history, then the first."""
    return np.lexsort((np.arange(len(score)), -history, -_rounded(score)))


def places_of(ordered: Ints) -> Ints:
    """For each cell its place in the order, from 1 on."""
    found = np.empty(len(ordered), dtype=np.int64)
    found[ordered] = np.arange(1, len(ordered) + 1)
    return found


def flagged(ordered: Ints, km2: Floats, share: float) -> Ints:
    """The first cells, until they are `share` percent of the area; the last one may go beyond it."""
    return ordered[: _reaching(km2[ordered], km2, share)]


def capped(ordered: Ints, km2: Floats, area: NDArray[np.int16], own: Floats, share: float, cap: float) -> Ints:
    """The first cells of the order such that no area has more than `cap` times its own share of them.

    `area` is the position of each cell's area, -1 for none, which is not capped; `own` is the share of each area in the
    records of a year. Where all areas are full, fewer cells are flagged.
    """
    most = np.floor(cap * own * len(flagged(ordered, km2, share)) + 1e-9)
    areas = area[ordered]
    is_in = np.ones(len(ordered), dtype=bool)
    for number in range(len(own)):
        (of_area,) = np.nonzero(areas == number)
        is_in[of_area[int(most[number]) :]] = False
    kept = ordered[is_in]
    return kept[: _reaching(km2[kept], km2, share)]


def _reaching(sizes: Floats, km2: Floats, share: float) -> int:
    """How many of these reach the share of the whole; all, if they do not."""
    goal = km2.sum() * share / 100 * (1 - 1e-9)
    return min(len(sizes), int(np.searchsorted(np.cumsum(sizes), goal)) + 1)


def _rounded(score: NDArray[np.floating]) -> Floats:
    """To twelve significant digits: what differs by an order of summation only is equal."""
    wide = score.astype(np.float64)
    is_any = wide > 0
    exponent = np.floor(np.log10(wide, out=np.zeros_like(wide), where=is_any))
    scale = 10.0 ** (_DIGITS - 1 - exponent)
    return np.where(is_any, np.round(wide * scale) / scale, 0.0)
