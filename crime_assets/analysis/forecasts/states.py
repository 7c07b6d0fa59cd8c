"""What was known of every cell at each origin: plain and decayed counts, in one pass over the events."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from crime_assets.analysis.forecasts import HORIZONS
from crime_assets.analysis.forecasts.events import Events
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats, Ints

HALF_LIVES = (21, 60, 180, 365, 730)
"""Days after which a record weighs half as much."""
YEAR = 364
"""Whole weeks, so that days of the week agree."""

_AROUND = 28
"""Days by which a season is wider than its window, on both sides."""
_MIDDLE = 14
_SEASONS = 3

Counted = NDArray[np.float32]


@dataclass(frozen=True)
class States:
    """Of one origin; every array ends in (targets, cells), and has records known by the origin only."""

    origin: int
    decayed: Counted
    """One for each of HALF_LIVES."""
    all: Counted
    d28: Counted
    d365: Counted
    d1095: Counted
    """Of the last so many complete days."""
    last_year: Counted
    """One for each of HORIZONS: the window 364 days earlier."""
    season: Counted
    """Days about the middle of the window in up to three earlier years."""
    placed: Floats
    """(targets) the share of the records of the last 365 complete days that are in a cell; 1 without any."""


def states(events: Events, origins: Sequence[int], lag: int) -> Iterator[States]:
    """The states at the origins, which are given in ascending order."""
    decayed: Floats = np.zeros((len(HALF_LIVES), len(TARGETS), events.cells))
    everything: Ints = np.zeros((len(TARGETS), events.cells + 1), dtype=np.int64)
    before, begin = None, 0
    for origin in origins:
        end = events.known_until(origin)
        if before is not None:
            decayed *= np.exp2(-(origin - before) / np.array(HALF_LIVES))[:, None, None]
        _enter(decayed, events, slice(begin, end), origin)
        everything += events.summed(slice(begin, end))
        before, begin = origin, end
        yield _state(events, origin, lag, decayed, everything)


def _enter(decayed: Floats, events: Events, new: slice, origin: int) -> None:
    """Adds events that have become known, each with the weight it has at the origin."""
    age = (origin - events.occurred[new]).astype(np.float64)
    cell, counts = events.cell[new], events.counts[new]
    for number, half_life in enumerate(HALF_LIVES):
        weight = np.exp2(-age / half_life)
        for target in range(len(TARGETS)):
            decayed[number, target] += np.bincount(cell, weight * counts[:, target], events.cells + 1)[:-1]


def _state(events: Events, origin: int, lag: int, decayed: Floats, everything: Ints) -> States:
    complete = origin - lag

    def counted(first: int, last: int) -> Ints:
        return events.counted(first, last, origin)[:, :-1]

    year = events.counted(complete - 364, complete, origin)
    years = [origin + _MIDDLE - YEAR * year for year in range(1, _SEASONS + 1)]
    last_year = [counted(origin + 1 - YEAR, origin + horizon - YEAR) for horizon in HORIZONS]
    return States(
        origin,
        decayed.astype(np.float32),
        everything[:, :-1].astype(np.float32),
        counted(complete - 27, complete).astype(np.float32),
        year[:, :-1].astype(np.float32),
        counted(complete - 1094, complete).astype(np.float32),
        np.array(last_year).astype(np.float32),
        np.sum([counted(middle - _AROUND, middle + _AROUND) for middle in years], axis=0).astype(np.float32),
        1 - year[:, -1] / np.maximum(year.sum(axis=1), 1),
    )
