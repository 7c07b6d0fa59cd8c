"""Days that another definition computed are outdated, also where it found no rows: this one may find some."""

from __future__ import annotations

import dataclasses
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.core.insights import Insight, InsightColumn
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.writing.insights import Held, replace_days, stale_days
from crime_assets_tests.build import CHICAGO

DAY = date(2024, 1, 20)
NARROW = Insight("narrow", 99, "A test.", (InsightColumn("crimes", "How many.", ()),), "SELECT 1")
OTHER = dataclasses.replace(NARROW, statement="SELECT 2")
ROWS = pa.table({"as_of_day": pa.array([DAY], pa.date32()), "crimes": pa.array([3], pa.int64())})


@pytest.mark.parametrize("rows", [1, 0])
def test_days_of_another_definition_are_outdated_with_rows_and_without(tmp_path: Path, rows: int) -> None:
    lake = Lake(tmp_path / "lake")
    lake.begin_city("chicago", CityState("export", f"{DAY}", 10, 7))
    assert not Held(lake, CHICAGO, NARROW).is_outdated
    replace_days(lake, CHICAGO, NARROW, {DAY: ROWS.slice(0, rows)})
    assert not Held(lake, CHICAGO, NARROW).is_outdated

    assert Held(lake, CHICAGO, OTHER).is_outdated
    assert stale_days(lake, CHICAGO, OTHER) == [DAY]

    replace_days(lake, CHICAGO, OTHER, {DAY: ROWS.slice(0, rows)})
    assert not Held(lake, CHICAGO, OTHER).is_outdated
