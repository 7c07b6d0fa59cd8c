"""Follow: what changed in the database since a position is read again, and replaced or deleted in the store.

A change is only a reason to read its root again, so the same changes may come twice and do no harm. Only when their
documents are kept is the database told that it may forget them.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from threading import Event

from crime_assets.core.errors import StoreError
from crime_assets.migration import Road, Snapshot
from crime_assets.migration.holding import ROOTS, Held, Stage, holding, unheard
from crime_assets.migration.mappings import key_of
from crime_assets.migration.pace import Pace, Tell
from crime_assets.migration.progress import Key, Position, State
from crime_assets.migration.touched import Touched

_POLL = 0.5
"""Seconds between two looks at the database."""


def follow(road: Road, stop: Event, tell: Tell, stage: Stage = unheard) -> int:
    """Follow until `stop` is set, then once more; returns how many roots were read again.

    StoreError if the load has not ended; SourceForgot if the database no longer has the changes.
    """
    with holding(road) as held:
        held.require(State.FOLLOWING)
        pace = Pace("changes", None, tell, held.progress.changes)
        before = held.progress.changes
        is_last = False
        while not is_last:
            is_last = stop.is_set()
            pace.add(follow_once(held, None, stage))
            if not is_last:
                stop.wait(_POLL)
        pace.tell()
        return held.progress.changes - before


def catch_up(road: Road, stage: Stage = unheard) -> int:
    """Follow up to now; returns how many roots were read again. The same errors."""
    with holding(road) as held:
        held.require(State.FOLLOWING)
        return follow_once(held, None, stage)


def follow_once(held: Held, snapshot: Snapshot | None, stage: Stage = unheard) -> int:
    """Take what has changed up to now, or up to an exact snapshot and out of it; returns how many roots there were.

    The snapshot's shape has been checked. LegacyError or SourceForgot if tables are not as they were, changes or not.
    """
    since, until = held.progress.position, snapshot.position if snapshot else None
    with _touched(held) as touched:
        reached = held.road.database.touched(since, until, touched)
        if snapshot is None:
            # Behind it: nothing that another table has told is believed.
            held.check_tables()
        stage("changes told")
        _add_all(held, touched)
        roots = len(touched)
        if roots:
            _read_again(held, snapshot, touched, reached, stage)
        elif reached > since:
            # Nothing changed, so what was equal before is equal here.
            verified = held.progress.verified
            held.keep(position=reached, verified=replace(verified, position=reached) if verified else None)
            stage("position kept")
    if reached > since:
        held.road.database.advance(reached)
        stage("advanced")
    return roots


def _read_again(held: Held, snapshot: Snapshot | None, touched: Touched, reached: Position, stage: Stage) -> None:
    if held.progress.verified:
        # First: from the first document on, they are no longer those that were verified.
        held.keep(verified=None)
    pieces = touched.pieces(ROOTS)
    piece = next(pieces, None)
    while piece is not None:
        kind, keys = piece
        piece = next(pieces, None)
        changed = {"changes": held.progress.changes + len(keys)}
        _replace(held, snapshot, kind, keys, changed if piece else {**changed, "position": reached})
        stage("changes kept")


def _replace(held: Held, snapshot: Snapshot | None, kind: str, keys: list[Key], changed: dict[str, int]) -> None:
    mapping = held.mapping(kind)
    if snapshot:
        held.replace(mapping, keys, snapshot.these(mapping, keys), **changed)
        return
    with held.road.database.snapshot() as now:
        held.check_shape(now)
        chunk = now.these(mapping, keys)
    held.replace(mapping, keys, chunk, **changed)


def _add_all(held: Held, touched: Touched) -> None:
    """Where all roots of a kind are meant, those that the store knows."""
    for kind in touched.all:
        mapping = held.mapping(kind)
        aside = [one.id for one in held.road.store.aside() if one.id.startswith(f"{kind}#")]
        for ids in [*held.road.store.ids(kind), aside]:
            keys = []
            for name in ids:
                try:
                    keys.append(key_of(mapping, name))
                except StoreError:
                    # Of no root: a verification finds it.
                    continue
            touched.add(kind, keys)


@contextmanager
def _touched(held: Held) -> Iterator[Touched]:
    held.road.home.mkdir(parents=True, exist_ok=True)
    touched = Touched(held.road.home)
    try:
        yield touched
    finally:
        touched.close()
