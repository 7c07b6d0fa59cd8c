"""A deterministic simulator of a city that behaves like the real Chicago feed. No file, no network, no clock.

What a city holds is decided in `life` (when records appear, change and vanish), `offenses`, `times` and `places` (what,
when, where; `geography` says what shape its areas have), `texts` (how it looks and what is wrong with it), with the
figures of `shares`; `planted` has patterns that are no chance. Only what is asked for is made here. The simulated New
York is the same city in other words: `publications` and `complaints`.
"""

from __future__ import annotations

import zlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from functools import lru_cache, partial

import numpy as np
import pyarrow as pa

from crime_assets.sources.cities import City
from crime_assets.sources.feeds import History, Record, Stamps
from crime_assets.sources.feeds.sample import known, life, texts
from crime_assets.sources.feeds.sample.draws import Ints
from crime_assets.sources.feeds.sample.life import Lives
from crime_assets.sources.feeds.sample.planted import Planted

_CACHED_MONTHS = 32
_EDITION = 2
"""Increased when the same seed gives other records: a history half loaded then begins anew."""


class SampleFeed:
    """A simulated city as its API would answer on `today`.

    `origin` is the lake's first change day; about `rows` records were published before it, at about 695 crimes a day.
    A record is a function of `seed`, the day it occurred and its number in that day: `origin` and `rows` only say where
    the city begins, `today` only which version of a record is the current one. Change days before `today` are complete.
    What is `planted` comes on top, or is left out; all other records stay the same.

    UsageError if the city's fields are not those of Chicago or the city cannot have that many rows.
    """

    name = "sample"

    def __init__(
        self,
        city: City,
        *,
        origin: date,
        today: date,
        rows: int = 250_000,
        seed: int = 7,
        planted: tuple[Planted, ...] = (),
    ) -> None:
        known.check(city, texts.FIELDS)
        self._today = today
        self._name = f"sample {_EDITION} {seed}" + (
            f" planted {zlib.crc32(repr(planted).encode()):08x}" if planted else ""
        )
        self._begin = life.begin(seed, origin, rows)
        self._month = lru_cache(maxsize=_CACHED_MONTHS)(partial(life.month, seed, planted=planted))

    def columns(self) -> frozenset[str]:
        """Chicago's fields."""
        return texts.FIELDS

    def latest_day(self) -> date:
        """The day before `today`."""
        return self._today - timedelta(days=1)

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """Every record whose current change stamp is on a day from `first` to `last`, each once, oldest first."""
        for lives, rows, stamps in self._changed(first, last):
            yield from texts.records(self._batch(lives, rows, stamps))

    def count(self, first: date, last: date) -> int:
        """How many records `changes(first, last)` yields."""
        return sum(len(rows) for _, rows, _ in self._changed(first, last))

    def total(self) -> None:
        """See Feed."""

    def undated(self) -> int:
        """Every record of the sample city has a change stamp."""
        return 0

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        """Of the records with a current change stamp up to `until` that occurred in each month."""
        found: dict[date | None, Stamps] = {}
        for year, month in life.months(self._first_day(), until):
            for _, _, stamps in self._current(year, month, 0, life.ordinal(until) + 1):
                found[date(year, month, 1)] = life.stamps_of(stamps)
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        """Those records of these months, each once."""
        for month in months:
            if month is not None:
                for lives in self._current(month.year, month.month, 0, life.ordinal(until) + 1):
                    yield from texts.records(self._batch(*lives))

    def present(self, ids: Collection[int]) -> set[int]:
        """The ids among these that the city shows now."""
        today = life.ordinal(self._today)
        days = {life.date_of(day) for day in map(texts.day_of, ids) if day < today}
        found: set[int] = set()
        for year, month in {(day.year, day.month) for day in days}:
            for lives, rows, _ in self._current(year, month, 0, today):
                found.update(texts.ids(lives.day[rows], lives.number[rows]).tolist())
        return found.intersection(ids)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """Every record whose current change stamp is before `before`, a month of occurrence at a time."""
        newest = min(before, self._today) - timedelta(days=life.FIRST_STAMP_DAYS)
        months = {f"{year}-{month:02}": (year, month) for year, month in life.months(self._first_day(), newest)}

        def read(part: str) -> pa.Table:
            found = self._current(*months[part], 0, life.ordinal(before))
            return pa.Table.from_batches([self._batch(*lives) for lives in found], texts.SCHEMA)

        yield History(f"{self._name} {self._begin} {before}", list(months), read)

    def _changed(self, first: date, last: date) -> Iterator[tuple[Lives, Ints, Ints]]:
        """The records of a window of change days, looking only where such records can have occurred."""
        first, last = max(first, self._first_day()), min(last, self.latest_day())
        oldest = max(first - timedelta(days=life.LAST_EDIT_DAYS), self._first_day())
        months = set(life.months(oldest, last - timedelta(days=life.FIRST_STAMP_DAYS)))
        for year in life.restamp_years(first, last):
            months.update(life.months(max(date(year, 1, 1), self._first_day()), date(year, 12, 31)))
        for year, month in sorted(months):
            yield from self._current(year, month, life.ordinal(first), life.ordinal(last) + 1)

    def _current(self, year: int, month: int, first: int, after: int) -> Iterator[tuple[Lives, Ints, Ints]]:
        """The month's records now stamped on a day from `first` on and before `after`: positions and stamps, if any."""
        lives = self._month(year, month)
        stamps = lives.stamps(life.ordinal(self._today))
        in_window = (stamps >= first * 86_400) & (stamps < after * 86_400)
        rows = np.flatnonzero(in_window & (life.keys(lives.day, lives.number) >= self._begin))
        if len(rows):
            yield lives, rows, stamps[rows]

    def _batch(self, lives: Lives, rows: Ints, stamps: Ints) -> pa.RecordBatch:
        return texts.batch(lives, rows, stamps, life.ordinal(self._today))

    def _first_day(self) -> date:
        return life.day_of(self._begin)
