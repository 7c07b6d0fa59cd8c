"""How many reports come by chance: the limits that rules compare with, as a table.

Of `before` reports in `periods` periods alike and `now` in one more, each is in the last one with probability
1 / (periods + 1), if they come independently and at a steady rate, whatever that rate is. So `now` is out of line when
a binomial distribution of now + before reports gives it or more at most once in 10 ** chance times. This test of two
Poisson counts needs no estimate of the rate, and is right for rare reports as well.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

CHANCE = 4
"""Rules are wrong once in 10 ** CHANCE times at the most."""
PERIODS = 27
"""The most periods that a rule compares with."""
BEFORE = 5_000
"""The most reports before for which there is a limit; beyond it, twice as many as before are more than the limit."""
LIMITS = pa.schema(
    [("chance", pa.int32()), ("periods", pa.int32()), ("before_reports", pa.int32()), ("most", pa.int32())]
)
"""One row for each chance, periods and before_reports; `most` is the greatest number that is no alarm."""

_CLOSE = 1 + 1e-9
"""Chances that are equal as fractions, such as 0.1 ** 4 and 1e-4, differ by less than this factor when computed."""


def most_by_chance(chance: int = CHANCE, periods: int = PERIODS, before: int = BEFORE) -> pa.Table:
    """LIMITS for alarms wrong once in 10 ** `chance` times: of 1 to `periods` periods, with 0 to `before` reports."""
    in_periods, reports = (part.ravel() for part in np.mgrid[1 : periods + 1, 0 : before + 1])
    columns = (np.full_like(reports, chance), in_periods, reports, _most(10.0**-chance, in_periods, reports))
    return pa.table([pa.array(column, pa.int32()) for column in columns], schema=LIMITS)


def _most(chance: float, periods: NDArray[np.int64], before: NDArray[np.int64]) -> NDArray[np.int64]:
    """The limits, element by element.

    The binomial test of now + before reports is the same as asking how many reports of now there are before one more
    of those before: a negative binomial distribution, whose quantile is the limit.
    """
    from scipy.stats import nbinom

    distribution = nbinom(before + 1, periods / (periods + 1))
    most: NDArray[np.int64] = distribution.isf(chance).astype(np.int64)
    # A step too far where the chance is met exactly, as floating-point numbers see it.
    most -= distribution.sf(most - 1) <= chance * _CLOSE
    most += distribution.sf(most) > chance * _CLOSE
    return most
