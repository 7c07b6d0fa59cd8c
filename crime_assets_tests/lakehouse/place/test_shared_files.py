"""A lake that shares files with another one, and cannot get its own copy of one of them, is not opened."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place import belonging
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets_tests.build import envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows

STRANGE = "dagster/storage/of_root"


@pytest.fixture
def homes(tmp_path: Path) -> list[Path]:
    """A lake and a copy made with hard links; a process of another user has left a file in it."""
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", CityState("export", "2024-01-20", 10, 7))
    merge(lake, envelope(record(1, "2024-01-19"), "2024-01-19"))
    strange = lake.home / STRANGE
    strange.parent.mkdir(parents=True)
    strange.write_bytes(b"runs")
    shutil.copytree(lake.home, tmp_path / "copy", copy_function=os.link)
    return [lake.home, tmp_path / "copy"]


@pytest.fixture
def guarded(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the system says of such a file; the tests may run as a user who may do everything."""
    copy2 = shutil.copy2

    def refusing(source: Path, target: Path) -> None:
        if str(source).endswith(STRANGE):
            raise PermissionError(errno.EACCES, "Permission denied", str(target))
        copy2(source, target)

    monkeypatch.setattr(shutil, "copy2", refusing)


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("opened", [0, 1])
def test_a_file_that_cannot_be_had_keeps_a_lake_that_shares_its_catalog_closed(homes: list[Path], opened: int) -> None:
    before = [(home / "catalog.db").read_bytes() for home in homes]

    for _ in range(2):
        with pytest.raises(LakeError, match=f"shares files with another one, and cannot .*{STRANGE} .*: give yourself"):
            merge(Lake(homes[opened]), envelope(record(2, "2024-01-21"), "2024-01-21"))

    assert [(home / "catalog.db").read_bytes() for home in homes] == before
    assert (homes[opened] / "catalog.db").stat().st_nlink == 2


def test_a_directory_that_cannot_be_looked_into_keeps_it_closed_too(
    homes: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    walk = os.walk

    def unseeing(top: Path, onerror: object = None) -> object:
        if callable(onerror) and str(top).endswith("dagster"):
            onerror(PermissionError(errno.EACCES, "Permission denied", f"{top}/storage"))
        return walk(top)

    monkeypatch.setattr(os, "walk", unseeing)
    with pytest.raises(LakeError, match=r"cannot get its own copy of .*/dagster/storage"):
        rows(Lake(homes[1]))


@pytest.mark.usefixtures("guarded")
@pytest.mark.parametrize("writable", ["", "catalog.db", "dagster/storage/of_root"])
def test_only_where_nothing_can_be_written_it_is_read_as_it_is(
    homes: list[Path], monkeypatch: pytest.MonkeyPatch, writable: str
) -> None:
    allowed = {homes[1] / writable} if writable else set()
    monkeypatch.setattr(os, "access", lambda path, mode: path in allowed)
    assert belonging.can_be_changed(homes[1]) == bool(writable)
    if writable:
        with pytest.raises(LakeError, match="shares files"):
            Lake(homes[1])
    else:
        Lake(homes[1])
