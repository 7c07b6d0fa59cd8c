"""Intervals of counts: negative binomial, and as wide as finished windows have shown that they must be.

Conformal prediction (Vovk, Gammerman and Shafer, 2005) on how far from the middle of its distribution each count was.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import special

from crime_assets.analysis.statistics.figures import Floats, Ints

FEWEST = 4
"""Finished windows without which nothing is learnt, and intervals are those of a wide guess."""

_LEAST_SPREAD = 1e-3
_GUESSED_SPREAD = 1.0
_BANDS = 4
_MOST = 1 - 1e-9

Bounds = tuple[Ints, Ints]


@dataclass(frozen=True)
class Spread:
    """How counts of one kind of unit lie about what was expected."""

    spread: float
    """The variance is mean + spread * mean²."""
    edges: Floats
    """Highest expected count of each band but the last."""
    distances: tuple[Floats, ...]
    """Of each band, how far from the middle counts were: from 0 to 1, ascending; empty if nothing was learnt."""


GUESS = Spread(_GUESSED_SPREAD, np.zeros(0), (np.zeros(0),))


def learn(expected: Sequence[Floats], came: Sequence[Ints], seed: Sequence[int], bands: int = _BANDS) -> Spread:
    """The spread in finished windows, the newest first: what was expected of each unit, and what came.

    `bands` are ranges of the expected count with an equal share of it each.
    """
    if len(expected) < FEWEST:
        return GUESS
    mean, number = np.concatenate(expected), np.concatenate(came)
    squares = float((mean**2).sum())
    spread = float(((number - mean) ** 2 - mean).sum()) / squares if squares else 0.0
    spread = max(_LEAST_SPREAD, spread)
    uniform = np.random.default_rng(list(seed)).random(len(mean))
    distance = np.abs(2 * pit(spread, mean, number, uniform) - 1)
    edges = _edges(mean, bands)
    band = np.searchsorted(edges, mean)
    return Spread(spread, edges, tuple(np.sort(distance[band == number]) for number in range(len(edges) + 1)))


def bounds(spread: Spread, expected: Floats, nominal: float) -> Bounds:
    """The interval of each unit that holds `nominal` (from 0 to 1) of all counts."""
    reach = np.array([_reach(distances, nominal) for distances in spread.distances])
    width = reach[np.searchsorted(spread.edges, expected)]
    return quantile(spread.spread, expected, (1 - width) / 2), quantile(spread.spread, expected, (1 + width) / 2)


def poisson_bounds(expected: Floats, nominal: float) -> Bounds:
    """What the interval would be if counts varied by chance alone: too narrow, see the tests."""
    low, high = (np.full_like(expected, (1 + side * nominal) / 2) for side in (-1, 1))
    return quantile(0, expected, low), quantile(0, expected, high)


def covered(low: Ints, high: Ints, came: Ints) -> float:
    """The share of units whose interval holds what came."""
    return float(((low <= came) & (came <= high)).mean())


def pit(spread: float, expected: Floats, came: Ints, uniform: Floats) -> Floats:
    """Where each count lies in its distribution, from 0 to 1; a uniform draw says where within the count."""
    below = np.zeros_like(expected)
    # Most cells have none.
    some = came > 0
    below[some] = at_most(spread, expected[some], came[some] - 1)
    return below + uniform * (at_most(spread, expected, came) - below)


def at_most(spread: float, expected: Floats, number: Ints) -> Floats:
    """The probability of at most so many, negative binomial; with a spread of 0, Poisson."""
    counted = np.maximum(number, 0) + 1.0
    mean = np.maximum(expected, 1e-12)
    if spread == 0:
        found = special.gammaincc(counted, mean)
    else:
        found = special.betainc(1 / spread, counted, 1 / (1 + spread * mean))
    return np.where(number >= 0, found, 0.0)


def quantile(spread: float, expected: Floats, share: Floats) -> Ints:
    """The smallest count that at least this share of counts is at or below."""
    low = np.full(expected.shape, -1, dtype=np.int64)
    deviation = np.sqrt(expected + spread * expected**2)
    high: Ints = np.ceil(expected + 4 * deviation + 4).astype(np.int64)
    # Only counts that are still looked for are asked about: most cells have few, and are found at once.
    rest = np.arange(len(expected))
    while len(rest := rest[at_most(spread, expected[rest], high[rest]) < share[rest]]):
        high[rest] *= 2
    # Between -1, which nothing is at or below, and a count that is enough.
    while len(rest := np.nonzero(high - low > 1)[0]):
        middle = (low[rest] + high[rest]) // 2
        is_enough = at_most(spread, expected[rest], middle) >= share[rest]
        high[rest[is_enough]] = middle[is_enough]
        low[rest[~is_enough]] = middle[~is_enough]
    return high


def _reach(distances: Floats, nominal: float) -> float:
    """The distance that so many of all counts to come are within; as nominal if none was learnt."""
    if not len(distances):
        return nominal
    position = int(np.ceil((len(distances) + 1) * nominal))
    return min(_MOST, float(distances[position - 1])) if position <= len(distances) else _MOST


def _edges(mean: Floats, bands: int) -> Floats:
    ordered = np.sort(mean)
    whole = np.cumsum(ordered)
    goals = whole[-1] * np.arange(1, bands) / bands if len(whole) else np.zeros(0)
    edges: NDArray[np.float64] = np.unique(ordered[np.minimum(np.searchsorted(whole, goals), len(ordered) - 1)])
    return edges
