"""How likely counts are by chance: tails of the negative binomial distribution, and of Poisson's, its limit.

Exact sums of float64 terms, each tail summed from its far end, so that small probabilities keep their digits.
"""

from __future__ import annotations

import math

import numpy as np

from crime_assets.statistics.figures import Floats, Ints


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
    # Far out, each term is smaller than the one before by a factor of at most exp(-1 / (variance / mean)).
    per_crime = 1 + spread * mean
    beyond = 60 + 40 * per_crime + 10 * math.sqrt(mean * per_crime)
    numbers = np.arange(1, math.ceil(max(top, mean) + beyond) + 1, dtype=np.float64)
    none = -mean if spread == 0 else -math.log1p(spread * mean) / spread
    # From n - 1 to n; the usual (size + n - 1) / n * mean / (size + mean), multiplied by the spread, 1 / size.
    steps = np.log(1 + spread * (numbers - 1)) - np.log(numbers) + math.log(mean / per_crime)
    probabilities: Floats = np.exp(np.concatenate([[none], none + np.cumsum(steps)]))
    return probabilities
