"""A year of days, each followed by its upkeep: what the lake takes on the disk stays in proportion to what it holds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.sizes import TableSize, table_sizes
from crime_assets_tests.lakehouse.growing import SUMMARY, TYPES, Growing, assert_bounded, on_disk, referred

DAYS = 365
SHOWN = (30, 90, 180, 365)
KEPT = 30
"""Days that what was replaced is kept for, as by default."""


@pytest.mark.stress
def test_a_year_of_daily_merges_stays_bounded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], thrown: Callable[[str, object], None]
) -> None:
    lake = Lake(tmp_path / "lake")
    growing = Growing(lake, months=24, insights=(SUMMARY, TYPES))
    growing.begin()
    shown: dict[int, dict[str, TableSize]] = {}
    for day in range(1, DAYS + 1):
        growing.next_day()
        growing.merge()
        growing.upkeep(KEPT)
        if day in SHOWN:
            shown[day] = table_sizes(lake, "chicago")
            assert_bounded(lake, replaced=KEPT, merged=1)
            assert on_disk(lake) == referred(lake)
            growing.assert_as_told()
    growing.close()
    with capsys.disabled():
        _print(shown)
    early, late = (shown[day]["crimes"] for day in (SHOWN[1], SHOWN[-1]))
    assert late.disk_files < 1.5 * early.disk_files
    held = late.data_bytes / early.data_bytes
    assert late.disk_bytes < 1.5 * held * early.disk_bytes
    sizes = (
        f"{early.data_files} → {late.data_files} data files, {early.disk_bytes:,} → {late.disk_bytes:,} bytes on disk"
    )
    thrown("days of merges, each with its upkeep", f"{DAYS}; crimes grew from day {SHOWN[1]}: {sizes}")


def _print(shown: dict[int, dict[str, TableSize]]) -> None:
    names = [field.name for field in fields(TableSize)]
    print(f"\n{'day':>4} {'table':24}" + "".join(f"{name:>14}" for name in names))
    for day, sizes in shown.items():
        for table, size in sizes.items():
            print(f"{day:4} {table:24}" + "".join(f"{getattr(size, name):14,}" for name in names))
