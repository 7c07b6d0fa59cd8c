"""The simulated New York: quarters of a year, published as a whole some weeks after they ended, without change stamps.

It is the same simulation as Chicago's (`life`), told as complaints (`complaints`).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from crime_assets.sources.cities import City
from crime_assets.sources.feeds import History, Publication
from crime_assets.sources.feeds.sample import complaints, known, life, planted

_EDITION = 1
"""Increased when the same seed gives other records."""


class SamplePublications:
    """All that a simulated city holds in its newest publication before `today`. Implements PublishedFeed.

    A publication has what was reported in whole quarters of a year; a complaint is reported when Chicago would publish
    it, without the delay that Chicago has on every record. It shows offenses and places as they are known on the day
    on which it is published. The last one up to `origin`, the lake's first change day, has about `rows` records, and
    the patterns of `planted` at its end. Records are functions of `seed`, as in SampleFeed.

    UsageError if the city cannot be simulated or cannot have that many rows.
    """

    name = "sample"

    def __init__(self, city: City, *, origin: date, today: date, rows: int = 250_000, seed: int = 7) -> None:
        known.check(city, complaints.FIELDS)
        self._city, self._seed = city, seed
        self._latest_day = today - timedelta(days=1)
        self._after = _first_missing(city, self._latest_day)
        first_after = _first_missing(city, origin)
        self._planted = planted.around(first_after)
        self._begin = life.begin(seed, first_after + timedelta(days=life.FIRST_STAMP_DAYS), rows)
        self._version = f"sample {city.name} {_EDITION} {seed} {self._begin} {first_after} {self._after}"

    def columns(self) -> frozenset[str]:
        """New York's fields."""
        return complaints.FIELDS

    def latest_day(self) -> date:
        """The day before `today`."""
        return self._latest_day

    def total(self) -> None:
        """See Feed."""

    def undated(self) -> int:
        """None: every record belongs to its publication."""
        return 0

    def publication(self) -> Publication:
        """See PublishedFeed."""
        return Publication(self._published(), self._version, lambda: map(self._month, self._months()))

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """See Feed: all that is published now, a month of occurrence at a time."""
        months = {f"{year}-{month:02}": (year, month) for year, month in self._months()}
        yield History(f"{self._version} before {before}", list(months), lambda part: self._month(months[part]))

    def _published(self) -> date:
        """The first day on which the newest publication is complete."""
        return self._after + timedelta(days=self._city.lag_days)

    def _months(self) -> list[tuple[int, int]]:
        return list(life.months(life.day_of(self._begin), self._after - timedelta(days=1)))

    def _month(self, of: tuple[int, int]) -> pa.Table:
        lives = life.month(self._seed, *of, planted=self._planted)
        today = life.ordinal(self._published())
        is_reported = lives.published < life.ordinal(self._after) + life.FIRST_STAMP_DAYS
        is_of_lake = life.keys(lives.day, lives.number) >= self._begin
        rows = np.flatnonzero(is_reported & is_of_lake & (lives.deleted >= today))
        return pa.Table.from_batches([complaints.batch(lives, rows, today)], complaints.SCHEMA)


def _first_missing(city: City, day: date) -> date:
    """The first day of which nothing is published yet on that day: the first day of a quarter."""
    return city.last_complete_day(day) + timedelta(days=1)
