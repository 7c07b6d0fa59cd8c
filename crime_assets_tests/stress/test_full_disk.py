"""A disk that really is full: one sentence, nothing half-written to be seen, and a plain re-run once there is space."""

from __future__ import annotations

import os
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import DiskFull
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake, is_disk_full
from crime_assets.lakehouse.writing.history import load_history
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import ListFeed, merge, quarantined, rows
from crime_assets_tests.lakehouse.writing.versions import version
from crime_assets_tests.stress.runs import Scenario, contents, differing

pytestmark = pytest.mark.slow

STEP = 32 << 10
"""By so many bytes there is more space each time."""
SHARES = (0.05, 0.15, 0.25, 0.35, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 0.97)
"""Of the space that a run needs."""
LOGS = 16 << 20
"""What SQLite's logs may take while a run goes on; they are given back at its end."""

HISTORY = [record(n, "2023-12-20", f"2023-{n % 6 + 1:02}-05", ward="W" if n % 40 == 0 else "1") for n in range(1, 240)]
DAY = [
    *(version(n, "2024-01-20", f"2023-{n % 5 + 1:02}-06") for n in range(1, 240, 3)),
    *(version(n, "2024-01-20", "2024-01-05") for n in range(300, 320)),
    version(999, "2024-01-20", ward="W"),
]
RUN = Scenario("history and ten days", rows=3_000, first=date(2024, 1, 8))


@dataclass(frozen=True)
class Disk:
    """A disk of its own whose size can be changed."""

    path: Path

    @property
    def used(self) -> int:
        """Bytes that are taken."""
        found = os.statvfs(self.path)
        return (found.f_blocks - found.f_bfree) * found.f_frsize

    def leave(self, free: int) -> None:
        """Let so many bytes be free, one at least: a size of nothing would be no limit."""
        _mount("-o", f"remount,size={self.used + max(free, 1)}", str(self.path))


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    path = tmp_path / "disk"
    path.mkdir()
    with mounted(path) as found:
        yield found


@contextmanager
def mounted(path: Path) -> Iterator[Disk]:
    """A disk in place of a directory; the test is skipped where there can be none."""
    try:
        _mount("-t", "tmpfs", "-o", "size=256m", "tmpfs", str(path))
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no disk can be mounted here, so none can be full: {error}")
    try:
        yield Disk(path)
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)


def _mount(*arguments: str) -> None:
    subprocess.run(["mount", *arguments], check=True, capture_output=True)


def seen(lake: Lake) -> dict[str, Any]:
    """What readers see."""
    return {"crimes": _untimed(rows(lake)), "crimes_quarantine": _untimed(quarantined(lake))}


def _untimed(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "ingested_at"} for row in found]


def with_more_and_more_space(disk: Disk, work: Callable[[], object], check: Callable[[], None]) -> int:
    """Do the work with hardly any space, then with more, until there is enough; how often there was not."""
    sentence = f"The disk of {disk.path / 'lake'} is full: free some space and run again; nothing was half-written."
    for failures in range(200):
        disk.leave(STEP * failures)
        try:
            work()
        except DiskFull as error:
            said = str(error)
        else:
            return failures
        assert said == sentence
        check()
    raise AssertionError("there is never enough space")


@pytest.mark.stress
def test_loads_and_merges_wait_for_space(disk: Disk, tmp_path: Path) -> None:
    undisturbed, lake = Lake(tmp_path / "lake"), Lake(disk.path / "lake")
    load_history(undisturbed, CHICAGO, ListFeed(HISTORY), date(2024, 1, 1), "run")

    # Makes the catalog, without which nothing can be looked at on a full disk either.
    assert tables.names(lake, "chicago") == []

    def load() -> None:
        load_history(Lake(lake.home), CHICAGO, ListFeed(HISTORY), date(2024, 1, 1), "run")

    def nothing_is_seen() -> None:
        assert rows(Lake(lake.home)) == []

    assert with_more_and_more_space(disk, load, nothing_is_seen) >= 4
    before = seen(lake)
    assert before == seen(undisturbed)
    assert len(before["crimes"]) == 234

    def merge_day() -> None:
        merge(Lake(lake.home), *DAY)

    def nothing_has_changed() -> None:
        assert seen(Lake(lake.home))["crimes"] == before["crimes"]

    merge(undisturbed, *DAY)
    assert with_more_and_more_space(disk, merge_day, nothing_has_changed) >= 4
    assert seen(lake) == seen(undisturbed)
    assert _untimed(rows(lake, "crimes_superseded")) == _untimed(rows(undisturbed, "crimes_superseded"))
    assert merge(lake, *DAY).snapshot_id is None


def test_sqlite_says_in_several_ways_that_the_disk_is_full(disk: Disk) -> None:
    """What Dagster's and the catalog's databases run into, whichever of their files has to grow."""
    with closing(sqlite3.connect(disk.path / "some.db")) as con:
        con.execute("PRAGMA journal_mode = wal")
        con.execute("CREATE TABLE some (text)")
    found = set()
    for pages in range(12):
        disk.leave(pages << 12)
        with closing(sqlite3.connect(disk.path / "some.db")) as con:
            try:
                con.execute("INSERT INTO some VALUES (?)", ["x" * 4_000])
                con.commit()
            except sqlite3.OperationalError as error:
                found.add(error.sqlite_errorname)
                is_told = is_disk_full(error)
            else:
                continue
        assert is_told, found
    assert found == {"SQLITE_FULL", "SQLITE_IOERR_SHMSIZE"}


@pytest.mark.stress
def test_a_run_waits_for_space_wherever_it_ends(
    disk: Disk, tmp_path: Path, thrown: Callable[[str, object], None]
) -> None:
    home, log = disk.path / "lake", tmp_path / "log"
    RUN.run(home, log)
    needed, wanted = disk.used, contents(home, RUN)
    for share in SHARES:
        subprocess.run(["rm", "-r", str(home)], check=True)
        disk.leave(int(share * needed))
        process = RUN.start(home, log)
        assert process.wait(120) == 1, log.read_text()
        # Dagster, which writes to the same disk, may have something to say of its own before.
        said = [line for line in log.read_text().splitlines() if line.startswith("crime-assets: ")]
        assert said == [
            f"crime-assets: The disk of {home} is full: free some space and run again; nothing was half-written."
        ]
        assert "Traceback" not in log.read_text()
        disk.leave(needed + LOGS)
        RUN.run(home, log)
        assert differing(contents(home, RUN), wanted) == [], f"with {share:.0%} of the space"
    thrown("a disk that is full, each time in another place of the run", len(SHARES))
