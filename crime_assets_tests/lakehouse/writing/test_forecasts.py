"""Forecast tables: said once and all at once, scores replaced only where they differ."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.catalog_file import is_computed
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.lakehouse.upkeep.compaction import compact
from crime_assets.lakehouse.writing.forecasts import (
    SAID,
    days,
    put_places,
    put_scores,
    read,
    say,
    scores_made_by,
)
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.lakes import files, orphans, snapshots

SUNDAY = date(2025, 11, 16)
WEEKS = tuple(SUNDAY + timedelta(days=7 * n) for n in range(-1, 3))
FILLED = {
    "long": 1,
    "int": 1,
    "double": 0.5,
    "boolean": False,
    "string": "x",
    "date": SUNDAY,
    "timestamptz": datetime(2025, 11, 17, tzinfo=UTC),
}


def rows_of(name: str, *rows: Mapping[str, object]) -> pa.Table:
    """Rows of a table; columns that are not given are filled."""
    filled = {column.name: FILLED[column.type] for column in FORECASTS[name]}
    return pa.Table.from_pylist([{**filled, **row} for row in rows], arrow_schema(FORECASTS[name]))


def made(day: date, expected: float = 1.5, cells: int = 3) -> dict[str, pa.Table]:
    """What is said on a day."""
    key: dict[str, object] = {"as_of_day": day, "target": "burglary", "horizon": 28, "expected": expected}
    return {
        "forecast_cells": rows_of("forecast_cells", *({**key, "cell": f"c{n}", "place": n} for n in range(cells))),
        "forecast_areas": rows_of("forecast_areas", {**key, "area": "1"}),
        "forecast_exposure": arrow_schema(FORECASTS["forecast_exposure"]).empty_table(),
        "forecast_totals": rows_of("forecast_totals", key),
    }


def score(day: date, horizon: int, method: str, hits: float, **more: object) -> dict[str, object]:
    key = {"as_of_day": day, "target": "burglary", "horizon": horizon, "grid": "h3-9", "method": method, "share": 2.0}
    return {**key, "basis": "replayed", "hits": hits, **more}


def scores(*rows: dict[str, object]) -> pa.Table:
    return rows_of("forecast_scores", *rows)


def told(lake: Lake) -> list[tuple[object, ...]]:
    found = read(lake, CHICAGO, "forecast_scores", columns=["as_of_day", "horizon", "method", "hits"])
    return [tuple(row.values()) for row in found.to_pylist()]


def test_a_forecast_is_said_once(lake: Lake) -> None:
    assert say(lake, CHICAGO, SUNDAY, made(SUNDAY)) is True
    before = {name: snapshots(lake, name) for name in SAID}

    assert say(lake, CHICAGO, SUNDAY, made(SUNDAY, expected=9.0)) is False

    assert {name: snapshots(lake, name) for name in SAID} == before
    assert days(lake, CHICAGO) == {SUNDAY}
    assert read(lake, CHICAGO, "forecast_cells").equals(made(SUNDAY)["forecast_cells"])
    assert read(lake, CHICAGO, "forecast_totals").equals(made(SUNDAY)["forecast_totals"])
    assert read(lake, CHICAGO, "forecast_exposure").num_rows == 0


def test_each_day_is_a_file_and_is_read_by_itself(lake: Lake) -> None:
    for n, day in enumerate(WEEKS):
        say(lake, CHICAGO, day, made(day, expected=n))

    assert days(lake, CHICAGO) == {*WEEKS}
    assert sorted(Path(path).parent.name for path in files(lake, "forecast_cells")) == [
        f"as_of_day={day}" for day in WEEKS
    ]
    found = read(lake, CHICAGO, "forecast_cells", [WEEKS[2], WEEKS[1]], ["expected", "as_of_day"])
    assert found.to_pylist() == [{"expected": float(n), "as_of_day": WEEKS[n]} for n in (1, 1, 1, 2, 2, 2)]


def test_of_a_table_that_is_not_there_nothing_is_read(lake: Lake) -> None:
    assert days(lake, CHICAGO) == set()
    assert read(lake, CHICAGO, "forecast_cells").schema == arrow_schema(FORECASTS["forecast_cells"])
    assert read(lake, CHICAGO, "forecast_areas", [SUNDAY], ["area"]).schema == pa.schema([("area", pa.string())])
    assert scores_made_by(lake, CHICAGO) is None


@pytest.mark.parametrize("broken", SAID)
def test_a_day_that_was_broken_off_is_said_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch, broken: str) -> None:
    say(lake, CHICAGO, WEEKS[0], made(WEEKS[0]))
    commit = tables.commit

    def crash(table: tables.Table, change: tables.Change) -> int:
        if table.name()[-1] == broken:
            raise RuntimeError("gone")
        return commit(table, change)

    first = made(SUNDAY, expected=1.0, cells=5)
    if broken == "forecast_exposure":
        first[broken] = rows_of(broken, {"as_of_day": SUNDAY})
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", crash)
        with pytest.raises(RuntimeError, match="gone"):
            say(lake, CHICAGO, SUNDAY, first)
    assert days(lake, CHICAGO) == {WEEKS[0]}

    assert say(lake, CHICAGO, SUNDAY, made(SUNDAY, expected=2.0)) is True

    for name, rows in made(SUNDAY, expected=2.0).items():
        assert read(lake, CHICAGO, name, [SUNDAY]).equals(rows)
        assert read(lake, CHICAGO, name, [WEEKS[0]]).equals(made(WEEKS[0])[name])


def test_a_forecast_that_another_writer_said_meanwhile_stays(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    commit, others = tables.commit, [made(SUNDAY, expected=7.0)]

    def overtaken(table: tables.Table, change: tables.Change) -> int:
        if others:
            say(lake, CHICAGO, SUNDAY, others.pop())
            raise StalePlan
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtaken)

    assert say(lake, CHICAGO, SUNDAY, made(SUNDAY)) is False
    assert set(read(lake, CHICAGO, "forecast_cells")["expected"].to_pylist()) == {7.0}


def test_others_that_keep_changing_a_table_are_told(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(table: tables.Table, change: tables.Change) -> int:
        raise StalePlan

    monkeypatch.setattr(tables, "commit", stale)
    with pytest.raises(LakeBusy, match=r"chicago\.forecast_totals: run again later"):
        say(lake, CHICAGO, SUNDAY, made(SUNDAY))
    with pytest.raises(LakeBusy, match=r"chicago\.forecast_scores"):
        put_scores(lake, CHICAGO, scores(score(SUNDAY, 7, "all", 3)), "r1")
    assert days(lake, CHICAGO) == set()


def test_scores_are_replaced_only_where_they_differ(lake: Lake) -> None:
    first = scores(*(score(day, 28, method, 3) for day in WEEKS[:3] for method in ("365d", "all")))
    assert put_scores(lake, CHICAGO, first, "r1") == [*WEEKS[:3]]
    before = snapshots(lake, "forecast_scores")

    assert put_scores(lake, CHICAGO, first.take(list(reversed(range(6)))), "r1") == []
    assert snapshots(lake, "forecast_scores") == before

    late = scores(*(score(day, 28, method, 3 + (day == WEEKS[1])) for day in WEEKS[:3] for method in ("365d", "all")))
    assert put_scores(lake, CHICAGO, late, "r1") == [WEEKS[1]]
    assert [row[3] for row in told(lake)] == [3, 3, 4, 4, 3, 3]
    assert orphans(lake) == []


def test_scores_of_a_pair_take_the_place_of_that_pair_alone(lake: Lake) -> None:
    put_scores(lake, CHICAGO, scores(*(score(SUNDAY, days, "all", days) for days in (7, 28))), "r1")
    put_scores(lake, CHICAGO, scores(score(SUNDAY, 7, "all", 1), score(SUNDAY, 7, "mixture", 2)), "r1")
    put_scores(lake, CHICAGO, scores(score(SUNDAY, 28, "all", 5, grid="nij-600ft")), "r1")
    assert sorted(told(lake), key=str) == [
        (SUNDAY, 28, "all", 28),
        (SUNDAY, 28, "all", 5),
        (SUNDAY, 7, "all", 1),
        (SUNDAY, 7, "mixture", 2),
    ]
    put_scores(lake, CHICAGO, scores(score(SUNDAY, 7, "mixture", 2)), "r1")
    assert sorted(row[1:3] for row in told(lake)) == [(7, "mixture"), (28, "all"), (28, "all")]


def test_scores_say_by_what_they_were_made(lake: Lake) -> None:
    first = scores(score(SUNDAY, 7, "all", 3))
    put_scores(lake, CHICAGO, first, "r1")
    assert scores_made_by(lake, CHICAGO) == "r1"
    assert put_scores(lake, CHICAGO, first, "r2") == []
    assert scores_made_by(lake, CHICAGO) == "r2"


def test_the_study_area_is_replaced_only_by_another(lake: Lake) -> None:
    area = rows_of("forecast_places", {"cell": "a"}, {"cell": "b"})
    assert put_places(lake, CHICAGO, area) is True
    assert put_places(lake, CHICAGO, area) is False
    assert len(snapshots(lake, "forecast_places")) == 1
    other = rows_of("forecast_places", {"cell": "a"})
    assert put_places(lake, CHICAGO, other) is True
    assert read(lake, CHICAGO, "forecast_places").equals(other)


def test_upkeep_leaves_days_that_are_one_file_alone(lake: Lake) -> None:
    for day in WEEKS:
        say(lake, CHICAGO, day, made(day))
    before = files(lake, "forecast_cells")
    done = compact(lake, CHICAGO)
    assert done["forecast_cells"].files_removed == 0
    assert files(lake, "forecast_cells") == before


def test_what_was_said_cannot_be_computed_again_and_scores_can() -> None:
    assert [name for name in FORECASTS if is_computed(name)] == ["forecast_scores"]
