"""A year of days and nights on a lake and on its copy: each is right, and neither ever touches the other."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.lakehouse.growing import SUMMARY, Growing

DAYS = 365
HERE = Path(__file__).parents[2]

pytestmark = pytest.mark.stress


@pytest.fixture
def original(tmp_path: Path) -> Iterator[Growing]:
    growing = Growing(Lake(tmp_path / "original" / "lake"), months=6, insights=(SUMMARY,))
    growing.begin()
    for _ in range(10):
        _day(growing)
    yield growing
    growing.close()


def _day(growing: Growing) -> None:
    growing.next_day()
    growing.merge()
    growing.upkeep(keep_days=5)


def outside(root: Path, home: Path) -> dict[str, str]:
    """A digest of every file below a directory that is not below the lake's."""
    found = {}
    for parent, directories, names in os.walk(root):
        directories[:] = [name for name in directories if Path(parent, name) != home]
        for name in names:
            path = Path(parent, name)
            found[str(path)] = os.readlink(path) if path.is_symlink() else hashlib.md5(path.read_bytes()).hexdigest()
    return found


def a_year(growing: Growing, root: Path) -> None:
    before = outside(root, growing.lake.home)
    for _ in range(DAYS):
        _day(growing)
    growing.assert_as_told()
    growing.close()
    assert outside(root, growing.lake.home) == before


def _as_is(home: Path, to: Path) -> None:
    subprocess.run(["cp", "-a", home, to], check=True)


def _hard_links(home: Path, to: Path) -> None:
    subprocess.run(["cp", "-al", home, to], check=True)


def _archive(home: Path, to: Path) -> None:
    """A backup that was restored elsewhere."""
    packed = shutil.make_archive(str(to.with_name("backup")), "gztar", home)
    shutil.unpack_archive(packed, to)


@pytest.mark.parametrize("copy", [_as_is, _hard_links, _archive])
def test_a_copy(
    original: Growing, tmp_path: Path, copy: Callable[[Path, Path], None], thrown: Callable[[str, object], None]
) -> None:
    other = tmp_path / "other" / "lake"
    other.parent.mkdir()
    copy(original.lake.home, other)
    twin = original.again(Lake(other))

    a_year(twin, tmp_path)
    a_year(original, tmp_path)

    thrown(f"years of days and nights on a lake and on its copy ({copy.__name__.strip('_')})", 2)


def test_a_lake_that_was_moved_and_restored_in_its_old_place(
    original: Growing, tmp_path: Path, thrown: Callable[[str, object], None]
) -> None:
    home = original.lake.home
    shutil.copytree(home, tmp_path / "backup")
    moved = original.again(Lake(home.rename(home.with_name("moved"))))
    shutil.move(tmp_path / "backup", home)
    restored = original.again(Lake(home))

    a_year(moved, tmp_path)
    a_year(restored, tmp_path)

    thrown("years of days and nights on a lake that was moved, and on its backup in the old place", 2)


_MOUNTED = """
import sys
from pathlib import Path
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.lakehouse.growing import SUMMARY, Growing
from crime_assets_tests.stress.test_copies import _day

growing = Growing(Lake(Path(sys.argv[1])), months=6, insights=(SUMMARY,))
growing.begin()
for _ in range(10):
    _day(growing)
for number in range(int(sys.argv[3])):
    # By turns under the one path and under the other, as a host and a container see it.
    other = growing.again(Lake(Path(sys.argv[1 + number % 2])))
    growing.close()
    growing = other
    _day(growing)
growing.assert_as_told()
"""


def test_a_lake_that_is_mounted_under_two_paths(tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    home, mounted = tmp_path / "lake", tmp_path / "mounted"
    home.mkdir()
    mounted.mkdir()
    namespace = ["unshare", "--mount", "--propagation", "private"]
    if subprocess.run([*namespace, "true"], capture_output=True, check=False).returncode != 0:
        pytest.skip("this user may make no mount namespace: run it as root")
    days = DAYS // 5
    script = 'mount --bind "$1" "$2" && exec "$3" -c "$4" "$1" "$2" "$5"'
    command = [*namespace, "sh", "-c", script, "sh", home, mounted, sys.executable, _MOUNTED, str(days)]
    before = outside(tmp_path, home)
    subprocess.run(command, cwd=HERE, check=True, timeout=3_000)
    assert outside(tmp_path, home) == before
    thrown("days on a lake that is mounted under two paths, by turns", days)
