"""What lies in the landing store that the lake has not merged: the truth that a sensor's cursor is not.

Objects are told by key and etag, so it does not matter when they came, whether they were rewritten, or in what order.
A deleted object leaves nothing to merge.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from crime_assets.core import keys
from crime_assets.core.digests import set_digest
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import merged_inventory

RECENT_DAYS = 14
"""Change days looked at on every tick."""
SWEPT_DAYS = 50
"""Older change days looked at on one tick, in turn, so that each comes round."""


@dataclass(frozen=True)
class Unmerged:
    """A change day with objects that the lake has not merged; `state` names what lies there now."""

    day: date
    state: str


def days_to_watch(first: date, last: date, swept_to: date | None) -> tuple[list[date], date | None]:
    """The days of one tick, newest first, and how far the sweep of older days has come.

    `first` and `last` are the lake's change days; `swept_to` is what the tick before returned.
    """
    recent_from = max(first, last - timedelta(days=RECENT_DAYS - 1))
    recent = _down(last, recent_from)
    newest_old = recent_from - timedelta(days=1)
    if newest_old < first:
        return recent, None
    start = newest_old if swept_to is None or not first < swept_to <= newest_old else swept_to - timedelta(days=1)
    swept = _down(start, max(first, start - timedelta(days=SWEPT_DAYS - 1)))
    return recent + swept, swept[-1]


def unmerged(store: LandingStore, city: str, days: Iterable[date]) -> Iterator[Unmerged]:
    """Of these days, those with objects that are new or rewritten since the lake merged them."""
    for day in days:
        found = {(item.key, item.etag) for item in store.list(keys.deliveries_prefix(city, day))}
        merged = merged_inventory(store, city, day)
        if found - (merged.state if merged is not None else frozenset()):
            # The manifest counts too: a day that failed for want of it is worth another try once it is there.
            manifest = store.read(keys.manifest(city, day)) or b""
            state = {f"{key} {etag}" for key, etag in found} | {manifest.decode("utf-8", "replace")}
            yield Unmerged(day, set_digest(state))


def _down(last: date, first: date) -> list[date]:
    return [last - timedelta(days=n) for n in range((last - first).days + 1)]
