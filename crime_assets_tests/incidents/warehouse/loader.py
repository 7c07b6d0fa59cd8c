"""A loader as a process of its own: `loader ADDRESS STORE NAME SEED AT_ONCE` loads the keys of its standard input."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from crime_assets.incidents.warehouse.postgres import PostgresWarehouse, connected
from crime_assets.streams.directory import DirectoryStore

_PROJECT = Path(__file__).parents[3]


def start(
    address: str, store: Path, name: str, seed: int, keys: Sequence[str], at_once: int = 2
) -> subprocess.Popen[bytes]:
    """Begin to load; sessions have the name."""
    with tempfile.TemporaryFile() as given:
        given.write("\n".join(keys).encode())
        given.seek(0)
        return subprocess.Popen(
            [sys.executable, "-m", __name__, address, str(store), name, str(seed), str(at_once)],
            cwd=_PROJECT,
            env={**os.environ, "PYTHONPATH": str(_PROJECT)},
            stdin=given,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
        )


def main() -> None:
    address, store, name, seed, at_once = sys.argv[1:]
    keys = sys.stdin.read().split()
    random.Random(int(seed)).shuffle(keys)

    def connect() -> Any:
        connection = connected(address)
        connection.cursor().execute("SELECT set_config('application_name', %s, false)", [name])
        connection.commit()
        return connection

    warehouse = PostgresWarehouse(connect, "at test")
    for first in range(0, len(keys), int(at_once)):
        warehouse.load(DirectoryStore(Path(store)), keys[first : first + int(at_once)])


if __name__ == "__main__":
    main()
