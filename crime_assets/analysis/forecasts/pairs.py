"""One target at one horizon as of one day: shares, level and intervals, from what was known that day."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TypeVar

import numpy as np
import pyarrow as pa

from crime_assets.analysis.forecasts import JUDGED, days, trees
from crime_assets.analysis.forecasts.champions import Choice
from crime_assets.analysis.forecasts.counts import WIDTHS
from crime_assets.analysis.forecasts.events import Daily, Events, daily
from crime_assets.analysis.forecasts.intervals import Spread, learn
from crime_assets.analysis.forecasts.levels import LEVELS, combined, levels, weights
from crime_assets.analysis.forecasts.methods import Known, Learned, known, share_of, shares_of
from crime_assets.analysis.forecasts.methods import learn as learn_methods
from crime_assets.analysis.forecasts.places import Places, by_area
from crime_assets.analysis.forecasts.shares import Kernels
from crime_assets.analysis.forecasts.states import States, states
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats, Ints

T = TypeVar("T")

_AT_A_TIME = 2
_SEED = 19
_CELLS, _AREAS, _CITY = range(3)


@dataclass(frozen=True)
class Inputs:
    """All that a forecast is made of. What became known after `t` has no part in it."""

    events: Events
    places: Places
    t: int
    """The as-of day."""
    lag: int
    """Days after which a day is complete."""
    first_record: int
    """The day on which the history begins: see `begin_of`."""
    past: pa.Table
    """Rows of forecast_scores, of any study area and any window."""
    lists: pa.Table
    """Of earlier forecasts, the cells among the flagged 2 %: as_of_day, target, horizon, cell."""
    residents: Mapping[str, int]
    """Area → residents; empty if unknown."""
    cap: float | None = None
    """How many times its share of records an area may have of the flagged cells."""
    with_trees: bool = field(default_factory=trees.are_there)


@dataclass(frozen=True)
class Level:
    """How many records are expected in the city, and were at earlier origins."""

    name: str
    """Of the one that weighs most in it."""
    expected: float
    past: Mapping[int, float]
    """Origin of a finished window → what this level said then."""


@dataclass(frozen=True)
class Spreads:
    """How counts lie about what was expected."""

    cells: Spread
    areas: Spread
    city: Spread


@dataclass(frozen=True)
class Said:
    """All that is said as of one day."""

    learned: Learned
    choice: Choice
    level: Level
    spreads: Spreads
    shares: Mapping[str, Floats]
    """Method → share of the cells."""
    expected: Floats
    """Of each cell, by the published method."""
    judged: Sequence[tuple[int, Floats, Ints]]


def each_target(inputs: Inputs, work: Callable[[int], T]) -> Iterator[T]:
    """What `work` makes of each position in TARGETS, in their order, each as soon as those before it are there.

    Trees leave one processor idle, as each is fitted by one thread to come out the same everywhere: so two targets are
    worked on at a time. Without trees that would only take memory.
    """
    with ThreadPoolExecutor(_AT_A_TIME if inputs.with_trees else 1) as pool:
        yield from pool.map(work, range(len(TARGETS)))


class City:
    """What all targets share: events known by `t`, and the states at some days and at the windows they learn from."""

    def __init__(
        self, inputs: Inputs, horizons: Sequence[int], at: Sequence[int], widths: Sequence[int] = WIDTHS
    ) -> None:
        """`at` are the days, `widths` those of `kde`, meters."""
        self.events = inputs.events.until(inputs.t)
        self.lag, self.first_record = inputs.lag, inputs.first_record
        self.places, self.with_trees, self.widths = inputs.places, inputs.with_trees, widths
        self.kernels = Kernels(inputs.places.xy)
        origins = {*at, *(one for day in at for horizon in horizons for one in self.windows(day, horizon))}
        self.daily: Daily = daily(self.events)
        self.states: Mapping[int, States] = {
            state.origin: state for state in states(self.events, sorted(origins), inputs.lag)
        }
        self._levels: dict[tuple[int, int], dict[str, Floats]] = {}

    def windows(self, day: int, horizon: int) -> list[int]:
        """Origins of windows that are finished as of a day."""
        return days.windows(day, horizon, self.lag, self.first_record)

    def levels(self, origin: int, horizon: int) -> dict[str, Floats]:
        """Level → (targets) records expected."""
        if (origin, horizon) not in self._levels:
            self._levels[origin, horizon] = levels(self.daily, origin, horizon, self.lag)
        return self._levels[origin, horizon]


class OfTarget:
    """One target at all origins; `target` is its position in TARGETS."""

    def __init__(self, city: City, target: int) -> None:
        self.city, self.target = city, target
        self.known: Mapping[int, Known] = {
            origin: known(state, city.kernels, target, city.with_trees, city.widths)
            for origin, state in city.states.items()
        }

    def learned(self, day: int, horizon: int, kept: trees.Trees | None = None) -> Learned:
        """From the windows that are finished as of a day, with the records known that day; `kept` as in `learn`."""
        past = [(self.known[one], self._came(one, horizon, day)) for one in self.city.windows(day, horizon)]
        return learn_methods(past, horizon, kept)

    def shares(self, learned: Learned, day: int, horizon: int) -> dict[str, Floats]:
        """Method → share of the cells."""
        return shares_of(learned, self.known[day], horizon)

    def level(self, day: int, horizon: int) -> Level:
        """How many records there will be; with the same weights, how many would have been said at earlier origins."""
        origins = self.city.windows(day, horizon)
        said = {one: self._levels(one, horizon) for one in (day, *origins)}
        weight = weights(
            {name: [said[one][name] for one in origins] for name in LEVELS},
            [self.crimes(one, horizon, day) for one in origins],
        )
        there = [name for name in LEVELS if not np.isnan(said[day][name])]
        past = {one: combined(said[one], weight) for one in origins}
        return Level(max(there, key=weight.__getitem__), combined(said[day], weight), past)

    def placed(self, origin: int) -> float:
        """The share of records that are in a cell."""
        return float(self.city.states[origin].placed[self.target])

    def crimes(self, origin: int, horizon: int, known_by: int) -> float:
        """All records of a window, those without a place included."""
        return float(self.city.daily.between(origin + 1, origin + horizon, known_by)[self.target])

    def judged(
        self, learned: Learned, level: Level, method: str, day: int, horizon: int
    ) -> list[tuple[int, Floats, Ints]]:
        """The newest finished windows: origin, what the method would have expected of each cell, and what came.

        It would have with today's weights: they are few, and of thousands of records.
        """
        found = []
        for origin in self.city.windows(day, horizon)[:JUDGED]:
            share = share_of(learned, self.known[origin], horizon, method)
            expected = share * level.past[origin] * self.placed(origin)
            found.append((origin, expected, self._came(origin, horizon, day)))
        return found

    def spreads(self, judged: Sequence[tuple[int, Floats, Ints]], level: Level, day: int, horizon: int) -> Spreads:
        """From the newest finished windows."""
        places, seed = self.city.places, (_SEED, self.target, horizon)
        expected, came = [one for _, one, _ in judged], [one for _, _, one in judged]
        areas = [by_area(places, one) for one in expected]
        totals = [np.array([level.past[origin]]) for origin, _, _ in judged]
        crimes = [np.array([self.crimes(origin, horizon, day)]).astype(np.int64) for origin, _, _ in judged]
        return Spreads(
            learn(expected, came, (*seed, _CELLS)),
            learn(areas, [by_area(places, one).astype(np.int64) for one in came], (*seed, _AREAS), 1),
            learn(totals, crimes, (*seed, _CITY), 1),
        )

    def said(self, choice: Choice, day: int, horizon: int) -> Said:
        """Everything together, by the method that was chosen."""
        learned = self.learned(day, horizon)
        shares, level = self.shares(learned, day, horizon), self.level(day, horizon)
        judged = self.judged(learned, level, choice.method, day, horizon)
        spreads = self.spreads(judged, level, day, horizon)
        expected = level.expected * self.placed(day) * shares[choice.method]
        return Said(learned, choice, level, spreads, shares, expected, judged)

    def _came(self, origin: int, horizon: int, known_by: int) -> Ints:
        return self.city.events.came(self.target, origin, horizon, known_by)

    def _levels(self, origin: int, horizon: int) -> dict[str, float]:
        return {name: float(said[self.target]) for name, said in self.city.levels(origin, horizon).items()}
