"""The inventory of a change day: which objects were found, what they hold, and whether the manifest is kept.

Recorded when deliveries are checked, and once more when the lake has merged them: a sensor compares the two.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import date

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest, missing_batches
from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore, StoredObject
from crime_assets.streams.deliveries import DamagedLine, read_delivery


@dataclass(frozen=True)
class InventoryItem:
    """An object as it was found; `damage` says where its content breaks off."""

    key: str
    etag: str
    size: int
    records: int
    damaged_lines: int
    damage: str | None = None


@dataclass(frozen=True)
class Inventory:
    """What lies in the landing store for a change day. `distinct` counts different records."""

    items: list[InventoryItem] = field(default_factory=list)
    distinct: int = 0
    promised_batches: int | None = None
    missing_batches: list[str] = field(default_factory=list)

    @property
    def records(self) -> int:
        """Delivered records, repeated ones too."""
        return sum(item.records for item in self.items)

    @property
    def state(self) -> frozenset[tuple[str, str]]:
        """Key and etag of every object: equal states hold equal contents."""
        return frozenset((item.key, item.etag) for item in self.items)


def take_inventory(store: LandingStore, city: str, day: date) -> Inventory:
    """Look through the day's deliveries, hold them against the manifest, and record what was found."""
    batches: dict[str, set[str]] = {}
    items = [_look_at(store, found, city, batches) for found in store.list(keys.deliveries_prefix(city, day))]
    content = store.read(keys.manifest(city, day))
    manifest = load_manifest(content) if content is not None else None
    inventory = Inventory(
        items=items,
        distinct=len(set().union(*batches.values())),
        promised_batches=None if manifest is None else len(manifest.batches),
        missing_batches=[] if manifest is None else missing_batches(manifest, batches),
    )
    store.write(keys.inventory(city, day), _dump(inventory))
    return inventory


def read_inventory(store: LandingStore, city: str, day: date) -> Inventory | None:
    """The inventory last taken of a day; None if there is none."""
    return _load(store, keys.inventory(city, day))


def merged_inventory(store: LandingStore, city: str, day: date) -> Inventory | None:
    """The inventory of a day that the lake has merged; None if it never merged the day."""
    return _load(store, keys.merged(city, day))


def record_merged(store: LandingStore, city: str, day: date, inventory: Inventory) -> None:
    """Record that the lake holds everything of this inventory."""
    content = _dump(inventory)
    if store.read(keys.merged(city, day)) != content:
        store.write(keys.merged(city, day), content)


def merged_days(store: LandingStore, city: str) -> list[date]:
    """Change days that the lake has merged, in order."""
    days = (keys.merged_day(found.key) for found in store.list(keys.merged_prefix(city)))
    return sorted(day for day in days if day is not None)


def lines_of(store: LandingStore, city: str, inventories: Iterable[Inventory]) -> Iterator[Envelope | DamagedLine]:
    """Every line of the inventories' objects; an object that the inventory calls damaged ends where it breaks off."""
    for inventory in inventories:
        for item in inventory.items:
            try:
                yield from read_delivery(store, item.key, city)
            except LandingError:
                if item.damage is None:
                    raise


def _look_at(store: LandingStore, found: StoredObject, city: str, batches: dict[str, set[str]]) -> InventoryItem:
    records = damaged = 0
    damage = None
    try:
        for line in read_delivery(store, found.key, city):
            if isinstance(line, Envelope):
                batches.setdefault(line.batch, set()).add(line.md5)
                records += 1
            else:
                damaged += 1
    except LandingError as error:
        damage = str(error)
    return InventoryItem(found.key, found.etag, found.size, records, damaged, damage)


def _dump(inventory: Inventory) -> bytes:
    return json.dumps(asdict(inventory), indent=1).encode()


def _load(store: LandingStore, key: str) -> Inventory | None:
    content = store.read(key)
    if content is None:
        return None
    try:
        fields = json.loads(content)
        return Inventory(**{**fields, "items": [InventoryItem(**item) for item in fields["items"]]})
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise LandingError(
            f"{key} in the landing store cannot be read: remove it and materialize crime_deliveries and crimes of its "
            "day again."
        ) from error
