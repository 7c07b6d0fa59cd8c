"""How many records are expected in the whole city: four ways, weighted by how near they were in finished windows.

Weights are those of Bates and Granger, "The Combination of Forecasts", Operational Research Quarterly 20 (1969): the
inverse of the mean squared error. A few windows do not tell which of four is the best, and whoever chooses one errs
more: on real rows by .115, .097 and .109 of what came in 7, 28 and 90 days instead of .109, .078 and .079.

The newest days are known in part only. So they are held against last year's *as these were known at the same age*:
delays cancel, whatever the kind of crime.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from crime_assets.analysis.forecasts.events import Daily, begin_of
from crime_assets.analysis.forecasts.states import YEAR
from crime_assets.analysis.statistics.figures import Floats

LEVELS = ("last_364_days", "last_year_and_recent_change", "seasonal_share", "last_84_days")

_USUAL_ERROR = 0.1
"""One window with it is counted with those of each level: without it, luck in the very first would decide."""

_RECENT = 84
_SEASONS = 3
_MOST_LATE = 1.05
"""By how much late records may raise a level."""
_DAMPED = 0.7
"""Power of the recent change: part of it is chance, and part will pass."""


def levels(daily: Daily, origin: int, horizon: int, lag: int) -> dict[str, Floats]:
    """Level → (targets) records expected in the window of an origin; NaN where there is too little history for it."""
    last = origin - lag
    begin = begin_of(daily.occurred)
    first = last if begin is None else begin

    def known(end: int, days: int, as_of: int = origin) -> Floats:
        """Records of the `days` days up to `end`."""
        if end - days + 1 < first:
            return np.full(daily.counts.shape[1], np.nan)
        return daily.between(end - days + 1, end, as_of)

    def late(days: int) -> Floats:
        """Last year's records, as known now and as they were known a year before."""
        now, then = known(last - YEAR, days), known(last - YEAR, days, origin - YEAR)
        return np.nan_to_num(np.clip(_ratio(now, then), 1, _MOST_LATE), nan=1.0)

    days = max(1, min(YEAR, last - first + 1))
    year = known(last, days) * YEAR / days * late(YEAR)
    change = _ratio(known(last, _RECENT), known(last - YEAR, _RECENT, origin - YEAR))
    recent = max(1, min(_RECENT, last - first + 1))
    seasons = [
        _ratio(known(origin + horizon - YEAR * back, horizon), known(last - YEAR * (back - 1), YEAR))
        for back in range(1, _SEASONS + 1)
    ]
    return dict(
        zip(
            LEVELS,
            (
                year * horizon / YEAR,
                known(origin + horizon - YEAR, horizon) * change**_DAMPED,
                year * _mean(seasons),
                known(last, recent) * horizon / recent * late(_RECENT),
            ),
            strict=True,
        )
    )


def weights(said: Mapping[str, Sequence[float]], came: Sequence[float]) -> dict[str, float]:
    """Level → its weight, from what it said in finished windows (NaN where it said nothing) and what came in each."""
    found = {}
    for level, values in said.items():
        pairs = [(value, true) for value, true in zip(values, came, strict=True) if true > 0 and not np.isnan(value)]
        squares = sum((value / true - 1) ** 2 for value, true in pairs) + _USUAL_ERROR**2
        found[level] = (len(pairs) + 1) / squares
    return found


def combined(said: Mapping[str, float], weights: Mapping[str, float]) -> float:
    """The weighted mean of the levels that there is enough history for; the first of them always is."""
    there = {level: value for level, value in said.items() if not np.isnan(value)}
    return sum(weights[level] * value for level, value in there.items()) / sum(weights[level] for level in there)


def _ratio(part: Floats, whole: Floats) -> Floats:
    found: Floats = np.divide(part, whole, out=np.full_like(part, np.nan), where=whole > 0)
    return found


def _mean(given: Sequence[Floats]) -> Floats:
    """The mean of those that are there; NaN where none is."""
    there = ~np.isnan(given)
    return _ratio(np.where(there, given, 0).sum(axis=0), there.sum(axis=0).astype(np.float64))
