"""What an insight is asked, and the periods that most of them answer for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from functools import cached_property

import pandas as pd

Row = dict[str, object]


@dataclass(frozen=True)
class Period:
    """A period and its crimes. `first_day` is None for the period "all" of a table without crimes."""

    as_of_day: date
    name: str
    first_day: date | None
    last_day: date
    crimes: pd.DataFrame

    @property
    def leading(self) -> Row:
        """The first columns of each of its rows."""
        return {"period": self.name, "first_day": self.first_day, "last_day": self.last_day}

    @property
    def days(self) -> list[date]:
        if self.first_day is None:
            return []
        return [self.first_day + timedelta(days=n) for n in range((self.last_day - self.first_day).days + 1)]


@dataclass(frozen=True, eq=False)
class Question:
    """What was known on a day: the rows of `crimes`, and those versions of them that had been replaced by then.

    `last_complete_day` is eight days before the as-of day unless it is given, as for Chicago.
    """

    rows: pd.DataFrame
    as_of_day: date
    superseded: pd.DataFrame | None = None
    first_change_day: date = date(2024, 1, 1)
    removed: pd.DataFrame | None = None
    serial_ids_from: date = date.max
    pulled_since: date | None = None
    """The first change day from which on none is missing; None for that of the lake."""

    @property
    def last_complete_day(self) -> date:
        return self.as_of_day - timedelta(days=8)

    @property
    def parameters(self) -> dict[str, date]:
        """As the statements take them."""
        return {
            "as_of_day": self.as_of_day,
            "last_complete_day": self.last_complete_day,
            "first_change_day": self.first_change_day,
            "pulled_since": self.pulled_since or self.first_change_day,
            "serial_ids_from": self.serial_ids_from,
        }

    @property
    def pulled_from(self) -> date:
        return self.pulled_since or self.first_change_day

    @property
    def is_pulled_with_gap(self) -> bool:
        return self.pulled_from > self.first_change_day

    def lacks(self, window: tuple[date, date]) -> bool:
        """Whether the last change day that was never pulled would have brought records of a window, if late ones."""
        missing = self.pulled_from - timedelta(days=1)
        return self.is_pulled_with_gap and window[0] <= missing < window[1] + timedelta(days=90)

    def is_whole(self, window: tuple[date, date]) -> bool:
        """Whether the lake holds a window: from its first record on, without 28 days or more in a row without one."""
        return self.unrecorded.isdisjoint(pd.date_range(*window)) and not self.lacks(window)

    @cached_property
    def unrecorded(self) -> set[pd.Timestamp]:
        """The days before the first record, of the last fifty years, and of every 28 days or more without one."""
        last = _at(self.last_complete_day)
        recorded = {day for day in self.crimes["occurred_on"] if day <= last}
        found: set[pd.Timestamp] = set()
        empty: list[pd.Timestamp] = []
        has_begun = False
        for day in pd.date_range(last - pd.DateOffset(years=50), last):
            if day in recorded:
                found.update(empty if len(empty) >= 28 or not has_begun else ())
                empty, has_begun = [], True
            else:
                empty.append(day)
        found.update(empty if len(empty) >= 28 or not has_begun else ())
        return found

    @cached_property
    def crimes(self) -> pd.DataFrame:
        """The rows, days as timestamps, flags True or False."""
        return self.rows.assign(
            occurred_on=pd.to_datetime(self.rows["occurred_on"]),
            arrest=self.rows["arrest"].eq(True).fillna(False).astype(bool),
            domestic=self.rows["domestic"].eq(True).fillna(False).astype(bool),
        )

    @cached_property
    def periods(self) -> list[Period]:
        """28d and 365d, which end on the last complete day, and all, each with its crimes."""
        known = self.crimes[self.crimes["occurred_on"] <= pd.Timestamp(self.as_of_day)]
        begin, end = None if known.empty else known["occurred_on"].min().date(), self.last_complete_day
        bounds = {
            "28d": (end - timedelta(days=27), end),
            "365d": (end - timedelta(days=364), end),
            "all": (begin, self.as_of_day),
        }
        return [
            Period(self.as_of_day, name, first, last, known[known["occurred_on"].between(_at(first), _at(last))])
            for name, (first, last) in bounds.items()
        ]


def _at(day: date | None) -> pd.Timestamp:
    return pd.Timestamp(day)


def ratio(part: float, whole: float) -> float | None:
    """A share; None of nothing."""
    return float(part) / float(whole) if whole else None
