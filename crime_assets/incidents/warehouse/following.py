"""A warehouse follows a chain of deliveries, in its order: its ledger says how far it has come."""

from __future__ import annotations

from crime_assets.core import keys
from crime_assets.incidents.chain import DELIVERIES, Chain
from crime_assets.incidents.warehouse import Loaded, Warehouse
from crime_assets.streams import LandingStore

_AT_ONCE = 100
"""Objects of a transaction: who is stopped has to load these again."""


def loaded_to(warehouse: Warehouse, stream: str, epoch: str) -> int:
    """The number of the last delivery of an epoch that was loaded; 0 if none was."""
    last = warehouse.last(keys.live_chain_prefix(stream, epoch, DELIVERIES))
    parts = keys.live_link_parts(last) if last else None
    return parts[2] if parts else 0


def load_chain(
    warehouse: Warehouse, store: LandingStore, stream: str, epoch: str, until: int, *, at_once: int = _AT_ONCE
) -> Loaded:
    """Load the deliveries of an epoch that were not loaded yet, up to this one."""
    warehouse.prepare()
    chain = Chain(store, stream, epoch, DELIVERIES)
    first = max(loaded_to(warehouse, stream, epoch) + 1, chain.begins())
    objects = reports = changed = 0
    for number in range(first, until + 1, at_once):
        some = [chain.key(one) for one in range(number, min(number + at_once, until + 1))]
        done = warehouse.load(store, some)
        objects, reports, changed = objects + done.objects, reports + done.reports, changed + done.changed
    return Loaded(objects, reports, changed)
