"""Load: all roots of all mappings, chunk by chunk in the order of their keys, each chunk of its own short snapshot.

What changes meanwhile is followed from time to time, so that the database need not keep the changes of hours.
"""

from __future__ import annotations

import time

from crime_assets.migration import Chunk, Road
from crime_assets.migration.ahead import Ahead
from crime_assets.migration.beginning import begin
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.follow import follow_once
from crime_assets.migration.holding import ROOTS, Held, Stage, holding, unheard
from crime_assets.migration.pace import Pace, Tell
from crime_assets.migration.progress import Key, Progress, State

FOLLOW_EVERY = 60.0
"""Seconds of loading between two looks at what has changed."""


def load(road: Road, tell: Tell, stage: Stage = unheard) -> Progress:
    """Load what is not loaded yet, from the beginning or from where it was ended, then follow up to now.

    LegacyError for what forbids it, SourceForgot if the database lost changes, StoreError if the store is in no state
    for it.
    """
    with holding(road) as held:
        if held.progress.state in (State.NEW, State.BEGINNING):
            begin(held, stage)
        held.require(State.LOADING, State.FOLLOWING)
        loading = _Loading(held, tell, stage)
        for mapping in road.mappings:
            if mapping.kind not in held.progress.done:
                loading.load(mapping)
        if held.progress.state is State.LOADING:
            held.keep(state=State.FOLLOWING)
            stage("loaded")
        follow_once(held, None, stage)
        return held.progress


class _Loading:
    def __init__(self, held: Held, tell: Tell, stage: Stage) -> None:
        self._held, self._tell, self._stage = held, tell, stage
        self._followed = time.monotonic()

    def load(self, mapping: DocumentMapping) -> None:
        """One kind, from where it was ended."""
        held = self._held
        pace = self._pace(mapping)

        def read(key: Key | None) -> Chunk | None:
            with held.road.database.snapshot() as snapshot:
                held.check_shape(snapshot)
                return snapshot.after(mapping, key, ROOTS)

        with Ahead(read, held.progress.loaded.get(mapping.kind)) as ahead:
            while (chunk := ahead.take()) is not None:
                self._stage("read")
                # Never followed while a chunk is read and not kept: it would be older than what was followed, and
                # overwrite it, and the database would have forgotten the change.
                is_time = time.monotonic() - self._followed >= FOLLOW_EVERY
                if not is_time:
                    ahead.begin(chunk.last)
                self._keep(mapping, chunk)
                if is_time:
                    follow_once(held, None, self._stage)
                    self._followed = time.monotonic()
                    ahead.begin(chunk.last)
                pace.add(chunk.roots.num_rows)
        held.keep(done=held.progress.done | {mapping.kind})
        pace.tell()
        self._stage("kind loaded")

    def _pace(self, mapping: DocumentMapping) -> Pace:
        """What an earlier run has kept of the first kind counts; of a later one nobody knows how much that was."""
        progress = self._held.progress
        is_resumed = mapping.kind in progress.loaded
        if is_resumed and progress.done:
            return Pace(mapping.table, None, self._tell)
        done = progress.documents if is_resumed else 0
        return Pace(mapping.table, self._held.road.database.expected(mapping), self._tell, done)

    def _keep(self, mapping: DocumentMapping, chunk: Chunk) -> None:
        progress = self._held.progress
        rows = chunk.roots.num_rows + sum(table.num_rows for table in chunk.children.values())
        self._held.put(
            mapping,
            chunk,
            loaded={**progress.loaded, mapping.kind: chunk.last or ()},
            rows=progress.rows + rows,
            documents=progress.documents + chunk.roots.num_rows,
        )
        self._stage("chunk kept")
