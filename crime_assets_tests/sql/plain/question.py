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
            "serial_ids_from": self.serial_ids_from,
        }

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
