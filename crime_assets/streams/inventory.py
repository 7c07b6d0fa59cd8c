"""The inventory of a change day: which objects were found, what they hold, and whether they fulfill the manifest.

Recorded when deliveries are checked, and again when the lake has merged them: a sensor compares the two.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest, missing_batches
from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore, StoredObject
from crime_assets.streams.deliveries import DamagedLine, content_of, read_delivery
from crime_assets.streams.writing import write_all

_KINDS: dict[type, str] = {str: "text", bool: "flag", int: "number", float: "number", dict: "object", list: "list"}
_LARGEST_WHOLE = 16 << 20
"""Largest object, in unpacked bytes, that is read in one piece."""


@dataclass(frozen=True)
class InventoryItem:
    """An object as it was found; `damage` says where its content is cut off.

    `is_plain`: it is whole, every line is an envelope, and any JSON reader would read the same in it.
    """

    key: str
    etag: str
    size: int
    records: int
    damaged_lines: int
    damage: str | None = None
    is_plain: bool = False


@dataclass(frozen=True)
class Inventory:
    """What the landing store holds for a change day. `distinct` counts different records, `kinds` says for each field
    which types its values have in JSON: text, flag, number, object or list.
    """

    items: list[InventoryItem] = field(default_factory=list)
    distinct: int = 0
    promised_batches: int | None = None
    missing_batches: list[str] = field(default_factory=list)
    kinds: dict[str, list[str]] = field(default_factory=dict)

    @property
    def records(self) -> int:
        """Delivered records, repeated ones too."""
        return sum(item.records for item in self.items)

    @property
    def state(self) -> frozenset[tuple[str, str]]:
        """Key and etag of every object: equal states mean equal contents."""
        return frozenset((item.key, item.etag) for item in self.items)


def take_inventory(store: LandingStore, city: str, day: date) -> Inventory:
    """Read the day's deliveries, compare them with the manifest, and record what was found."""
    return take_inventories(store, city, [day])[day]


def take_inventories(store: LandingStore, city: str, days: Iterable[date]) -> dict[date, Inventory]:
    """The inventory of each of the days."""
    taken: dict[date, Inventory] = {}

    def records() -> Iterator[tuple[str, bytes]]:
        for day in days:
            taken[day] = _look_through(store, city, day)
            yield keys.inventory(city, day), _dump(taken[day])

    write_all(store, records())
    return taken


def _look_through(store: LandingStore, city: str, day: date) -> Inventory:
    seen = _Seen()
    items = [_look_at(store, found, city, seen) for found in store.list(keys.deliveries_prefix(city, day))]
    content = store.read(keys.manifest(city, day))
    manifest = load_manifest(content) if content is not None else None
    return Inventory(
        items=items,
        distinct=len(set().union(*seen.batches.values())),
        kinds=seen.kinds,
        promised_batches=None if manifest is None else len(manifest.batches),
        missing_batches=[] if manifest is None else missing_batches(manifest, seen.batches),
    )


def read_inventory(store: LandingStore, city: str, day: date) -> Inventory | None:
    """The latest inventory of a day; None if there is none."""
    return _load(store, keys.inventory(city, day))


def merged_inventory(store: LandingStore, city: str, day: date) -> Inventory | None:
    """The inventory of a day that the lake has merged; None if it never merged the day."""
    return _load(store, keys.merged(city, day))


def record_merged(store: LandingStore, city: str, inventories: Mapping[date, Inventory]) -> None:
    """Record that the lake holds everything of these inventories; and that lost tables are whole again, if they are."""
    records = ((keys.merged(city, day), _dump(inventory)) for day, inventory in inventories.items())
    write_all(store, ((key, content) for key, content in records if store.read(key) != content))
    if is_refilling(store, city) and not unmerged_days(store, city):
        remember_refilled(store, city)


def forget_merged(store: LandingStore, city: str) -> None:
    """Make no change day count as merged, since the tables that held them are gone. That they were merged is kept."""
    store.write(keys.refill(city), b"{}")
    for day in merged_days(store, city):
        store.delete(keys.merged(city, day))


def is_refilling(store: LandingStore, city: str) -> bool:
    """Whether lost tables were being loaded again, and that has not been completed."""
    return store.read(keys.refill(city)) is not None


def remember_refilled(store: LandingStore, city: str) -> None:
    """Record that the tables exist again."""
    store.delete(keys.refill(city))


def merged_days(store: LandingStore, city: str) -> list[date]:
    """Change days that the lake has merged, in order."""
    days = (keys.merged_day(found.key) for found in store.list(keys.merged_prefix(city)))
    return sorted(day for day in days if day is not None)


def unmerged_days(store: LandingStore, city: str) -> list[date]:
    """Change days that were pulled and that the lake has not merged, in order."""
    pulled = {keys.manifest_day(found.key) for found in store.list(keys.manifests_prefix(city))}
    return sorted(day for day in pulled.difference(merged_days(store, city)) if day is not None)


@dataclass(frozen=True)
class PlainObject:
    """The content of a plain object, so that it can be read by columns; `kinds` of the fields are those of its day."""

    content: bytes
    records: int
    kinds: Mapping[str, Sequence[str]]


def contents_of(
    store: LandingStore, city: str, inventories: Mapping[date, Inventory]
) -> Iterator[PlainObject | Envelope | DamagedLine]:
    """The contents of the inventories' objects: plain ones whole, others line by line, with what is wrong with a line.

    An object that the inventory calls damaged ends where it is cut off. One that was rewritten since no longer matches
    the inventory, and is read line by line.
    """
    for day, inventory in inventories.items():
        present = {found.key: found.etag for found in store.list(keys.deliveries_prefix(city, day))}
        for item in inventory.items:
            is_plain = item.is_plain and present.get(item.key) == item.etag
            if is_plain and (content := _whole(store, item.key)) is not None:
                yield PlainObject(content, item.records, inventory.kinds)
                continue
            try:
                yield from read_delivery(store, item.key, city)
            except LandingError:
                if item.damage is None:
                    raise


def _whole(store: LandingStore, key: str) -> bytes | None:
    """An object's content; None if it is too large, which cannot be seen from the stored size of a packed object."""
    content = bytearray()
    for piece in content_of(store, key):
        content += piece
        if len(content) > _LARGEST_WHOLE:
            return None
    return bytes(content)


@dataclass
class _Seen:
    """What the records of a day have in common."""

    batches: defaultdict[str, set[str]] = field(default_factory=lambda: defaultdict(set))
    """Batch → digests of its records."""
    shapes: set[tuple[tuple[str, ...], tuple[type, ...]]] = field(default_factory=set)
    """Names of fields with the types of their values; only a handful, however many records there are."""

    def add(self, line: Envelope) -> None:
        self.batches[line.batch].add(line.md5)
        self.shapes.add((line.shape.names, line.shape.types))

    @property
    def kinds(self) -> dict[str, list[str]]:
        found: dict[str, set[str]] = {}
        for names, types in self.shapes:
            for name, kind in zip(names, types, strict=True):
                if kind in _KINDS:
                    found.setdefault(name, set()).add(_KINDS[kind])
        return {name: sorted(found[name]) for name in sorted(found)}


def _look_at(store: LandingStore, found: StoredObject, city: str, seen: _Seen) -> InventoryItem:
    records = damaged = plain = 0
    damage = None
    try:
        for line in read_delivery(store, found.key, city):
            if isinstance(line, Envelope):
                seen.add(line)
                records += 1
                plain += line.is_plain
            else:
                damaged += 1
    except LandingError as error:
        damage = str(error)
    is_plain = damage is None and damaged == 0 and plain == records
    return InventoryItem(found.key, found.etag, found.size, records, damaged, damage, is_plain)


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
