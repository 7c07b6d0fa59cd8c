"""A lake that lost its catalog, its documents or its tables says so, begins nothing anew, and can be mended."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import CrimeAssetsError, LakeError, TablesLost
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.place.rebuilding import Rebuilt, rebuild
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import Inventory, forget_merged, record_merged, remember_refilled
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows, snapshots

STATE = CityState("export", "2024-01-20", 10, 7)
TABLES = ("chicago.crimes", "chicago.crimes_quarantine", "chicago.crimes_superseded")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a merged day, a newer version, and something in quarantine."""
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", STATE)
    merge(lake, *(envelope(record(n, "2024-01-19", ward="W" if n == 9 else "1"), "2024-01-19") for n in range(10)))
    merge(lake, envelope(record(1, "2024-01-20", block="B"), "2024-01-20"))
    record_merged(DirectoryStore(lake.landing), "chicago", {date(2024, 1, 20): Inventory()})
    return lake


def _gone(catalog: Path) -> None:
    catalog.unlink()


def _empty(catalog: Path) -> None:
    catalog.write_bytes(b"")


def _cut_off(catalog: Path) -> None:
    os.truncate(catalog, catalog.stat().st_size // 2)


def _noise(catalog: Path) -> None:
    catalog.write_bytes(os.urandom(20_000))


def _a_page(catalog: Path) -> None:
    """What a bad disk does to the middle of it."""
    with catalog.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * 4096)


def _of_another_lake(catalog: Path) -> None:
    other = Lake(catalog.parents[1] / "other")
    other.begin_city("chicago", STATE)
    merge(other, envelope(record(1, "2024-01-19"), "2024-01-19"))
    shutil.copy(other.home / "catalog.db", catalog)


def _of_nothing(catalog: Path) -> None:
    """A database, and no catalog of this lake."""
    catalog.unlink()
    assert Lake(catalog.parents[1] / "other").catalog.list_namespaces() == []
    shutil.copy(catalog.parents[1] / "other" / "catalog.db", catalog)


HARM = [_gone, _empty, _cut_off, _noise, _a_page, _of_nothing]


@pytest.mark.parametrize("harm", HARM)
def test_a_lost_catalog_is_told_by_whoever_asks_and_made_again(lake: Lake, harm: Callable[[Path], None]) -> None:
    before = {name: (rows(lake, name), snapshots(lake, name)) for name in ("crimes", "crimes_superseded")}
    harm(lake.home / "catalog.db")
    files = {path for path in lake.warehouse.rglob("*") if path.is_file()}

    for ask in (rows, lambda lake: history_before(lake, CHICAGO), lambda lake: tables.names(lake, "chicago")):
        with pytest.raises(LakeError, match="`crime-assets rebuild-catalog`"):
            ask(Lake(lake.home))
    with pytest.raises(LakeError, match="`crime-assets rebuild-catalog`"):
        merge(Lake(lake.home), envelope(record(2, "2024-01-21"), "2024-01-21"))
    assert {path for path in lake.warehouse.rglob("*") if path.is_file()} == files

    assert rebuild(Lake(lake.home)) == Rebuilt(TABLES)

    again = Lake(lake.home)
    assert {name: (rows(again, name), snapshots(again, name)) for name in before} == before
    assert rebuild(again) == Rebuilt(), "there is nothing to do"
    merge(again, envelope(record(2, "2024-01-21", block="C"), "2024-01-21"))
    assert {row["id"]: row["block"] for row in rows(again)}[2] == "C"


def test_a_catalog_of_another_lake_is_made_again(lake: Lake) -> None:
    before = rows(lake)
    _of_another_lake(lake.home / "catalog.db")
    with pytest.raises(LakeError):
        rows(Lake(lake.home))
    assert rebuild(Lake(lake.home)) == Rebuilt(TABLES)
    assert rows(Lake(lake.home)) == before


def test_a_catalog_that_is_older_than_its_tables_is_told(lake: Lake) -> None:
    """One that was restored alone would show an older state, of which the landing store says that it is merged."""
    old = (lake.home / "catalog.db").read_bytes()
    merge(lake, envelope(record(2, "2024-01-21", block="C"), "2024-01-21"))
    merge(lake, envelope(record(3, "2024-01-22", block="D"), "2024-01-22"))
    newest = rows(lake)
    (lake.home / "catalog.db").write_bytes(old)

    with pytest.raises(LakeError, match=r"is older than its tables, .* chicago[.]crimes.* `crime-assets rebuild-cat"):
        rows(Lake(lake.home))
    assert rebuild(Lake(lake.home)) == Rebuilt(TABLES)
    assert rows(Lake(lake.home)) == newest


def test_a_commit_that_was_broken_off_makes_no_catalog_older(lake: Lake) -> None:
    metadata = lake.warehouse / "chicago" / "crimes" / "metadata"
    newest = max(metadata.glob("*.metadata.json"))
    number = int(newest.name.partition("-")[0]) + 1
    shutil.copy(newest, metadata / f"{number:05}-broken.metadata.json")
    assert rows(Lake(lake.home)) == rows(lake)


def test_damaged_metadata_is_told_in_a_sentence(lake: Lake) -> None:
    metadata = max((lake.warehouse / "chicago" / "crimes" / "metadata").glob("*.metadata.json"))
    for content in (b"", b"{}", b"garbage", b"[1]", metadata.read_bytes()[:200]):
        metadata.write_bytes(content)
        with pytest.raises(LakeError, match=r"The metadata of chicago.crimes in the lake .* is damaged: restore it"):
            rows(Lake(lake.home))


def test_a_damaged_catalog_is_kept(lake: Lake) -> None:
    _noise(lake.home / "catalog.db")
    noise = (lake.home / "catalog.db").read_bytes()
    rebuild(Lake(lake.home))
    (kept,) = lake.home.glob("catalog.db.old-*")
    assert kept.read_bytes() == noise


def test_a_lake_that_was_moved_and_lost_its_catalog_is_rebuilt_where_it_is(lake: Lake, tmp_path: Path) -> None:
    before = rows(lake)
    home = lake.home.rename(tmp_path / "elsewhere")
    _gone(home / "catalog.db")
    rebuild(Lake(home))
    assert rows(Lake(home)) == before
    table = tables.load(Lake(home), "chicago", "crimes")
    assert table is not None
    assert table.location() == f"file://{home}/warehouse/chicago/crimes"


def test_what_a_broken_off_commit_left_half_is_not_taken(lake: Lake) -> None:
    before = rows(lake)
    metadata = lake.warehouse / "chicago" / "crimes" / "metadata"
    newest = max(metadata.glob("*.metadata.json"))
    half = metadata / "00099-0.metadata.json"
    half.write_bytes(newest.read_bytes()[:100])
    _gone(lake.home / "catalog.db")

    assert rebuild(Lake(lake.home)) == Rebuilt(TABLES, (half,))

    assert rows(Lake(lake.home)) == before


def test_of_a_table_that_was_dropped_and_made_again_the_later_one_is_taken(lake: Lake) -> None:
    lake.catalog.drop_table(("chicago", "crimes_quarantine"))
    merge(lake, envelope(record(77, "2024-01-21", ward="X"), "2024-01-21"))
    _gone(lake.home / "catalog.db")
    rebuild(Lake(lake.home))
    assert [row["id"] for row in rows(Lake(lake.home), "crimes_quarantine")] == ["77"]


def test_a_catalog_is_not_made_of_a_table_with_missing_files(lake: Lake) -> None:
    _gone(lake.home / "catalog.db")
    lost = next((lake.warehouse / "chicago" / "crimes_superseded" / "data").rglob("*.parquet"))
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(LakeError, match=f"{lost} is missing"):
        rebuild(Lake(lake.home))
    assert not (lake.home / "catalog.db").exists()
    lost.write_bytes(content)
    rebuild(Lake(lake.home))


def test_a_lake_without_any_table_can_only_be_loaded_anew(lake: Lake) -> None:
    shutil.rmtree(lake.warehouse)
    with pytest.raises(CrimeAssetsError, match=r"There is no table in .*: restore .*`crime-assets reload`"):
        rebuild_without_catalog(lake)


def rebuild_without_catalog(lake: Lake) -> Rebuilt:
    _gone(lake.home / "catalog.db")
    return rebuild(Lake(lake.home))


@pytest.mark.parametrize("keeps_catalog", [True, False])
def test_tables_that_are_gone_are_not_begun_anew(lake: Lake, keeps_catalog: bool) -> None:
    if keeps_catalog:
        for name in tables.names(lake, "chicago"):
            lake.catalog.drop_table(("chicago", name))
    else:
        _gone(lake.home / "catalog.db")
    shutil.rmtree(lake.warehouse)

    for ask in (rows, lambda lake: history_before(lake, CHICAGO)):
        with pytest.raises(TablesLost, match=r"its tables are gone: restore .*`crime-assets reload`"):
            ask(Lake(lake.home))

    forget_merged(DirectoryStore(lake.landing), "chicago")
    with pytest.raises(TablesLost):
        rows(Lake(lake.home))
    refilled = Lake(lake.home)
    refilled.is_refilled = True
    assert history_before(refilled, CHICAGO) is None
    remember_refilled(DirectoryStore(lake.landing), "chicago")
    assert history_before(Lake(lake.home), CHICAGO) is None


@pytest.mark.parametrize("also", ["landing", "cache"])
def test_a_lake_whose_documents_are_gone_is_not_begun_anew(lake: Lake, also: str) -> None:
    (lake.home / "lake.json").unlink()
    shutil.rmtree(lake.home / also, ignore_errors=True)
    with pytest.raises(LakeError, match=r"the record of how it began is gone: restore .*lake[.]json"):
        Lake(lake.home).begin_city("chicago", STATE)
    assert not (lake.home / "lake.json").exists()
    assert Lake(lake.home).city("springfield") is None


def test_a_lake_that_was_begun_and_never_filled_has_lost_nothing(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", STATE)
    tables.curated(lake, CHICAGO, "crimes")
    _gone(lake.home / "catalog.db")
    assert rows(Lake(lake.home)) == []
