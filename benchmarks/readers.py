"""Readers of the dashboard at once, while the extracts under them are made again: the memory of its server.

    python -m benchmarks.readers HOME renew

Makes the extract again every few seconds, until it is ended.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.history import CITY, FIRST_DAY
from benchmarks.measuring import Figure, module
from crime_assets.core import keys
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.streams.directory import DirectoryStore

_PROGRAM = Path(sys.executable).with_name("crime-assets")
_READERS = 50
_PAGES = 10
"""That each reader looks at, one after the other."""
_CHOICES = [
    "/",
    "/?district=011",
    "/?period=365d",
    "/?offense_class=violent",
    "/?map=beat",
    "/?district=008&period=all",
    "/?map=hotspots",
    "/map/figures.json",
    "/map/blocks.json?district=011",
    "/table/blocks.csv",
]


def renew(home: Path) -> None:
    """Write the extract anew, as other bytes: its tables are the same, so only the server's work is measured."""
    landing = DirectoryStore(Lake(home).landing)
    key = keys.extract(CITY.name, FIRST_DAY - FIRST_DAY.resolution)
    content = landing.read(key)
    assert content is not None
    for number in itertools.count(1):
        landing.write(key, content + bytes(number))
        time.sleep(3)


def figures(rows: int, home: Path) -> list[Figure]:
    """The peak memory of a server with one reader, and of one with many."""
    with served(home) as (server, address):
        _read(address, 0, _READERS)
        one = _peak(server)
    with served(home) as (server, address), subprocess.Popen(module("readers", home, "renew")) as renewing:
        readers = [threading.Thread(target=_read, args=(address, number, 1)) for number in range(_READERS)]
        start = time.perf_counter()
        for reader in readers:
            reader.start()
        for reader in readers:
            reader.join()
        seconds = time.perf_counter() - start
        many = _peak(server)
        renewing.kill()
    return [
        Figure(
            f"{_READERS} readers at once, {rows:,} rows in the lake, extracts renewed under them: memory",
            f"{many:.0f} MB, {_READERS * _PAGES / seconds:.0f} answers/s",
            f"one reader of as many pages: {one:.0f} MB",
            many / one,
            1.5,
        )
    ]


def _read(address: str, number: int, times: int) -> None:
    for turn in range(_PAGES * times):
        choice = _CHOICES[(number + turn) % len(_CHOICES)]
        with urllib.request.urlopen(address + choice) as answer:
            assert answer.read()


@contextmanager
def served(home: Path) -> Iterator[tuple[int, str]]:
    """The process id of a dashboard of its own, and its address."""
    with subprocess.Popen(
        [_PROGRAM, "dashboard", "--port", "0"],
        env={**os.environ, "CRIME_HOME": str(home)},
        stdout=subprocess.PIPE,
        text=True,
    ) as server:
        assert server.stdout is not None
        try:
            yield server.pid, server.stdout.readline().split()[4]
        finally:
            server.terminate()


def _peak(process: int) -> float:
    """The most memory that a process had, resident, in MB."""
    status = dict(line.split(":", 1) for line in Path(f"/proc/{process}/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1000


if __name__ == "__main__":
    renew(Path(sys.argv[1]))
