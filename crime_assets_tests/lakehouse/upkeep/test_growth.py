"""With upkeep, days on end leave a lake whose tables are as small and as quick to plan as after a few."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.sizes import table_sizes
from crime_assets_tests.lakehouse.growing import SUMMARY, Growing, assert_bounded, on_disk, referred

DAYS = 12
NIGHT = 3
"""Days from one upkeep to the next."""


@pytest.mark.stress
def test_days_on_end_leave_nothing_that_piles_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 4)
    monkeypatch.setattr(compaction, "MOST_MANIFESTS", 4)
    lake = Lake(tmp_path / "lake")
    growing = Growing(lake, months=2, insights=())
    growing.begin()
    for day in range(1, DAYS + 1):
        growing.next_day()
        growing.merge()
        if day % NIGHT == 0:
            growing.insights = (SUMMARY,)
            growing.compute()
            growing.upkeep(keep_days=NIGHT)
            growing.insights = ()
            assert_bounded(lake, replaced=NIGHT, merged=NIGHT)
    assert table_sizes(lake, "chicago")[SUMMARY.table].data_files == DAYS // NIGHT
    assert on_disk(lake) == referred(lake)
    growing.assert_as_told()
    growing.close()
