"""Forecasts in a lake that is kept up, copied, or has lost something: what was said stays, and scores are had again."""

from __future__ import annotations

import shutil
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.cli.status import lake_status
from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.place.rebuilding import rebuild
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.upkeep.compaction import compact
from crime_assets.lakehouse.upkeep.expiry import expire
from crime_assets.lakehouse.writing.forecasts import SCORES, days, put_places, put_scores, read, say
from crime_assets_tests.build import CHICAGO, envelope, export_profile, record
from crime_assets_tests.lakehouse.lakes import files, merge, snapshots
from crime_assets_tests.lakehouse.writing.test_forecasts import made, rows_of, score, scores

SUNDAYS = tuple(date(2024, 1, 21) + timedelta(days=7 * n) for n in range(3))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A lake with forecasts of three Sundays, of which the scores were made three times."""
    lake = Lake(tmp_path_factory.mktemp("forecasts") / "lake")
    lake.begin_city("chicago", CityState("export", "2024-01-20", 10, 7))
    merge(lake, envelope(record(1, "2024-01-19"), "2024-01-19"))
    put_places(lake, CHICAGO, rows_of("forecast_places", {"cell": "a"}, {"cell": "b"}))
    for hits, day in enumerate(SUNDAYS):
        exposure = rows_of("forecast_exposure", {"as_of_day": day})
        say(lake, CHICAGO, day, made(day, expected=float(hits)) | {"forecast_exposure": exposure})
        put_scores(lake, CHICAGO, scores(*(score(one, 28, "all", hits) for one in SUNDAYS)), "r1")
    return lake.home


@pytest.fixture
def lake(home: Path, tmp_path: Path) -> Lake:
    """A copy of it."""
    return Lake(Path(shutil.copytree(home, tmp_path / "lake")))


def held(lake: Lake) -> dict[str, list[dict[str, object]]]:
    return {name: read(lake, CHICAGO, name).to_pylist() for name in FORECASTS}


def test_status_tells_of_every_table(lake: Lake) -> None:
    told = dict(lake_status(export_profile(lake.home, "none.csv")).rows)
    assert {name: told[f"rows in {name}"] for name in FORECASTS} == {
        "forecast_places": 2,
        "forecast_cells": 9,
        "forecast_areas": 3,
        "forecast_totals": 3,
        "forecast_scores": 3,
        "forecast_exposure": 3,
    }


def test_upkeep_leaves_what_is_said(lake: Lake) -> None:
    before, whole = held(lake), {name: files(lake, name) for name in FORECASTS}
    done = compact(lake, CHICAGO)
    assert all(done[name].files_removed == 0 for name in FORECASTS)
    assert {name: files(lake, name) for name in FORECASTS} == whole

    gone = expire(lake, CHICAGO, [], datetime.now(UTC) + timedelta(days=1))
    assert {name: gone[name].snapshots_removed for name in FORECASTS} == {
        "forecast_places": 0,
        **dict.fromkeys([name for name in FORECASTS if name != "forecast_places"], 2),
    }
    assert all(len(snapshots(lake, name)) == 1 for name in FORECASTS)
    assert held(lake) == before
    assert days(lake, CHICAGO) == {*SUNDAYS}


def test_a_copy_without_its_catalog_has_all_of_them(lake: Lake, tmp_path: Path) -> None:
    before = held(lake)
    shutil.copytree(lake.home, tmp_path / "copied")
    (tmp_path / "copied" / "catalog.db").unlink()
    rebuild(Lake(tmp_path / "copied"))
    assert held(Lake(tmp_path / "copied")) == before
    assert say(Lake(tmp_path / "copied"), CHICAGO, SUNDAYS[0], made(SUNDAYS[0])) is False


def test_what_was_said_is_restored_from_a_backup(lake: Lake, tmp_path: Path) -> None:
    for lost in (name for name in FORECASTS if name != SCORES):
        (lake.warehouse / "chicago" / lost).rename(tmp_path / "kept")
        for ask in (lambda name: read(Lake(lake.home), CHICAGO, name), lambda _: rebuild(Lake(lake.home))):
            with pytest.raises(
                LakeError, match=f"The table chicago.{lost} is gone from the lake .*: restore it from a"
            ):
                ask(lost)
        (tmp_path / "kept").rename(lake.warehouse / "chicago" / lost)
        assert read(Lake(lake.home), CHICAGO, lost).num_rows


def test_scores_are_made_again(lake: Lake) -> None:
    said = {name: rows for name, rows in held(lake).items() if name != SCORES}
    shutil.rmtree(lake.warehouse / "chicago" / SCORES)
    with pytest.raises(LakeError, match="run `crime-assets rebuild-catalog`"):
        read(Lake(lake.home), CHICAGO, SCORES)
    rebuild(Lake(lake.home))
    again = Lake(lake.home)
    assert read(again, CHICAGO, SCORES).num_rows == 0
    assert put_scores(again, CHICAGO, scores(score(SUNDAYS[0], 28, "all", 9)), "r1") == [SUNDAYS[0]]
    assert {name: rows for name, rows in held(again).items() if name != SCORES} == said
