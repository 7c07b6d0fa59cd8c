"""Which change days the lake lacks: the landing store's record of merged days decides, whoever had to merge them.

When missing days are requested, and by whom, is decided elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import date, timedelta

from crime_assets.core import keys
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_days
from crime_assets.streams.pull import LOOK_BACK, days_between

Range = tuple[date, date]
"""First and last day, both included."""

_ONE_DAY = timedelta(days=1)
_MOST_NAMED = 10


def missing_days(store: LandingStore, city: str, first: date, last: date) -> list[date]:
    """Change days from `first` to `last` that the lake has not merged, in order."""
    merged = set(merged_days(store, city))
    return [day for day in days_between(first, last) if day not in merged]


def next_days(store: LandingStore, city: str, missing: Iterable[date], most: int) -> list[date]:
    """The missing days to request next, in order: the `most` oldest ones.

    Days that were never pulled go before days that were pulled but whose merge has failed: however many of the latter
    there are, they keep nothing else waiting.
    """
    pulled = {keys.manifest_day(found.key) for found in store.list(keys.manifests_prefix(city))}
    return sorted(sorted(missing, key=lambda day: (day in pulled, day))[: max(most, 0)])


def ranges(days: Iterable[date]) -> list[Range]:
    """The days as ranges without gaps, in order."""
    return _joined(days, _ONE_DAY)


def ranges_to_pull(days: Iterable[date], apart_from: Collection[date] = ()) -> list[Range]:
    """The days as few ranges; a day that is also in `apart_from` is a range of its own.

    A range includes other days in between if the look-back of a pull reaches them anyway.
    """
    return _joined(days, LOOK_BACK + _ONE_DAY, apart_from)


def named(days: Collection[date]) -> str:
    """The days as text for a sentence: ranges, shortened if there are many."""
    found = ranges(days)
    texts = [str(first) if first == last else f"{first} to {last}" for first, last in found[:_MOST_NAMED]]
    if len(found) > _MOST_NAMED:
        texts.append(f"and {len(found) - _MOST_NAMED:,} more ranges up to {found[-1][1]}")
    return ", ".join(texts)


def _joined(days: Iterable[date], step: timedelta, apart_from: Collection[date] = ()) -> list[Range]:
    found: list[Range] = []
    for day in sorted(set(days)):
        if found and day - found[-1][1] <= step and not set(days_between(found[-1][1], day)) & set(apart_from):
            found[-1] = (found[-1][0], day)
        else:
            found.append((day, day))
    return found
