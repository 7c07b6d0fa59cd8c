"""The store of documents while one step holds it: how far it is, and chunks that become its documents.

What no item can hold is set aside before the others are kept; whatever ends a step in between, the same roots come
again, for progress is kept last.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from crime_assets.core.errors import LegacyError, SourceForgot, StoreError
from crime_assets.migration import Chunk, Items, Quarantined, Road, Snapshot, arrow
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.mappings import document_id, fingerprint
from crime_assets.migration.overflow import divided
from crime_assets.migration.progress import Key, Progress, State
from crime_assets.migration.rendering import Renderer

ROOTS = 5_000
"""Of a chunk, at the most."""

Stage = Callable[[str], None]
"""Told what has just been done: tests end a step there."""


def unheard(_: str) -> None:
    """The stage of everybody but tests."""


NO_ITEMS = Items(arrow.items([]))
_LEAD_ON = "run `crime-assets legacy verify --repair`"
_NOT_LOADED = "The documents in {} are not loaded to their end: run `crime-assets legacy load`."
_REFUSED = {
    State.NEW: _NOT_LOADED,
    State.BEGINNING: _NOT_LOADED,
    State.LOADING: _NOT_LOADED,
    State.FOLLOWING: "The documents in {} are loaded already.",
    State.FORGOTTEN: f"The database no longer has all changes since the documents in {{}} were made: {_LEAD_ON}.",
    State.FINISHED: f"The migration to {{}} is finished, nothing is followed any more: to go on with it, {_LEAD_ON}.",
}


class Held:
    """What a step needs while it holds the store. Not for two threads at once."""

    def __init__(self, road: Road, progress: Progress) -> None:
        self.road = road
        self.progress = progress
        """As the store has it."""
        self.fingerprint = fingerprint(road.mappings)
        self._renderers: dict[str, Renderer] = {}

    def require(self, *states: State) -> None:
        """SourceForgot or StoreError if the migration is in no such state, or its documents are of another mapping."""
        state = self.progress.state
        if state not in states:
            error = SourceForgot if state is State.FORGOTTEN else StoreError
            raise error(_REFUSED[state].format(self.road.store.name))
        if self.progress.mapping != self.fingerprint:
            raise StoreError(
                f"The documents in {self.road.store.name} were made by another mapping: {_LEAD_ON}, which makes them "
                "anew."
            )

    def check_shape(self, snapshot: Snapshot) -> None:
        """LegacyError if the tables do not fit the mapping; SourceForgot if they were altered since it began."""
        shape = fitting_shape(self.road, snapshot)
        before = self.progress.shape
        if altered := sorted(name for name in shape if shape[name] != before.get(name)):
            # What ALTER TABLE writes anew is no change of a row: nothing would tell which roots are touched.
            raise SourceForgot(
                f"{', '.join(altered)}: altered or replaced since the documents were made, and no change of a row "
                f"tells what that did to values: {_LEAD_ON}."
            )

    def check_tables(self) -> None:
        """The same of the tables as they are now."""
        with self.road.database.snapshot() as now:
            self.check_shape(now)

    def mapping(self, kind: str) -> DocumentMapping:
        """That of a kind."""
        return next(mapping for mapping in self.road.mappings if mapping.kind == kind)

    def renderer(self, mapping: DocumentMapping) -> Renderer:
        """That of a mapping."""
        if mapping.kind not in self._renderers:
            self._renderers[mapping.kind] = Renderer(mapping)
        return self._renderers[mapping.kind]

    def keep(self, **changed: Any) -> None:
        """Progress alone; `changed` are fields of it."""
        self._put(NO_ITEMS, replace(self.progress, **changed))

    def put(self, mapping: DocumentMapping, chunk: Chunk, **changed: Any) -> None:
        """Keep the documents of a chunk, and progress with them."""
        documents = self.renderer(mapping).documents(chunk)
        items, aside = self.made(documents)
        self._set_aside(documents.table["id"].to_pylist, aside)
        self._put(items, replace(self.progress, **changed))

    def replace(self, mapping: DocumentMapping, keys: Sequence[Key], chunk: Chunk, **changed: Any) -> None:
        """Keep the documents of these roots: those that are not in the chunk are deleted. With progress, if changed."""
        items, aside = self.made(self.renderer(mapping).documents(chunk))
        ids = [document_id(mapping, key) for key in keys]
        self._set_aside(lambda: ids, aside)
        progress = replace(self.progress, **changed) if changed else None
        self.road.store.replace(ids, items, progress)
        self.progress = progress or self.progress

    def made(self, documents: Items) -> tuple[Items, list[Quarantined]]:
        """The items that a store is given, and what none can hold."""
        return divided(documents, self.road.landing, self.road.city)

    def close(self) -> None:
        """Let go of the memory."""
        for renderer in self._renderers.values():
            renderer.close()

    def _put(self, items: Items, progress: Progress) -> None:
        self.road.store.put(items, progress)
        self.progress = progress

    def _set_aside(self, ids: Callable[[], Iterable[str]], found: Sequence[Quarantined]) -> None:
        store = self.road.store
        now = {one.id for one in found}
        if found:
            store.set_aside(found)
        # There are seldom any: texts are only made of ids if there are.
        before = {one.id for one in store.aside()} - now
        if before and (fits_now := before & {*ids()}):
            store.release(sorted(fits_now))


@contextmanager
def holding(road: Road) -> Iterator[Held]:
    """Hold the store. If the database has forgotten changes, that is kept before the error goes on."""
    with arrow.frugal(), road.store.hold() as progress:
        held = Held(road, progress)
        try:
            yield held
        except SourceForgot:
            if held.progress.state in (State.LOADING, State.FOLLOWING):
                held.keep(state=State.FORGOTTEN, verified=None)
            raise
        finally:
            held.close()


def fitting_shape(road: Road, snapshot: Snapshot) -> dict[str, str]:
    """Columns and identities of a snapshot. LegacyError if they are not what the mappings declare."""
    shape = snapshot.shape()
    if told := shape.differs(road.mappings):
        raise LegacyError(" ".join(told))
    return {**shape.columns, **shape.identities}
