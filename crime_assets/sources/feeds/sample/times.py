"""The minute of the day at which crimes are said to happen: busy hours, round minutes, midnight and noon."""

from __future__ import annotations

import numpy as np

from crime_assets.sources.feeds.sample import shares
from crime_assets.sources.feeds.sample.draws import Draws, Floats, Ints, cumulative


def minutes(draws: Draws) -> Ints:
    """Minutes after midnight."""
    return draws.pick("minute", _BOUNDS)


def _bounds() -> Floats:
    within_hour = np.array([shares.BY_MINUTE.get(minute, shares.OTHER_MINUTE) for minute in range(60)])
    weights = np.outer(shares.BY_HOUR, within_hour / within_hour.sum())
    for hour, spike in ((0, shares.AT_MIDNIGHT), (12, shares.AT_NOON)):
        weights[hour] *= shares.BY_HOUR[hour] / weights[hour, 1:].sum()
        weights[hour, 0] = spike
    return cumulative(weights.ravel())


_BOUNDS = _bounds()
