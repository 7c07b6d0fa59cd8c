"""Compares rows with the documents that a store holds, chunk by chunk: every text whole, every value turned back.

What differs is only noted by its key, on disk: `differences` names it afterwards. Memory does not grow with rows.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping

from crime_assets.core.errors import StoreError
from crime_assets.migration import Chunk, Items, Snapshot
from crime_assets.migration.ahead import Ahead
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.holding import ROOTS, Held, Stage
from crime_assets.migration.mappings import key_of
from crime_assets.migration.pace import Pace, Tell
from crime_assets.migration.progress import Key
from crime_assets.migration.touched import Touched

_SLICE = 1_000
_GROUPS = 1 << 16
"""Of ids: so few counts tell where a document is too many, without remembering which were met."""

Parts = Mapping[str, str]


class Comparison:
    """What was compared so far; the store is held, so nothing changes in it."""

    def __init__(self, held: Held, different: Touched, tell: Tell, stage: Stage) -> None:
        self.seal = 0
        """Of the documents as they should be."""
        self.items = 0
        self.roots = 0
        self.rows = 0
        """Of roots and children."""
        self.different = different
        """Roots whose documents are missing, extra, other ones, set aside, or cannot be turned back."""
        self._held, self._tell, self._stage = held, tell, stage
        census = held.road.store.census([mapping.kind for mapping in held.road.mappings])
        self.strays = [*census.strays]
        """Ids in the store that no root could have."""
        self._counts = census.counts

    def compare(self, mapping: DocumentMapping, snapshot: Snapshot) -> None:
        """All roots of a mapping, and all documents of its kind."""
        count = self._counts[mapping.kind]
        pace = Pace(f"{mapping.table} compared", count, self._tell)
        met = array("L", [0]) * _GROUPS
        with Ahead[Key | None, Chunk | None](lambda key: snapshot.after(mapping, key, ROOTS), None) as ahead:
            while (chunk := ahead.take()) is not None:
                ahead.begin(chunk.last)
                self._compare(mapping, chunk, met)
                pace.add(chunk.roots.num_rows)
                self._stage("chunk compared")
        pace.tell()
        if sum(met) != count:
            self._find_extra(mapping, snapshot, met)
        aside = [one.id for one in self._held.road.store.aside() if one.id.startswith(f"{mapping.kind}#")]
        self.different.add(mapping.kind, [key_of(mapping, name) for name in aside])

    def _compare(self, mapping: DocumentMapping, chunk: Chunk, met: array[int]) -> None:
        """Compare a chunk; those of which the store has anything are counted in `met`, each in its group."""
        renderer = self._held.renderer(mapping)
        made = renderer.checked(chunk)
        items, aside = self._held.made(made.items)
        self.seal ^= renderer.seal(items)
        self.items += items.table.num_rows
        self.roots += chunk.roots.num_rows
        self.rows += chunk.roots.num_rows + sum(table.num_rows for table in chunk.children.values())
        ids = made.items.table["id"].to_pylist()
        found = self._held.road.store.get(ids)
        expected = by_id(items)
        unfit = {one.id for one in aside}
        differ = [name for name in ids if name in unfit or found.get(name) != expected.get(name)]
        self.different.add(mapping.kind, [*(key_of(mapping, name) for name in differ), *made.unmappable])
        for name in found:
            met[_group(name)] += 1

    def _find_extra(self, mapping: DocumentMapping, snapshot: Snapshot, met: array[int]) -> None:
        """Documents without a root. Only those groups are looked up of which the store has more than were met."""
        store = self._held.road.store
        held = array("L", [0]) * _GROUPS
        for ids in store.ids(mapping.kind):
            for name in ids:
                held[_group(name)] += 1
        for ids in store.ids(mapping.kind):
            keys: set[Key] = set()
            for name in ids:
                if held[group := _group(name)] == met[group]:
                    continue
                try:
                    keys.add(key_of(mapping, name))
                except StoreError:
                    self.strays.append(name)
            if keys:
                roots = snapshot.these(mapping, [*keys]).roots
                there = {*zip(*(roots[name].to_pylist() for name in mapping.key), strict=True)}
                self.different.add(mapping.kind, keys - there)


def _group(name: str) -> int:
    return hash(name) % _GROUPS


def by_id(items: Items) -> dict[str, dict[str, str]]:
    """Items by id and part, as a store gives them."""
    found: dict[str, dict[str, str]] = defaultdict(dict)
    for batch in items.table.select(["id", "part", "item"]).to_batches(max_chunksize=_SLICE):
        for name, part, item in zip(*(column.to_pylist() for column in batch.columns), strict=True):
            found[name][part] = item
    return found
