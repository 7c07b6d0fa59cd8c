"""Where a migration begins: changes are kept by the database from a position that is older than every chunk.

It is not forgotten there until documents are kept, so whatever ends a step, work is repeated and nothing is lost.
"""

from __future__ import annotations

from crime_assets.migration.holding import Held, Stage, fitting_shape
from crime_assets.migration.progress import State


def begin(held: Held, stage: Stage) -> None:
    """Let the database keep its changes, and load from the first root on."""
    held.keep(state=State.BEGINNING)
    stage("beginning")
    _begin(held, stage, State.LOADING)


def begin_anew(held: Held, stage: Stage) -> None:
    """The same over documents that are there already: a verification with repair has to make them equal.

    Until then they count as forgotten, also if that is ended before its end.
    """
    held.keep(state=State.FORGOTTEN, verified=None)
    stage("beginning anew")
    _begin(held, stage, State.FORGOTTEN)


def _begin(held: Held, stage: Stage, then: State) -> None:
    position = held.road.database.begin()
    stage("kept from here")
    # After the position: what was altered before it is in every chunk.
    with held.road.database.snapshot() as snapshot:
        shape = fitting_shape(held.road, snapshot)
    held.keep(state=then, position=position, shape=shape, mapping=held.fingerprint)
    stage("begun")
