"""Records as events: where and when, and the day from which each was known. Order of the rows does not matter."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from crime_assets.analysis.forecasts import MOST_DAYS_WITHOUT
from crime_assets.analysis.forecasts.places import Places, place_of
from crime_assets.analysis.forecasts.targets import TARGETS
from crime_assets.analysis.statistics.figures import Floats, Ints

DRAWS = 65_536
"""Of `draw`, from 0 on: by it a record of history is known early or late, always the same."""

Days = NDArray[np.int32]
Number = TypeVar("Number", np.int64, np.uint16)


@dataclass(frozen=True)
class Events:
    """Records summed by the day they were known, the day they occurred, and cell; in that order.

    None is known before its day of occurrence is complete: known - occurred is at least the city's lag. `counts` has a
    column for each of TARGETS; a cell of `cells` means no place, or one outside the study area.
    """

    known: Days
    occurred: Days
    cell: NDArray[np.int32]
    counts: NDArray[np.uint16]
    cells: int

    def known_until(self, day: int) -> int:
        """How many are known by a day."""
        return _first_after(self.known, day)

    def until(self, day: int) -> Events:
        """Those known by a day."""
        rows = slice(0, self.known_until(day))
        return replace(
            self,
            known=self.known[rows],
            occurred=self.occurred[rows],
            cell=self.cell[rows],
            counts=self.counts[rows],
        )

    @cached_property
    def by_occurrence(self) -> Ints:
        """Positions of the events in the order in which they occurred."""
        return np.argsort(self.occurred, kind="stable")

    @cached_property
    def _occurred(self) -> Days:
        return self.occurred[self.by_occurrence]

    def between(self, first: int, last: int, known_by: int) -> Ints:
        """Positions of the events that occurred on these days, both included, and were known by a day."""
        begin, end = (_first_after(self._occurred, day) for day in (first - 1, last))
        found = self.by_occurrence[begin:end]
        return found[self.known[found] <= known_by]

    def counted(self, first: int, last: int, known_by: int) -> Ints:
        """(targets, cells + 1) records of these days as known by a day; the last column is of no place."""
        return self.summed(self.between(first, last, known_by))

    def summed(self, chosen: Ints | slice) -> Ints:
        """(targets, cells + 1) records of the chosen events."""
        cell = self.cell[chosen]
        columns = [np.bincount(cell, self.counts[chosen, target], self.cells + 1) for target in range(len(TARGETS))]
        return np.array(columns).astype(np.int64)

    def came(self, target: int, origin: int, horizon: int, known_by: int) -> Ints:
        """(cells) records of one target, a position in TARGETS, in the window of an origin, as known by a day."""
        chosen = self.between(origin + 1, origin + horizon, known_by)
        found = np.bincount(self.cell[chosen], self.counts[chosen, target], self.cells + 1)
        return found[:-1].astype(np.int64)

    def truth(self, origin: int, horizon: int, known_by: int) -> tuple[Ints, Ints]:
        """What came in the window of an origin: (targets, cells) records, and (targets) those without a place too."""
        found = self.counted(origin + 1, origin + horizon, known_by)
        return found[:, :-1], found.sum(axis=1)


@dataclass(frozen=True)
class Daily:
    """Records of the whole city by day of occurrence, and within it by the day they were known."""

    occurred: Days
    known: Days
    counts: Ints

    def between(self, first: int, last: int, known_by: int) -> Floats:
        """(targets) records of these days, both included, as known by a day."""
        begin, end = (_first_after(self.occurred, day) for day in (first - 1, last))
        is_known = self.known[begin:end] <= known_by
        found: Floats = self.counts[begin:end][is_known].sum(axis=0).astype(np.float64)
        return found


def begin_of(occurred: Days) -> int | None:
    """The first day of a history without a long gap, from its days in any order; None if there is no day.

    One old record, of which most cities have some, would make years without records count as years without crime.
    """
    days = np.unique(occurred)
    if not len(days):
        return None
    (gaps,) = np.nonzero(np.diff(days) > MOST_DAYS_WITHOUT)
    return int(days[gaps[-1] + 1] if len(gaps) else days[0])


def daily(events: Events) -> Daily:
    """The events without their places."""
    order = np.lexsort((events.known, events.occurred))
    known, occurred = events.known[order], events.occurred[order]
    starts = _starts(occurred, known)
    return Daily(occurred[starts], known[starts], _added(events.counts[order], starts, np.int64))


def of_rows(rows: pa.Table, curve: Floats | None, lag: int, places: Places) -> Events:
    """The events of the statement's rows.

    `curve` is the share of a day's records that is known after 0, 1, … days; None where it is not learnt. `lag` is the
    number of days after which a day is complete. A record that was not seen to arrive becomes known when its draw says.
    """
    occurred = rows["occurred_on"].cast(pa.int32()).to_numpy()
    cell = place_of(places, rows["latitude"], rows["longitude"])
    return gathered(_known(rows, occurred, curve, lag), occurred, cell, _counts(rows), len(places))


def gathered(known: Days, occurred: Days, cell: NDArray[np.int32], counts: NDArray[np.integer], cells: int) -> Events:
    """Events from rows in any order; equal ones are added."""
    order = np.lexsort((cell, occurred, known))
    known, occurred, cell = known[order], occurred[order], cell[order]
    starts = _starts(known, occurred, cell)
    return Events(
        known[starts].astype(np.int32),
        occurred[starts].astype(np.int32),
        cell[starts].astype(np.int32),
        _added(counts[order], starts, np.uint16),
        cells,
    )


def _known(rows: pa.Table, occurred: Days, curve: Floats | None, lag: int) -> Days:
    known: Days = rows["first_day"].cast(pa.int32()).to_numpy()
    is_seen = rows["is_seen"].to_numpy() != 0
    delay = _delays(curve, lag)[rows["draw"].to_numpy()]
    known = np.where(is_seen, known, np.minimum(known, occurred + delay))
    known = np.maximum(known, occurred + np.int32(lag))
    return known


def _counts(rows: pa.Table) -> NDArray[np.uint16]:
    columns = [pc.fill_null(rows[target.column], 0).to_numpy().astype(np.uint16) for target in TARGETS]
    return np.stack(columns, axis=1)


def _first_after(ascending: Days, day: int) -> int:
    # A day of another width would be looked up in a copy of all days.
    return int(np.searchsorted(ascending, np.int32(day), side="right"))


def _starts(*columns: NDArray[np.int32]) -> Ints:
    """Where rows differ from the one before, in columns that the rows are sorted by."""
    is_new = np.zeros(len(columns[0]), dtype=bool)
    is_new[:1] = True
    for column in columns:
        is_new[1:] |= column[1:] != column[:-1]
    return np.nonzero(is_new)[0]


def _added(counts: NDArray[np.integer], starts: Ints, kind: type[Number]) -> NDArray[Number]:
    found = np.zeros((len(starts), counts.shape[1]), dtype=kind)
    # Column by column: all of them at once, wide enough to be added, would take four times the memory of the events.
    for target in range(counts.shape[1] if len(starts) else 0):
        found[:, target] = np.add.reduceat(counts[:, target], starts, dtype=np.int64)
    return found


def _delays(curve: Floats | None, lag: int) -> Days:
    """Draw → days after which such a record is known: one more than the curve has, if it is later than all of it."""
    if curve is None:
        return np.full(DRAWS, lag, dtype=np.int32)
    # A curve that falls somewhere would make a record known twice.
    rising = np.maximum.accumulate(np.asarray(curve)) * DRAWS
    return np.searchsorted(rising, np.arange(DRAWS), side="right").astype(np.int32)
