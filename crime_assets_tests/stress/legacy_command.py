"""A migration's step that ends itself: python -m crime_assets_tests.stress.legacy_command PLACE STEP STAGE NTH."""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path
from threading import Event

from crime_assets.migration import Road, Step, comparing, follow, load, verify
from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
from crime_assets.migration.export import export
from crime_assets.migration.mappings import ALL
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.streams.directory import DirectoryStore

WHERE = "where.json"
"""In a place: how to connect to the database."""


def road_of(place: Path) -> Road:
    """Out of PostgreSQL into an SQLite file in the place."""
    where = json.loads((place / WHERE).read_text())
    database = PostgresDatabase(connecting(**where), "postgresql://test", f"{where['dbname']}_slot", ALL)
    store, landing = SqliteStore(place / "documents.db"), DirectoryStore(place / "landing")
    return Road(database, store, landing, ALL, "chicago", place / "home", lambda: datetime.now(UTC))


def small_chunks() -> None:
    """So that a few thousand roots are many stages."""
    for module in (load, follow, comparing, verify):
        module.ROOTS = 250
    load.FOLLOW_EVERY = 0.3
    follow._POLL = 0.1


def main(place: Path, step: str, stage: str, nth: int) -> None:
    """Run the step, and end by SIGKILL when the stage is reached for the nth time."""
    reached = 0

    def kill(name: str) -> None:
        nonlocal reached
        reached += name == stage
        if name == stage and reached == nth:
            os.kill(os.getpid(), signal.SIGKILL)

    small_chunks()
    print("begun", flush=True)
    road = road_of(place)
    match step:
        case "load":
            load.load(road, quiet, kill)
        case "follow":
            follow.follow(road, Event(), quiet, kill)
        case "repair":
            verify.verify(road, True, quiet, kill)
        case "export":
            # What was verified before may have changed since.
            verify.verify(road, True, quiet)
            export(road, kill)


def quiet(_: Step) -> None:
    """Nobody looks."""


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4]))
