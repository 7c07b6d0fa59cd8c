"""Objects of live reports that are old go, once the lake, and a warehouse if there is one, have what is in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from crime_assets.incidents.chain import ALERTS as ALERTS_CHAIN
from crime_assets.incidents.chain import DELIVERIES, QUARANTINE
from crime_assets.incidents.retention import remove_old
from crime_assets.incidents.warehouse import Warehouse
from crime_assets.incidents.warehouse.following import loaded_to
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.live import ALERTS, HISTORY
from crime_assets.lakehouse.writing.fir import read_to
from crime_assets.streams import LandingStore


@dataclass(frozen=True)
class Kept:
    """For how many days objects are kept."""

    deliveries: float = 35.0
    alerts: float = 90.0
    quarantine: float = 30.0


def remove_old_objects(
    lake: Lake, store: LandingStore, stream: str, warehouse: Warehouse | None, now: datetime, kept: Kept
) -> dict[str, int]:
    """Remove what was kept long enough; how many objects of each chain. Quarantine is in no table: it goes by its age.

    WarehouseError if the warehouse cannot be asked; then no delivery was removed.
    """
    known = read_to(lake, HISTORY)
    if warehouse is not None:
        # One that was set but never loaded has no tables.
        warehouse.prepare()
        known = {epoch: min(number, loaded_to(warehouse, stream, epoch)) for epoch, number in known.items()}
    wanted = {
        DELIVERIES: (kept.deliveries, known),
        ALERTS_CHAIN: (kept.alerts, read_to(lake, ALERTS)),
        QUARANTINE: (kept.quarantine, None),
    }
    return {
        chain: remove_old(store, stream, chain, now - timedelta(days=days), only)
        for chain, (days, only) in wanted.items()
    }
