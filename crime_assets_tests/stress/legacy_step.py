"""A migration's step in a process of its own: python -m crime_assets_tests.stress.legacy_step PLACE STEP.

In chunks as large as a person's are; the last line says what it did and what it took. `follow` ends with its input.
"""

from __future__ import annotations

import json
import re
import sys
import threading
import time
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any

from crime_assets.migration import Road, Step, Verdict
from crime_assets.migration.databases.postgresql import PostgresDatabase, connecting
from crime_assets.migration.follow import catch_up, follow
from crime_assets.migration.load import load
from crime_assets.migration.mappings import ALL
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.migration.verify import verify
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.migration.killed_step import documents_of, quiet
from crime_assets_tests.migration.planting import plant
from crime_assets_tests.stress.legacy_department import WHERE

SEED = 20


def road_of(place: Path) -> Road:
    """Out of PostgreSQL into an SQLite file in the place."""
    where = json.loads((place / WHERE).read_text())
    database = PostgresDatabase(connecting(**where), "postgresql://test", f"{where['dbname']}_slot", ALL)
    store, landing = SqliteStore(documents_of(place)), DirectoryStore(place / "landing")
    return Road(database, store, landing, ALL, "chicago", place / "home", lambda: datetime.now(UTC))


def run(road: Road, place: Path, step: str, of_each: int) -> dict[str, Any]:
    """Run it; what it says of itself."""
    match step:
        case "load":
            return {"documents": load(road, quiet).documents}
        case "follow":
            return {"roots": follow(road, _until_told(), quiet)}
        case "catch up":
            return {"roots": catch_up(road)}
        case "verify" | "repair":
            return _verified(road, place, step == "repair", of_each)
    raise ValueError(step)


def _verified(road: Road, place: Path, repair: bool, of_each: int) -> dict[str, Any]:
    """A verification; if there are any to plant, it finds documents that were changed when they stood at its position:
    none of them can have been made anew since, however much the department changes."""
    found: dict[str, Any] = {"planted": [], "there": 0, "planting": 0.0}
    compared: dict[str, int] = {}

    def stage(name: str) -> None:
        if name == "at a position":
            begun = time.process_time()
            found["there"] = sum(road.store.census([mapping.kind for mapping in road.mappings]).counts.values())
            if of_each:
                found["planted"] = [asdict(one) for one in plant(documents_of(place), of_each, SEED)]
            found["planting"] = time.process_time() - begun

    def tell(step: Step) -> None:
        compared[step.what] = step.done

    verdict: Verdict = verify(road, repair, tell, stage)
    return {
        **found,
        "compared": sum(compared.values()),
        "by_kind": dict(verdict.by_kind),
        "repaired": verdict.repaired,
        "roots": verdict.verified.roots if verdict.verified else 0,
        "rows": verdict.verified.rows if verdict.verified else 0,
    }


def _until_told() -> Event:
    """Set when whoever began this process closes its input."""
    stop = Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    return stop


def _most_memory() -> float:
    """MiB. The counter of getrusage begins with what the process had that started this one."""
    (found,) = re.findall(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    return int(found) / 1024


def main(place: Path, step: str, of_each: int) -> None:
    """Run the step, and print what it took."""
    print("begun", flush=True)
    begun, cpu = time.monotonic(), time.process_time()
    said = run(road_of(place), place, step, of_each)
    spent = time.process_time() - cpu - said.get("planting", 0.0)
    print(json.dumps({**said, "cpu": spent, "seconds": time.monotonic() - begun, "memory": _most_memory()}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
