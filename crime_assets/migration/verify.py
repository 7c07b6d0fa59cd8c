"""Verify: every row and every document are compared at one exact position, while changes go on.

First what changed up to that position is followed, out of its snapshot; what comes later waits in the database. So no
row is too busy to be compared. What differs is named, and repaired from the same snapshot if that is wanted.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO

from crime_assets.core.errors import SourceForgot, StoreError
from crime_assets.migration import Difference, Road, Snapshot, Verdict
from crime_assets.migration.beginning import begin_anew
from crime_assets.migration.comparing import Comparison, by_id
from crime_assets.migration.differences import Differences
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.follow import follow_once
from crime_assets.migration.holding import NO_ITEMS, ROOTS, Held, Stage, holding, unheard
from crime_assets.migration.mappings import document_id
from crime_assets.migration.pace import Tell
from crime_assets.migration.progress import Key, State, Verified
from crime_assets.migration.touched import Touched

PATIENCE = 60.0
"""Seconds that a database may wait for transactions that are open."""
_NAMED = 1_000
_FILE = "differences.ndjson"


def verify(road: Road, repair: bool, tell: Tell, stage: Stage = unheard) -> Verdict:
    """Compare all of it, and with `repair` make documents anew that differ.

    With `repair` also over changes that the database has forgotten, after a migration was finished, or with another
    mapping: then changes are kept anew first. All differences are in `differences.ndjson` in the road's home, which
    has values of persons' records and is only for its owner. SourceForgot, StoreError, LegacyError.
    """
    with holding(road) as held:
        is_anew = repair and _must_begin_anew(held)
        if is_anew:
            begin_anew(held, stage)
        else:
            held.require(State.FOLLOWING)
        try:
            return _verify(held, repair, tell, stage)
        except SourceForgot:
            if not repair or is_anew:
                raise
        # Nobody had noticed yet.
        begin_anew(held, stage)
        return _verify(held, repair, tell, stage)


def _must_begin_anew(held: Held) -> bool:
    state = held.progress.state
    if state in (State.NEW, State.BEGINNING):
        return False
    return state in (State.FORGOTTEN, State.FINISHED) or held.progress.mapping != held.fingerprint


def _verify(held: Held, repair: bool, tell: Tell, stage: Stage) -> Verdict:
    road = held.road
    road.home.mkdir(parents=True, exist_ok=True)
    with road.database.exact(PATIENCE) as snapshot:
        held.check_shape(snapshot)
        follow_once(held, snapshot, stage)
        stage("at a position")
        different = Touched(road.home)
        try:
            comparison = Comparison(held, different, tell, stage)
            for mapping in road.mappings:
                comparison.compare(mapping, snapshot)
            named = _Naming(held, snapshot, repair, stage)
            named.all_of(comparison)
        finally:
            different.close()
        verified = None
        if named.left == 0:
            compared = comparison.items, comparison.seal, comparison.roots, comparison.rows
            verified = Verified(snapshot.position, *compared, road.clock())
        # Also what is left over is as it was at this position, or is set aside: from here on it can be followed.
        held.keep(state=State.FOLLOWING, done=frozenset(mapping.kind for mapping in road.mappings), verified=verified)
        stage("verified")
        return Verdict(verified, named.by_kind.total(), dict(named.by_kind), tuple(named.first), named.repaired)


class _Naming:
    """Names differences, and repairs them."""

    def __init__(self, held: Held, snapshot: Snapshot, repair: bool, stage: Stage) -> None:
        self.by_kind: Counter[str] = Counter()
        self.first: list[Difference] = []
        self.repaired = 0
        """Documents."""
        self.left = 0
        """Documents that differ still."""
        self._held, self._snapshot, self._repair, self._stage = held, snapshot, repair, stage

    def all_of(self, comparison: Comparison) -> None:
        """All that differ. StoreError if the store does not hold what it is given."""
        path = self._held.road.home / _FILE
        path.unlink(missing_ok=True)
        if not len(comparison.different) and not comparison.strays:
            return
        # From here on nobody must take the documents for verified ones.
        self._held.keep(verified=None)
        with _private(path) as file:
            for kind, keys in comparison.different.pieces(ROOTS):
                self._piece(self._held.mapping(kind), keys, file)
                self._stage("differences named")
            for name in comparison.strays:
                self._stray(name, file)
        if self._repair:
            self._check_count(comparison)

    def _check_count(self, comparison: Comparison) -> None:
        """StoreError if there are still more documents than roots: an id that somebody wrote may be no text at all."""
        road = self._held.road
        census = road.store.census([mapping.kind for mapping in road.mappings])
        more = sum(census.counts.values()) + len(census.strays) - (comparison.roots - len(road.store.aside()))
        if more:
            raise StoreError(
                f"{road.store.name} has {more} documents too many, which could not be removed: look for ids that are "
                "no texts and remove them by hand, or begin anew in an empty store."
            )

    def _piece(self, mapping: DocumentMapping, keys: list[Key], file: IO[str]) -> None:
        held, store = self._held, self._held.road.store
        chunk = self._snapshot.these(mapping, keys)
        ids = [document_id(mapping, key) for key in keys]
        aside = {one.id: one.reason for one in store.aside()}
        for one in Differences(held, mapping).named(keys, chunk, store.get(ids), aside):
            self._tell(one, file)
        if not self._repair:
            self.left += len(keys)
            return
        held.replace(mapping, keys, chunk)
        self._stage("repaired")
        made = held.renderer(mapping).checked(chunk)
        expected, found = by_id(held.made(made.items)[0]), store.get(ids)
        kept_back = {document_id(mapping, key) for key in made.unmappable} | {one.id for one in store.aside()}
        if wrong := [name for name in ids if name not in kept_back and found.get(name) != expected.get(name)]:
            raise StoreError(f"{store.name} does not hold {wrong[0]} as it was given it: look who else writes to it.")
        self.left += len(kept_back & {*ids})
        self.repaired += len({*ids} - kept_back)

    def _stray(self, name: str, file: IO[str]) -> None:
        self._tell(Difference(name, "", "", "extra", None, None), file)
        if self._repair:
            self._held.road.store.replace([name], NO_ITEMS, None)
            self.repaired += 1
        else:
            self.left += 1

    def _tell(self, one: Difference, file: IO[str]) -> None:
        self.by_kind[one.kind] += 1
        if len(self.first) < _NAMED:
            self.first.append(one)
        file.write(json.dumps(asdict(one), ensure_ascii=False) + "\n")


@contextmanager
def _private(path: Path) -> Iterator[IO[str]]:
    """A new file that only its owner reads."""
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as file:
        yield file
