"""A store of documents in memory: for tests of steps, which real stores would only slow down."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import pyarrow as pa

from crime_assets.core.errors import StoreBusy
from crime_assets.migration import Census, Items, Quarantined
from crime_assets.migration.progress import Progress

PIECE = 100
"""Documents at a time."""


class TinyStore:
    """Items and progress are kept together or not at all; whatever raises before that has changed nothing."""

    def __init__(self) -> None:
        self.name = "tiny://documents"
        self.items: dict[tuple[str, str], str] = {}
        """By id and part; a test may edit them."""
        self.known: Progress | None = None
        self._aside: dict[str, Quarantined] = {}
        self._held = threading.Lock()

    @contextmanager
    def hold(self) -> Iterator[Progress]:
        if not self._held.acquire(blocking=False):
            raise StoreBusy("Another holds the tiny store: wait for it.")
        try:
            known = self.known or Progress()
            self.known = replace(known, token=known.token + 1)
            yield self.known
        finally:
            self._held.release()

    def put(self, items: Items, progress: Progress | None) -> None:
        self._keep(set(), items, progress)

    def replace(self, ids: Sequence[str], items: Items, progress: Progress | None) -> None:
        assert {*items.table["id"].to_pylist()} <= {*ids}, "only these documents are written"
        self._keep({*ids}, items, progress)

    def scan(self) -> Iterator[Items]:
        rows = [{"id": name, "part": part, "item": item} for (name, part), item in self.items.items()]
        for start in range(0, len(rows), PIECE):
            yield Items(pa.Table.from_pylist(rows[start : start + PIECE]))

    def get(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        found: dict[str, dict[str, str]] = {}
        for (name, part), item in self.items.items():
            if name in {*ids}:
                found.setdefault(name, {})[part] = item
        return found

    def ids(self, kind: str) -> Iterator[list[str]]:
        found = [*dict.fromkeys(name for name, _ in self.items if name.startswith(f"{kind}#"))]
        for start in range(0, len(found), PIECE):
            yield found[start : start + PIECE]

    def census(self, kinds: Sequence[str]) -> Census:
        names = {name for name, _ in self.items}
        of_kinds = {kind: {name for name in names if name.startswith(f"{kind}#")} for kind in kinds}
        strays = names.difference(*of_kinds.values())
        return Census({kind: len(found) for kind, found in of_kinds.items()}, sorted(strays))

    def set_aside(self, found: Sequence[Quarantined]) -> None:
        self._aside |= {one.id: one for one in found}

    def aside(self) -> list[Quarantined]:
        return [self._aside[name] for name in sorted(self._aside)]

    def release(self, ids: Sequence[str]) -> None:
        for name in ids:
            self._aside.pop(name, None)

    def progress(self) -> Progress | None:
        return self.known

    def _keep(self, over: set[str], items: Items, progress: Progress | None) -> None:
        assert self._held.locked(), "only who holds the store writes"
        rows = items.table.to_pylist()
        new = {(row["id"], row["part"]): row["item"] for row in rows}
        assert len(new) == len(rows), "never the same id and part twice"
        # As real stores keep it: what cannot be read again is no progress.
        known = Progress.load(progress.dump()) if progress else self.known
        self.items = {name: item for name, item in self.items.items() if name[0] not in over} | new
        self.known = known
