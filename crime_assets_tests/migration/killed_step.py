"""A step of a migration, for a process of its own: it ends by SIGKILL where a test wants it to."""

from __future__ import annotations

import os
import signal
import traceback
from datetime import UTC, datetime
from multiprocessing.synchronize import Event as Begun
from pathlib import Path
from threading import Event

from crime_assets.migration import Road, Step, comparing, follow, load, verify
from crime_assets.migration.addresses import open_database
from crime_assets.migration.export import export
from crime_assets.migration.mappings import ALL
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.streams.directory import DirectoryStore

TROUBLE = "trouble"
"""In a place: why a step failed."""


def documents_of(place: Path) -> Path:
    """The file of a migration's store."""
    return place / "documents.db"


def road_of(address: str, place: Path) -> Road:
    """Out of a database into an SQLite file in the place."""
    database = open_database(address, "", "killed", ALL)
    store, landing = SqliteStore(documents_of(place)), DirectoryStore(place / "landing")
    return Road(database, store, landing, ALL, "chicago", place / "home", lambda: datetime.now(UTC))


def quiet(_: Step) -> None:
    """Nobody looks."""


def run(address: str, place: Path, step: str, stage: str, nth: int, begun: Begun) -> None:
    """Run the step, and end by SIGKILL when the stage is reached for the nth time."""
    reached = 0

    def kill(name: str) -> None:
        nonlocal reached
        reached += name == stage
        if name == stage and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    _small_chunks()
    road = road_of(address, place)
    try:
        if step == "export":
            # What was verified before may have changed since; it is not repaired, so what is wrong is not hidden.
            verify.verify(road, False, quiet)
        begun.set()
        match step:
            case "load":
                load.load(road, quiet, kill)
            case "follow":
                follow.follow(road, Event(), quiet, kill)
            case "repair":
                verify.verify(road, True, quiet, kill)
            case "export":
                export(road, kill)
    except BaseException:
        (place / TROUBLE).write_text(traceback.format_exc())
        raise


def _small_chunks() -> None:
    """So that a few thousand roots are many stages."""
    for module in (load, follow, comparing, verify):
        module.ROOTS = 250
    load.FOLLOW_EVERY = 0.3
    follow._POLL = 0.1
