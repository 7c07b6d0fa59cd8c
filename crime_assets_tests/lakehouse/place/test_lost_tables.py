"""A table that a lake lost while others are there: it is named, and no rebuilt catalog leaves it out unsaid."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.cli.status import lake_status
from crime_assets.core.errors import LakeError
from crime_assets.core.insights import Insight, InsightColumn
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets.lakehouse.writing.insights import replace_days
from crime_assets_tests.build import CHICAGO, envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import merge, rows

DAY = date(2024, 1, 20)
NARROW = Insight("narrow", 99, "A test.", (InsightColumn("crimes", "How many.", ()),), "SELECT 1")


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a newer version of a crime, and something in quarantine."""
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", CityState("export", f"{DAY}", 10, 7))
    merge(lake, *(envelope(record(n, "2024-01-19", ward="W" if n == 9 else "1"), "2024-01-19") for n in range(10)))
    merge(lake, envelope(record(1, f"{DAY}", block="B"), f"{DAY}"))
    compute(lake)
    return lake


def compute(lake: Lake, crimes: int = 3) -> None:
    """The rows of an insight."""
    days = pa.array([DAY], pa.date32())
    replace_days(lake, CHICAGO, NARROW, {DAY: pa.table({"as_of_day": days, "crimes": pa.array([crimes], pa.int64())})})


def insight_of(lake: Lake) -> Path:
    return lake.warehouse / "chicago" / NARROW.table


@pytest.mark.parametrize("lost", ["crimes_superseded", "crimes_quarantine"])
def test_a_catalog_is_not_rebuilt_without_a_curated_table(lake: Lake, tmp_path: Path, lost: str) -> None:
    table = lake.warehouse / "chicago" / lost
    table.rename(tmp_path / "kept")
    (lake.home / "catalog.db").unlink()

    for _ in range(2):
        with pytest.raises(
            LakeError, match=f"The table chicago.{lost} is gone from the lake .*: restore it from a backup"
        ):
            rebuild(Lake(lake.home))
    assert not (lake.home / "catalog.db").exists()

    (tmp_path / "kept").rename(table)
    rebuild(Lake(lake.home))
    assert len(rows(Lake(lake.home), lost)) == 1


def test_a_young_lake_without_other_tables_is_rebuilt(tmp_path: Path) -> None:
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", CityState("export", f"{DAY}", 10, 7))
    merge(lake, envelope(record(1, "2024-01-19"), "2024-01-19"))
    (lake.home / "catalog.db").unlink()
    assert rebuild(Lake(lake.home)).tables == ("chicago.crimes",)
    assert len(rows(Lake(lake.home))) == 1


@pytest.mark.parametrize("is_moved", [False, True])
def test_a_lost_curated_table_is_named_whatever_is_asked(lake: Lake, tmp_path: Path, is_moved: bool) -> None:
    shutil.rmtree(lake.warehouse / "chicago" / "crimes_superseded")
    home = lake.home.rename(tmp_path / "elsewhere") if is_moved else lake.home
    late = envelope(record(2, "2024-01-21"), "2024-01-21")

    for ask in (rows, lambda lake: tables.names(lake, "chicago"), lambda lake: merge(lake, late)):
        with pytest.raises(LakeError, match=r"chicago.crimes_superseded is gone from the lake .*: restore it from"):
            ask(Lake(home))


def test_a_table_that_is_lost_while_the_lake_is_open_is_named_too(lake: Lake) -> None:
    assert rows(lake)
    shutil.rmtree(lake.warehouse / "chicago" / "crimes_superseded")
    with pytest.raises(LakeError, match=r"chicago.crimes_superseded is gone from the lake .*"):
        rows(lake, "crimes_superseded")


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("lost", ["everything", "newest metadata", "data file"])
def test_an_insight_that_is_not_whole_is_had_again(lake: Lake, tmp_path: Path, lost: str, is_moved: bool) -> None:
    if lost == "everything":
        shutil.rmtree(insight_of(lake))
    elif lost == "newest metadata":
        max((insight_of(lake) / "metadata").glob("*.metadata.json")).unlink()
    else:
        next((insight_of(lake) / "data").rglob("*.parquet")).unlink()
    home = lake.home.rename(tmp_path / "elsewhere") if is_moved else lake.home

    with pytest.raises(LakeError, match="run `crime-assets rebuild-catalog`, then run the change days whose rows"):
        compute(Lake(home))
    done = rebuild(Lake(home))
    assert done.set_aside == (() if lost == "everything" else ("chicago.insight_narrow",))
    assert "chicago.insight_narrow" not in done.tables
    assert len(rows(Lake(home))) == 9

    compute(Lake(home), 4)
    assert [row["crimes"] for row in rows(Lake(home), NARROW.table)] == [4]
    assert rebuild(Lake(home)).tables == ()
    assert len(list(home.glob("warehouse.old-*/chicago/insight_narrow"))) == len(done.set_aside)


def test_status_sees_a_lost_data_file(lake: Lake) -> None:
    profile = export_profile(lake.home, "none.csv")
    assert ("rows in insight_narrow", 1) in lake_status(profile).rows
    next((insight_of(lake) / "data").rglob("*.parquet")).unlink()
    with pytest.raises(LakeError, match=r"parquet is missing, but chicago.insight_narrow needs it: run `crime-as"):
        lake_status(export_profile(lake.home, "none.csv"))


def test_crimes_are_not_taken_from_metadata_that_lacks_the_last_changes(lake: Lake) -> None:
    newest = max((lake.warehouse / "chicago" / "crimes" / "metadata").glob("*.metadata.json"))
    content = newest.read_bytes()
    newest.unlink()
    with pytest.raises(LakeError, match=f"{newest} is missing, but .* needs it: restore it"):
        rows(Lake(lake.home))
    with pytest.raises(LakeError, match=f"{newest} is missing, and what is left of crimes is older: restore it"):
        rebuild(Lake(lake.home))
    newest.write_bytes(content)
    assert len(rows(Lake(lake.home))) == 9
