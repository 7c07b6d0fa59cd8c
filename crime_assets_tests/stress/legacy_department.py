"""The sample department at work: python -m crime_assets_tests.stress.legacy_department PLACE A_SECOND SEED.

At a steady pace, until its input ends; the last line says how many transactions it made, and in how many seconds.
"""

from __future__ import annotations

import json
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import psycopg2

from crime_assets.migration.work import Work

WHERE = "where.json"
"""In a place: how to connect to the database."""


def main(place: Path, a_second: float, seed: int) -> None:
    """What is late is made up for."""
    stop = threading.Event()

    def wait() -> None:
        sys.stdin.read()
        stop.set()

    threading.Thread(target=wait, daemon=True).start()
    with closing(psycopg2.connect(**json.loads((place / WHERE).read_text()))) as connection:
        work = Work(connection, "postgresql", seed)
        print("begun", flush=True)
        begun, changes = time.monotonic(), 0
        while not stop.wait(max(0.0, begun + changes / a_second - time.monotonic())):
            try:
                work.change()
            except psycopg2.errors.UniqueViolation:
                # A number that an earlier one of us drew.
                connection.rollback()
            changes += 1
        print(json.dumps({"changes": changes, "seconds": time.monotonic() - begun}))


if __name__ == "__main__":
    main(Path(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3]))
