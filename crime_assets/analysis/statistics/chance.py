"""How likely counts are by chance: upper tails of the Poisson, the negative binomial and the binomial distribution.

All three are incomplete beta and gamma functions (DLMF 8.17 and 8.2), which stay accurate however small they are.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from crime_assets.analysis.statistics.figures import Floats, Ints


def at_least(numbers: Ints, mean: float, spread: float) -> Floats:
    """The probability of at least n for each of the numbers; the mean must be above 0.

    The variance is mean + spread * mean²: a negative binomial distribution; with a spread of 0, the Poisson.
    """
    counted = np.maximum(numbers, 1)
    if spread == 0:
        found = special.gammainc(counted, mean)
    else:
        found = special.betainc(counted, 1 / spread, spread * mean / (1 + spread * mean))
    return np.where(numbers > 0, found, 1.0)


def at_least_of(number: int, trials: int, share: float) -> float:
    """The probability that at least `number` (above 0) of the trials succeed, if each does with probability `share`."""
    return float(special.betainc(number, trials - number + 1, share))


def spread_of(counts: Ints) -> float:
    """How much more counts vary than the Poisson distribution: the `spread` of their mean and variance, at least 0.

    There must be a count above 0.
    """
    mean = counts.sum() / len(counts)
    if len(counts) == 1:
        return 0.0
    variance = ((counts - mean) ** 2).sum() / (len(counts) - 1)
    return max(0.0, float((variance - mean) / mean**2))
