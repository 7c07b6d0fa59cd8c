"""Waiting for what a stream has taken and not yet written. A check judges what is still missing afterwards."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, timedelta

from crime_assets.core import keys
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory, take_inventories

_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 30.0
"""Seconds between two polls; each pause is twice as long as the one before."""


def wait_for_missing(
    store: LandingStore,
    city: str,
    inventories: Mapping[date, Inventory],
    patience_seconds: float,
    *,
    tell: Callable[[str], object] = lambda _: None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    sleep: Callable[[float], object] = time.sleep,
) -> dict[date, Inventory]:
    """The days' inventories, once all batches that the manifests promise have arrived, or waiting has timed out.

    A day is waited for until `patience_seconds` after its manifest was written, which is when its last record was
    taken. After that nothing more can be expected of the stream, so a later run does not wait at all.
    """
    found = dict(inventories)
    ends: dict[date, datetime] = {}
    if patience_seconds:
        for day in inventories:
            if found[day].missing_batches:
                ends[day] = _promised_at(store, city, day, clock()) + timedelta(seconds=patience_seconds)
    pause = _FIRST_PAUSE
    while pending := [day for day, end in ends.items() if found[day].missing_batches and clock() < end]:
        if pause == _FIRST_PAUSE:
            batches = sum(len(found[day].missing_batches) for day in pending)
            tell(f"Waiting for {batches} batches of {len(pending)} change days that have not arrived yet.")
        sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
        found |= take_inventories(store, city, [day for day in pending if _state(store, city, day) != found[day].state])
    return found


def _promised_at(store: LandingStore, city: str, day: date, now: datetime) -> datetime:
    """When the day's manifest was written; a clock that is ahead of ours must not make the wait longer."""
    return min([now, *(item.modified for item in store.list(keys.manifest(city, day)))])


def _state(store: LandingStore, city: str, day: date) -> frozenset[tuple[str, str]]:
    return frozenset((item.key, item.etag) for item in store.list(keys.deliveries_prefix(city, day)))
