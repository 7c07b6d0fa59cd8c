"""Old objects of chains are removed from the landing store: from the beginning of a chain, never out of its middle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime

from crime_assets.core import keys
from crime_assets.incidents.chain import Chain
from crime_assets.streams import LandingStore


def remove_old(
    store: LandingStore, stream: str, chain: str, before: datetime, only: Mapping[str, int] | None = None
) -> int:
    """Remove the objects of a chain, of all epochs, that were written before a moment; returns how many.

    `only` says of each epoch up to which number they may go, none of an epoch that it does not name: what others have
    to read first. The first object that has to stay keeps all that come after it.
    """
    removed = 0
    for epoch, objects in _objects(store, stream, chain).items():
        most = max(objects) if only is None else only.get(epoch, 0)
        stays = min((n for n, written in objects.items() if n > most or written >= before), default=max(objects) + 1)
        gone = [number for number in objects if number < stays]
        if gone:
            of_epoch = Chain(store, stream, epoch, chain)
            # First: who reads a chain from its beginning never finds a gap.
            if stays > of_epoch.begins():
                of_epoch.begin_at(stays)
            for number in sorted(gone):
                store.delete(of_epoch.key(number))
            removed += len(gone)
    return removed


def _objects(store: LandingStore, stream: str, chain: str) -> dict[str, dict[int, datetime]]:
    """Epoch → number of an object → when it was written."""
    found: dict[str, dict[int, datetime]] = defaultdict(dict)
    for one in store.list(keys.live_links_prefix(stream)):
        parts = keys.live_link_parts(one.key)
        if parts is not None and parts[1] == chain:
            found[parts[0]][parts[2]] = one.modified
    return found
