"""How likely counts are by chance: tails of the negative binomial distribution, and of Poisson's, its limit.

Exact sums of float64 terms, each tail summed from its far end, so that small probabilities keep their digits.
Where that would take millions of terms, it is a continued fraction instead.
"""

from __future__ import annotations

import itertools
import math

import numpy as np

from crime_assets.statistics.figures import Floats, Ints

MOST_TERMS = 1_000_000
"""Sums of more terms are not made by `at_least`."""

_TINY = 1e-300
_PRECISE = 1e-13


def at_least(numbers: Ints, mean: float, spread: float) -> Floats:
    """The probability of at least n for each of the numbers; mean and spread as in `tails`.

    Where counts are so large or so uneven that the sums would have more than `MOST_TERMS` terms, six digits are right.
    """
    top = int(numbers.max())
    if spread == 0 or _terms(mean, spread, top) <= MOST_TERMS:
        return tails(mean, spread, top)[1][numbers]
    distinct, places = np.unique(numbers, return_inverse=True)
    found = np.array([_at_least(number, mean, spread) for number in distinct.tolist()])
    return found[places]


def tails(mean: float, spread: float, top: int) -> tuple[Floats, Floats]:
    """The probabilities of at most n, and of at least n, for every n from 0 to `top` or further.

    The variance is mean + spread * mean²; a spread of 0 is Poisson's distribution. The mean must be above 0.
    """
    probabilities = _probabilities(mean, spread, top)
    at_most = np.minimum(np.cumsum(probabilities), 1.0)
    at_least = np.minimum(np.cumsum(probabilities[::-1])[::-1], 1.0)
    return at_most, at_least


def spread_of(counts: Ints) -> float:
    """By how much counts vary more than Poisson's would: the `spread` of their mean and variance, 0 at least.

    There must be a count above 0.
    """
    mean = counts.sum() / len(counts)
    if len(counts) == 1:
        return 0.0
    variance = ((counts - mean) ** 2).sum() / (len(counts) - 1)
    return max(0.0, float((variance - mean) / mean**2))


def _probabilities(mean: float, spread: float, top: int) -> Floats:
    """The probabilities of 0, 1, 2, ... until what is left counts for nothing even beside that of `top`."""
    per_crime = 1 + spread * mean
    numbers = np.arange(1, _terms(mean, spread, top) + 1, dtype=np.float64)
    none = -mean if spread == 0 else -math.log1p(spread * mean) / spread
    # From n - 1 to n; the usual (size + n - 1) / n * mean / (size + mean), multiplied by the spread, 1 / size.
    steps = np.log(1 + spread * (numbers - 1)) - np.log(numbers) + math.log(mean / per_crime)
    probabilities: Floats = np.exp(np.concatenate([[none], none + np.cumsum(steps)]))
    return probabilities


def _terms(mean: float, spread: float, top: int) -> int:
    """How many of these probabilities there are, that of 0 not counted."""
    # Far out, each term is smaller than the one before by a factor of at most exp(-1 / (variance / mean)).
    per_crime = 1 + spread * mean
    beyond = 60 + 40 * per_crime + 10 * math.sqrt(mean * per_crime)
    return math.ceil(max(top, mean) + beyond)


def _at_least(number: int, mean: float, spread: float) -> float:
    """The same by the incomplete beta function: its parameters are the number and the size, 1 / spread."""
    if number == 0:
        return 1.0
    size, below = 1 / spread, 1 / (1 + spread * mean)
    ways = math.lgamma(number + size) - math.lgamma(number) - math.lgamma(size)
    front = math.exp(ways + number * math.log1p(-below) + size * math.log(below))
    if 1 - below < (number + 1) / (number + size + 2):
        return front * _fraction(number, size, 1 - below) / number
    return 1 - front * _fraction(size, number, below) / size


def _fraction(a: float, b: float, x: float) -> float:
    """The continued fraction of the incomplete beta function (DLMF 8.17.22), by Lentz's method."""
    whole = above = 1.0
    under = 0.0
    for step in itertools.count(1):
        half, is_odd = divmod(step, 2)
        term = -(a + half) * (a + b + half) if is_odd else half * (b - half)
        term *= x / ((a + step - 1) * (a + step))
        under = 1 / ((1 + term * under) or _TINY)
        above = (1 + term / above) or _TINY
        whole *= above * under
        if abs(above * under - 1) < _PRECISE:
            break
    return 1 / whole
