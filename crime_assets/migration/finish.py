"""Finish: nothing of a migration is left behind in the database.

What is kept there for us would fill the department's disk. It is only let go when nothing can be missing.
"""

from __future__ import annotations

from crime_assets.core.errors import StoreError
from crime_assets.migration import Road
from crime_assets.migration.holding import Held, Stage, holding, unheard
from crime_assets.migration.progress import State
from crime_assets.migration.touched import Touched

_VERIFY = "run `crime-assets legacy verify`, then finish again"


def finish(road: Road, stage: Stage = unheard) -> list[str]:
    """Remove what `begin` made in the database: a sentence for each thing; none if nothing was left.

    Before, all documents must be verified, and nothing may have changed since. StoreError that says what is missing;
    SourceForgot if the database cannot tell what has changed.
    """
    with holding(road) as held:
        if held.progress.state is not State.FINISHED:
            held.require(State.FOLLOWING)
            _check(held)
            # First: once the changes are gone nobody could check again.
            held.keep(state=State.FINISHED)
            stage("finished")
        found = road.database.finish()
        stage("removed")
        return found


def _check(held: Held) -> None:
    road, progress = held.road, held.progress
    if progress.verified is None or progress.verified.position != progress.position:
        raise StoreError(f"The documents in {road.store.name} are not verified as they are now: {_VERIFY}.")
    if road.store.aside():
        raise StoreError(f"Some documents are set aside beside {road.store.name}: mend their rows, and {_VERIFY}.")
    road.home.mkdir(parents=True, exist_ok=True)
    touched = Touched(road.home)
    try:
        road.database.touched(progress.position, None, touched)
        held.check_tables()
        if len(touched) or touched.all:
            raise StoreError(f"{road.database.name} has changed since its documents were verified: {_VERIFY}.")
    finally:
        touched.close()
