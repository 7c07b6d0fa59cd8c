"""A table that a lake lost while others are there: it is named, and no rebuilt catalog leaves it out unsaid."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets_tests.build import envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows

DAY = date(2024, 1, 20)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    """A lake with a newer version of a crime, and something in quarantine."""
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", CityState("export", f"{DAY}", 10, 7))
    merge(lake, *(envelope(record(n, "2024-01-19", ward="W" if n == 9 else "1"), "2024-01-19") for n in range(10)))
    merge(lake, envelope(record(1, f"{DAY}", block="B"), f"{DAY}"))
    return lake


@pytest.mark.parametrize("lost", ["crimes_superseded", "crimes_quarantine"])
def test_a_catalog_is_not_rebuilt_without_a_curated_table(lake: Lake, tmp_path: Path, lost: str) -> None:
    table = lake.warehouse / "chicago" / lost
    table.rename(tmp_path / "kept")
    (lake.home / "catalog.db").unlink()

    for _ in range(2):
        with pytest.raises(LakeError, match=f"The table chicago.{lost} is gone from .*: restore it from a backup"):
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
