"""What the landing store holds that the lake has not merged. This decides, not a sensor's cursor.

Objects are identified by key and etag, so it does not matter when they came, whether they were rewritten, or in what
order. A deleted object leaves nothing to merge. A day on which the source changed nothing has no objects; it is merged
too, because only then it is known not to be missing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.digests import set_digest
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory, merged_inventory

RECENT_DAYS = 14
"""Newest change days, which are checked on every tick."""
SWEPT_DAYS = 50
"""Older change days checked on one tick, in turn, so that each is checked sooner or later."""
AT_ONCE = 8
"""Change days checked at the same time: checking a remote store is mostly waiting."""


@dataclass(frozen=True)
class Unmerged:
    """A change day with objects that the lake has not merged; `state` identifies the objects there now."""

    day: date
    state: str


class Watch:
    """The days of one tick, newest first; older days only until time is up, but always some of them."""

    def __init__(self, first: date, last: date, swept_to: date | None, is_late: Callable[[], bool]) -> None:
        """`first` and `last` are the lake's change days, `swept_to` is what the watch of the previous tick returned."""
        self._days = _days_of_tick(first, last, swept_to)
        self._before = swept_to
        self._is_late = is_late
        self._handed_out = 0

    def __iter__(self) -> Iterator[date]:
        for number, day in enumerate(self._days):
            if number >= RECENT_DAYS + AT_ONCE and self._is_late():
                return
            self._handed_out = number + 1
            yield day

    def swept_to(self, stopped_at: date | None = None) -> date | None:
        """How far the sweep of older days has come; `stopped_at` is the day at which the caller stopped it."""
        used = self._days[: self._handed_out]
        if stopped_at is not None:
            used = used[: used.index(stopped_at) + 1]
        if len(self._days) <= RECENT_DAYS:
            return None
        return used[-1] if len(used) > RECENT_DAYS else self._before


def unmerged(store: LandingStore, city: str, days: Iterable[date]) -> Iterator[Unmerged]:
    """Those of the days, in order, with objects that are new or rewritten since the lake merged them."""
    coming = iter(days)
    looks: deque[Future[Unmerged | None]] = deque()
    with ThreadPoolExecutor(AT_ONCE) as lookers:
        while True:
            looks.extend(lookers.submit(_look, store, city, day) for day in islice(coming, AT_ONCE - len(looks)))
            if not looks:
                return
            if found := looks.popleft().result():
                yield found


def _look(store: LandingStore, city: str, day: date) -> Unmerged | None:
    found = {(item.key, item.etag) for item in store.list(keys.deliveries_prefix(city, day))}
    merged = _merged(store, city, day)
    if merged is not None and found <= merged.state:
        return None
    # The manifest counts too: a day that failed because it was missing is worth another try once it exists.
    manifest = store.read(keys.manifest(city, day)) or b""
    if not found and not _was_quiet(manifest):
        return None
    state = {f"{key} {etag}" for key, etag in found} | {manifest.decode("utf-8", "replace")}
    return Unmerged(day, set_digest(state))


def _was_quiet(manifest: bytes) -> bool:
    """Whether the day was pulled after the source had completed it, and there was nothing to deliver."""
    try:
        promised = load_manifest(manifest)
    except LandingError:
        return False
    return promised.complete and not promised.batches


def _merged(store: LandingStore, city: str, day: date) -> Inventory | None:
    try:
        return merged_inventory(store, city, day)
    except LandingError:
        # It cannot be read: merging the day again changes nothing and rewrites it.
        return None


def _days_of_tick(first: date, last: date, swept_to: date | None) -> list[date]:
    recent_from = max(first, last - timedelta(days=RECENT_DAYS - 1))
    recent = _down(last, recent_from)
    newest_old = recent_from - timedelta(days=1)
    if newest_old < first:
        return recent
    start = newest_old if swept_to is None or not first < swept_to <= newest_old else swept_to - timedelta(days=1)
    return recent + _down(start, max(first, start - timedelta(days=SWEPT_DAYS - 1)))


def _down(last: date, first: date) -> list[date]:
    return [last - timedelta(days=n) for n in range((last - first).days + 1)]
