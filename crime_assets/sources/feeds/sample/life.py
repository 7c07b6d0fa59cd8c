"""When a record happens, is published, edited, stamped and deleted. How it looks does not belong here.

The rules, all of them chance drawn from the record's own key:

- A record is published at least `FIRST_STAMP_DAYS` after the day it occurred, 96 of 100 on the first day possible.
- Edits: an arrest made late, a new classification, a corrected place; each at most once, at most `LAST_EDIT_DAYS` after
  the day it occurred, each with a new stamp.
- A day has two stamps, like the real feed: edits first, new records about eight minutes later.
- The bulk re-stamp: on 10 February all records of the calendar year before last get one second.
- One record in 2,000 is deleted some weeks after it was published. Nothing says so but its absence.
- A copy repeats the record before it but for the id: a look-alike, or the second victim of a homicide.

What is planted comes after the ordinary records of its day and lives by the same rules.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np

from crime_assets.core.errors import UsageError
from crime_assets.sources.feeds import Stamps
from crime_assets.sources.feeds.sample import offenses, shares
from crime_assets.sources.feeds.sample.draws import Draws, Flags, Floats, Ints
from crime_assets.sources.feeds.sample.planted import Planted, QuietDay, Surge

FIRST_STAMP_DAYS = 7
"""The newest record of a change day occurred this many days before (11-12 on 2018-11-19 in the export of 2018)."""
LAST_EDIT_DAYS = 400

NEVER = 2**31
"""A day that never comes."""
HIDDEN = -(2**62)
"""The stamp of a record that the city does not show: before all others."""
ANYWHERE = -1
"""Instead of a block: any block, by chance."""

_EPOCH = date(1970, 1, 1)
_ROOM = 4096  # more records than a day ever has
_MEAN_DELAY, _MOST_DELAY = 25.0, 300
_MEAN_EDIT = 60.0
_RECLASSIFIED, _RELOCATED = 0.04, 0.04
_DELETED = 1 / 2000
_LOOK_ALIKES = 1 / 10_000
_RESTAMP_SECOND = (15 * 60 + 50) * 60 + 1


@dataclass(frozen=True)
class Lives:
    """The records of some days of occurrence. Days count from 1970-01-01; one entry a record."""

    day: Ints
    number: Ints
    """Place in the day, from 0."""
    source: Ints
    """The number whose draws the record shows: its own, or that of the record it repeats."""
    offense: Ints
    """Index into `offenses`, as finally classified."""
    block: Ints
    """Index of the block that a planted record is on; ANYWHERE for the others."""
    published: Ints
    """NEVER if it did not happen because of a quiet day."""
    arrested: Ints
    """From when on an arrest is recorded; NEVER if none is."""
    reclassified: Ints
    """From when on `offense` is shown rather than an earlier classification; NEVER where it always was."""
    relocated: Ints
    deleted: Ints
    restamped: int
    """The day of the bulk re-stamp, the same for all."""
    seed: int

    def stamps(self, today: int) -> Ints:
        """The change stamp that each record shows on `today`, in seconds from 1970 of the city's clock.

        HIDDEN where it shows no such record.
        """
        last = self.published
        for edit in (self.arrested, self.reclassified, self.relocated):
            last = np.where(edit < today, np.maximum(last, edit), last)
        published, edited = _seconds(self.seed, last)
        second = np.where(last == self.published, published, edited)
        if self.restamped < today:
            last, second = np.full_like(last, self.restamped), np.full_like(second, _RESTAMP_SECOND)
        shown = (self.published < today) & (self.deleted >= today)
        return np.where(shown, last * 86_400 + second, HIDDEN)


def stamps_of(stamps: Ints) -> Stamps:
    """The sums of the parts of change stamps that are seconds from 1970."""
    days = (stamps // 86_400).astype("datetime64[D]")
    months = days.astype("datetime64[M]").astype(np.int64) + 1970 * 12
    of_month = (days - days.astype("datetime64[M]")).astype(np.int64) + 1
    parts = (months // 12, months % 12 + 1, of_month, stamps // 3600 % 24, stamps // 60 % 60, stamps % 60)
    return Stamps(len(stamps), *(int(part.sum()) for part in parts))


def ordinal(day: date) -> int:
    """Days from 1970-01-01."""
    return (day - _EPOCH).days


def date_of(day: int) -> date:
    """The day that is so many days from 1970-01-01."""
    return _EPOCH + timedelta(days=day)


def keys(day: Ints, number: Ints) -> Ints:
    """One whole number for each record, growing with day and number."""
    return day * _ROOM + number


def day_of(key: int) -> date:
    """The day on which the record with that key occurred."""
    return date_of(key // _ROOM)


def months(first: date, last: date) -> Iterator[tuple[int, int]]:
    """(year, month) of every month with a day from `first` to `last`."""
    for index in range(first.year * 12 + first.month - 1, last.year * 12 + last.month):
        yield index // 12, index % 12 + 1


def restamp_years(first: date, last: date) -> list[int]:
    """The years whose records are stamped in bulk on a day from `first` to `last`."""
    return [year - 2 for year in range(first.year, last.year + 1) if first <= date(year, 2, 10) <= last]


def month(seed: int, year: int, number: int, planted: Sequence[Planted] = ()) -> Lives:
    """The records that occurred in a month."""
    first, after = date(year, number, 1), date(year + number // 12, number % 12 + 1, 1)
    days = np.arange(ordinal(first), ordinal(after))
    surges = [pattern for pattern in planted if isinstance(pattern, Surge)]
    of_day = Draws(seed, days)
    ends = np.cumsum([crimes(seed, days), *(surge.crimes(of_day, days) for surge in surges)], axis=0)
    counts = ends[-1]
    day = np.repeat(days, counts)
    place = np.arange(len(day)) - np.repeat(np.cumsum(counts) - counts, counts)
    offense, block = offenses.final(Draws(seed, keys(day, place))), np.full(len(day), ANYWHERE)
    for surge, start, end in zip(surges, ends[:-1], ends[1:], strict=True):
        rows = np.flatnonzero((place >= np.repeat(start, counts)) & (place < np.repeat(end, counts)))
        draws = Draws(seed, keys(day[rows], place[rows]))
        offense[rows], block[rows] = surge.offenses(draws), surge.blocks(draws, day[rows])
    lives = _lived(seed, day, place, offense, block, restamped=ordinal(date(year + 2, 2, 10)))
    for pattern in planted:
        if isinstance(pattern, QuietDay):
            left_out = pattern.leaves_out(Draws(seed, keys(day, place)), day)
            lives = replace(lives, published=np.where(left_out, NEVER, lives.published))
    return lives


def crimes(seed: int, days: Ints) -> Ints:
    """How many crimes occur on each of the days: by month and weekday, more on the first of a month, and chance."""
    dates = days.astype("datetime64[D]")
    months = dates.astype("datetime64[M]").astype(np.int64) % 12
    by_month = np.array(shares.BY_MONTH) / np.mean(shares.BY_MONTH)
    by_weekday = np.array(shares.BY_WEEKDAY) / np.mean(shares.BY_WEEKDAY)
    first = dates == dates.astype("datetime64[M]")
    new_year = dates == dates.astype("datetime64[Y]")
    factor = by_month[months] * by_weekday[(days + 3) % 7]
    factor = factor * np.where(new_year, shares.NEW_YEAR, np.where(first, shares.FIRST_OF_MONTH, 1.0))
    chance = 0.94 + 0.12 * Draws(seed, days).uniform("crimes of the day")
    return np.asarray(np.rint(shares.CRIMES_A_DAY * factor * chance), dtype=np.int64)


def begin(seed: int, origin: date, rows: int) -> int:
    """The key of the city's first record, so that about `rows` are published before `origin`."""
    days = np.arange(ordinal(origin) - FIRST_STAMP_DAYS - 1, -1, -1)
    counts = crimes(seed, days)
    expected = np.cumsum(counts * _published_share(ordinal(origin) - days))
    if rows < 1 or not len(expected) or expected[-1] < rows:
        most = int(expected[-1]) if len(expected) else 0
        raise UsageError(f"The sample city has no {rows:,} rows before {origin}: ask for 1 to {most:,}.")
    last = int(np.searchsorted(expected, rows))
    # The first day is cut, so that a city of a few days has the rows it should.
    spare = (expected[last] - rows) / _published_share(ordinal(origin) - days[last : last + 1])[0]
    return int(keys(days[last : last + 1], np.array([int(spare)]))[0])


def _published_share(age: Ints) -> Floats:
    """How many of the records that occurred `age` days ago have been published by now."""
    late = 1 - np.exp(-np.maximum(age - FIRST_STAMP_DAYS - 1, 0) / _MEAN_DELAY)
    return np.asarray((shares.ON_TIME + (1 - shares.ON_TIME) * late) * (1 - _DELETED))


def _copies(seed: int, day: Ints, place: Ints, offense: Ints) -> Flags:
    draws = Draws(seed, keys(day, place))
    after_homicide = np.roll(offenses.HOMICIDE[offense], 1)
    copy = draws.below("look-alike", _LOOK_ALIKES) | (after_homicide & draws.below("second victim", shares.SAME_CASE))
    copy &= place > 0
    # A copy of a copy would repeat draws that no record shows.
    return copy & ~np.roll(copy, 1)


def _lived(seed: int, day: Ints, place: Ints, own_offense: Ints, own_block: Ints, restamped: int) -> Lives:
    source = np.where(_copies(seed, day, place, own_offense), place - 1, place)
    shown = np.arange(len(day)) - (place - source)
    offense = own_offense[shown]
    draws = Draws(seed, keys(day, source))
    delay = np.minimum(draws.days("delay", _MEAN_DELAY), _MOST_DELAY)
    published = day + FIRST_STAMP_DAYS + np.where(draws.below("on time", shares.ON_TIME), 0, delay)

    def edited(purpose: str, share: float | Floats, mean_delay: float = _MEAN_EDIT) -> Ints:
        at = np.minimum(published + draws.days(f"{purpose}: when", mean_delay), day + LAST_EDIT_DAYS)
        return np.where(draws.below(purpose, share), at, NEVER)

    late_arrest = edited("late arrest", offenses.LATE_ARREST[offense], shares.LATE_ARREST_DAYS)
    arrested = np.where(late_arrest == NEVER, published, late_arrest)
    weeks_later = published + 14 + np.floor(77 * draws.uniform("deleted: when")).astype(np.int64)
    return Lives(
        day=day,
        number=place,
        source=source,
        offense=offense,
        block=own_block[shown],
        published=published,
        arrested=np.where(draws.below("arrest", offenses.ARREST[offense]), arrested, NEVER),
        reclassified=edited("reclassified", _RECLASSIFIED),
        relocated=edited("relocated", _RELOCATED),
        deleted=np.where(draws.below("deleted", _DELETED), weeks_later, NEVER),
        restamped=restamped,
        seed=seed,
    )


def _seconds(seed: int, days: Ints) -> tuple[Ints, Ints]:
    """Seconds after midnight of a day's two stamps: of new records, and of edited ones."""
    draws = Draws(seed, days)
    published = (15 * 60 + 50) * 60 + np.floor(2_100 * draws.uniform("stamp")).astype(np.int64)
    return published, published - 450 - np.floor(60 * draws.uniform("earlier stamp")).astype(np.int64)
