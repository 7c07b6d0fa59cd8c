"""Which cells have lately had more or fewer records than their own year says: emerging, and fading.

Given how the whole city has changed, the records of a cell in both periods fall into the newer one as coins do.
"""

from __future__ import annotations

import numpy as np
from scipy import special

from crime_assets.analysis.statistics.figures import Floats, Ints
from crime_assets.analysis.statistics.multiple_tests import false_discovery_rates

NOW_DAYS, BEFORE_DAYS = 28, 365
FALSE_DISCOVERIES = 0.05
FEWEST = 5
"""Records of both periods, without which nothing is said of a cell."""


def trends(now: Ints, before: Ints) -> tuple[list[str | None], Floats]:
    """For each cell, `emerging`, `fading` or None, and the q-value; NaN where there are too few records.

    `now` has the records of the newest period, `before` those of the longer one before it.
    """
    q = np.full(len(now), np.nan)
    labels: list[str | None] = [None] * len(now)
    both = now + before
    (judged,) = np.nonzero(both >= FEWEST)
    if not len(judged) or not now.sum() or not before.sum():
        return labels, q
    newer, all_ = now[judged], both[judged]
    share = float(now.sum() / both.sum())
    up = false_discovery_rates(_at_least(newer, all_, share))
    down = false_discovery_rates(_at_least(all_ - newer, all_, 1 - share))
    q[judged] = np.minimum(up, down)
    for label, rates in (("emerging", up), ("fading", down)):
        for cell in judged[rates <= FALSE_DISCOVERIES].tolist():
            labels[cell] = label
    return labels, q


def _at_least(number: Ints, trials: Ints, share: float) -> Floats:
    """The probability that at least so many of the trials succeed."""
    counted = np.maximum(number, 1)
    return np.where(number > 0, special.betainc(counted, trials - counted + 1, share), 1.0)
