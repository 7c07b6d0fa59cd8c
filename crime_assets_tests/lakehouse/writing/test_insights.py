"""Insight tables: only days that change are written, and late changes make the right days stale."""

from __future__ import annotations

import dataclasses
from datetime import date, timedelta
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.analysis.statistics import finished
from crime_assets.core.errors import LakeBusy, LakeError, UsageError
from crime_assets.core.insights import Insight, InsightColumn, all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import insights as module
from crime_assets.lakehouse.writing.insights import replace_days, stale_days
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.lakes import files, merge, orphans, snapshots
from crime_assets_tests.lakehouse.writing.versions import version

SUMMARY = all_insights()[0]
DAYS = [date(2024, 1, 20) + timedelta(days=n) for n in range(5)]


def compute(lake: Lake, days: list[date], insight: Insight = SUMMARY) -> list[date]:
    """Days of the insight, computed from what is known now; returns those that changed."""
    engine = DuckDBEngine(lake, CHICAGO)
    try:
        return replace_days(lake, CHICAGO, insight, {day: engine.insight(insight, day) for day in days})
    finally:
        engine.close()


def held(lake: Lake, insight: Insight = SUMMARY) -> list[dict[str, object]]:
    table = tables.load(lake, "chicago", insight.table)
    assert table is not None
    found = table.scan().to_arrow().to_pylist()
    return sorted(found, key=lambda row: (row["as_of_day"], row["period"]))


def crimes(lake: Lake) -> dict[date, int]:
    return {row["as_of_day"]: row["crimes"] for row in held(lake) if row["period"] == "all"}


def files_by_day(lake: Lake, insight: Insight = SUMMARY) -> dict[str, str]:
    return {Path(path).parent.name.removeprefix("as_of_day="): path for path in files(lake, insight.table)}


def five_days(lake: Lake) -> None:
    """A crime of each day, and the insight on all of them."""
    merge(lake, *(version(n, f"{day}", f"{day - timedelta(days=8)}") for n, day in enumerate(DAYS)))
    compute(lake, DAYS)


@pytest.mark.slow
def test_every_insight_can_be_kept_and_kept_again(lake: Lake) -> None:
    merge(lake, *(version(n, f"{day}", f"{day - timedelta(days=8)}") for n, day in enumerate(DAYS)))

    for insight in all_insights():
        engine = DuckDBEngine(lake, CHICAGO)
        computed = {day: finished(insight, engine.insight(insight, day)) for day in DAYS}
        changed = replace_days(lake, CHICAGO, insight, computed)
        seen = snapshots(lake, insight.table)

        assert changed == [day for day in DAYS if computed[day].num_rows]
        wanted = [row for rows in computed.values() for row in rows.to_pylist()]
        assert sorted(held(lake, insight), key=repr) == sorted(wanted, key=repr)
        assert replace_days(lake, CHICAGO, insight, computed) == []
        assert snapshots(lake, insight.table) == seen
        engine.close()


def test_only_days_whose_rows_changed_are_written(lake: Lake) -> None:
    five_days(lake)
    before = files_by_day(lake)
    assert crimes(lake) == dict(zip(DAYS, (1, 2, 3, 4, 5), strict=True))

    merge(lake, version(50, f"{DAYS[3]}", "2024-01-10"))
    changed = compute(lake, DAYS)

    assert changed == DAYS[3:]
    assert crimes(lake) == dict(zip(DAYS, (1, 2, 3, 5, 6), strict=True))
    after = files_by_day(lake)
    assert {day for day in after if after[day] != before[day]} == {str(day) for day in DAYS[3:]}
    assert orphans(lake) == []


def test_a_day_that_has_no_rows_any_more_is_emptied(lake: Lake) -> None:
    five_days(lake)
    engine = DuckDBEngine(lake, CHICAGO)
    empty = engine.insight(SUMMARY, DAYS[0]).slice(0, 0)

    assert replace_days(lake, CHICAGO, SUMMARY, {DAYS[0]: empty}) == [DAYS[0]]
    assert sorted(crimes(lake)) == DAYS[1:]
    assert replace_days(lake, CHICAGO, SUMMARY, {DAYS[0]: empty}) == []


def test_nothing_is_stale_where_nothing_changed(lake: Lake) -> None:
    assert stale_days(lake, CHICAGO, SUMMARY) == []
    five_days(lake)

    assert stale_days(lake, CHICAGO, SUMMARY) == []


def test_another_definition_makes_all_days_stale_until_they_are_computed_by_it(lake: Lake) -> None:
    five_days(lake)
    statement = SUMMARY.statement.replace("'day', -27, :last_complete_day", "'day', -6, :last_complete_day")
    other = dataclasses.replace(SUMMARY, statement=statement)
    assert stale_days(lake, CHICAGO, other) == DAYS

    compute(lake, [*DAYS, DAYS[-1] + timedelta(days=1)], other)

    assert stale_days(lake, CHICAGO, other) == []
    assert {row["first_day"] for row in held(lake, other) if row["period"] == "28d"} == {
        day - timedelta(days=14) for day in (*DAYS, DAYS[-1] + timedelta(days=1))
    }
    assert stale_days(lake, CHICAGO, SUMMARY) == [*DAYS, DAYS[-1] + timedelta(days=1)]


def test_comments_and_spaces_are_no_other_definition_texts_and_the_citys_lag_are(lake: Lake) -> None:
    five_days(lake)
    reworded = dataclasses.replace(SUMMARY, statement=f"-- Another word.\n{SUMMARY.statement}\n  -- And one more.")
    assert stale_days(lake, CHICAGO, reworded) == []

    one, other = (dataclasses.replace(SUMMARY, statement=f"SELECT 'a -- {text}'") for text in "bc")
    assert one.definition != other.definition
    assert stale_days(lake, dataclasses.replace(CHICAGO, lag_days=3), SUMMARY) == DAYS


@pytest.mark.parametrize("has_rows", [True, False])
def test_rows_that_another_definition_leaves_as_they_are_are_not_computed_again_and_again(
    lake: Lake, has_rows: bool
) -> None:
    merge(lake, *(version(n, f"{day}", f"{day - timedelta(days=8)}") for n, day in enumerate(DAYS)))
    engine = DuckDBEngine(lake, CHICAGO)
    results = {day: engine.insight(SUMMARY, day).slice(0, None if has_rows else 0) for day in DAYS}
    engine.close()
    replace_days(lake, CHICAGO, SUMMARY, results)
    other = dataclasses.replace(SUMMARY, statement=SUMMARY.statement.replace("ORDER BY period", "ORDER BY period ASC"))
    assert stale_days(lake, CHICAGO, other) == DAYS

    assert replace_days(lake, CHICAGO, other, results) == []

    assert stale_days(lake, CHICAGO, other) == []
    assert orphans(lake) == []


def test_a_late_change_makes_its_day_and_all_later_days_stale(lake: Lake) -> None:
    five_days(lake)

    merge(lake, version(50, f"{DAYS[2]}", "2024-01-10"))

    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS[2:]
    compute(lake, DAYS[2:])
    assert stale_days(lake, CHICAGO, SUMMARY) == []


def test_all_merges_since_count(lake: Lake) -> None:
    five_days(lake)

    for n, day in enumerate((DAYS[3], DAYS[1], DAYS[4])):
        merge(lake, version(50 + n, f"{day}", "2024-01-10"))

    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS[1:]


def test_a_change_of_a_new_day_leaves_the_days_before_alone(lake: Lake) -> None:
    five_days(lake)

    # It edits a record of the first day: what that day knew stays what it was.
    merge(lake, version(0, "2024-01-25", "2024-01-12", arrest=True))

    assert stale_days(lake, CHICAGO, SUMMARY) == []
    assert compute(lake, DAYS) == []


def test_a_version_that_comes_too_late_makes_days_stale_without_changing_crimes(lake: Lake) -> None:
    five_days(lake)
    before = snapshots(lake)

    # Crime 4 is known in its version of the last day; on the days before it was already known in another.
    merge(lake, version(4, f"{DAYS[1]}", "2024-01-10"))

    assert snapshots(lake) == before
    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS[1:]
    assert compute(lake, DAYS[1:]) == DAYS[1:4]
    assert crimes(lake) == dict(zip(DAYS, (1, 3, 4, 5, 5), strict=True))


def test_a_merge_broken_off_between_its_commits_makes_its_days_stale_when_it_is_mended(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    five_days(lake)
    late = [version(0, f"{DAYS[2]}", "2024-01-12", block="X"), version(0, f"{DAYS[4]}", "2024-01-12", block="Y")]
    commit = tables.commit

    def crash(table: tables.Table, change: tables.Change) -> int:
        if table.name()[-1] == "crimes":
            raise RuntimeError("gone")
        return commit(table, change)

    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", crash)
        with pytest.raises(RuntimeError, match="gone"):
            merge(lake, *late)
    # The insight is computed on what is half there and marks it as seen.
    merge(lake, version(9, "2024-01-24", "2024-01-12"))
    compute(lake, DAYS)
    assert stale_days(lake, CHICAGO, SUMMARY) == []

    merge(lake, *late)

    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS[2:]


@pytest.mark.parametrize("seen", ["4711", None])
def test_all_days_are_stale_where_it_is_not_known_what_they_saw(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, seen: str | None
) -> None:
    with monkeypatch.context() as patch:
        marks = {"crimes-snapshot": seen} if seen else {}
        patch.setattr(module, "present_snapshots", lambda *_: {**marks, "superseded-snapshot": "none"})
        five_days(lake)

    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS


def test_days_computed_before_there_were_crimes_are_stale_from_the_first_change_on(lake: Lake) -> None:
    compute(lake, DAYS)
    assert {row["crimes"] for row in held(lake)} == {0}

    merge(lake, version(1, f"{DAYS[1]}", "2024-01-10"))

    assert stale_days(lake, CHICAGO, SUMMARY) == DAYS[1:]


NARROW = Insight("narrow", 99, "A test.", (InsightColumn("crimes", "How many.", ()),), "SELECT 1")


def narrow(day: date, **columns: pa.Array) -> pa.Table:
    return pa.table({"as_of_day": pa.array([day], pa.date32()), "period": pa.array(["all"], pa.string()), **columns})


def longs(*values: int) -> pa.Array:
    return pa.array(values, pa.int64())


def test_a_column_may_be_added_later_anywhere(lake: Lake) -> None:
    first, second = DAYS[:2]
    replace_days(lake, CHICAGO, NARROW, {day: narrow(day, crimes=longs(3)) for day in (first, second)})
    wider = dataclasses.replace(NARROW, columns=(InsightColumn("arrests", "New.", ()), *NARROW.columns))

    changed = replace_days(lake, CHICAGO, wider, {second: narrow(second, arrests=longs(1), crimes=longs(3))})
    seen = snapshots(lake, NARROW.table)
    again = replace_days(lake, CHICAGO, wider, {second: narrow(second, arrests=longs(1), crimes=longs(3))})

    assert (changed, again, snapshots(lake, NARROW.table)) == ([second], [], seen)
    both = [
        {"as_of_day": first, "period": "all", "crimes": 3, "arrests": None},
        {"as_of_day": second, "period": "all", "crimes": 3, "arrests": 1},
    ]
    assert held(lake, NARROW) == both
    answer = DuckDBEngine(lake, CHICAGO).query("SELECT as_of_day, arrests FROM insight_narrow ORDER BY 1")
    assert answer.rows == [(first, None), (second, 1)]
    table = tables.load(lake, "chicago", NARROW.table)
    assert table is not None
    assert table.schema().find_field("arrests").doc == "New."


def test_a_column_may_go(lake: Lake) -> None:
    replace_days(lake, CHICAGO, NARROW, {day: narrow(day, crimes=longs(3), old=longs(1)) for day in DAYS[:2]})

    assert replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(3))}) == [DAYS[0]]
    assert replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(3))}) == []
    assert [(row["crimes"], row["old"]) for row in held(lake, NARROW)] == [(3, None), (3, 1)]


@pytest.mark.parametrize("other", [pa.array(["3"]), pa.array([3.0], pa.float64()), pa.array([True])])
def test_a_column_that_changes_its_type_is_refused_with_a_sentence(lake: Lake, other: pa.Array) -> None:
    replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(3))})

    with pytest.raises(LakeError, match="A column of insight_narrow has changed its type: give the insight a new name"):
        replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=other)})

    assert [row["crimes"] for row in held(lake, NARROW)] == [3]
    assert orphans(lake) == []


@pytest.mark.parametrize("values", [pa.array([3], pa.decimal128(38, 0)), pa.array([[1]]), pa.array([{"a": 1}])])
def test_a_column_of_a_type_that_no_table_takes_is_refused_with_a_sentence(lake: Lake, values: pa.Array) -> None:
    with pytest.raises(UsageError, match=r"The column crimes has the type .*: CAST it to BIGINT"):
        replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=values)})

    assert tables.load(lake, "chicago", NARROW.table) is None


def test_days_that_another_writer_overtook_are_planned_anew(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    five_days(lake)
    commit = tables.commit
    others = [DAYS[0], DAYS[1]]

    def overtake(table: tables.Table, change: tables.Change) -> int:
        if others:
            day = others.pop()
            replace_days(Lake(lake.home), CHICAGO, NARROW, {day: narrow(day, crimes=longs(7))})
        return commit(table, change)

    replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(0))})
    monkeypatch.setattr(tables, "commit", overtake)
    replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(5))})

    assert [(row["as_of_day"], row["crimes"]) for row in held(lake, NARROW)] == [(DAYS[0], 5), (DAYS[1], 7)]
    assert orphans(lake) == []


def test_a_column_that_another_machine_brings_at_the_same_time_is_planned_anew(
    lake: Lake, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = DAYS[:2]
    replace_days(lake, CHICAGO, NARROW, {first: narrow(first, crimes=longs(3))})
    load = tables.load
    # Looked at first, then loaded to be changed.
    others = [first, None]

    def overtaken(asked: Lake, city: str, name: str) -> tables.Table | None:
        found = load(asked, city, name)
        if asked is lake and name == NARROW.table and others:
            day = others.pop()
            if day is not None:
                theirs = narrow(day, crimes=longs(3), arrests=longs(1))
                replace_days(Lake(lake.home), CHICAGO, NARROW, {day: theirs})
        return found

    monkeypatch.setattr(tables, "load", overtaken)
    replace_days(lake, CHICAGO, NARROW, {second: narrow(second, crimes=longs(4), arrests=longs(2))})

    assert [(row["crimes"], row["arrests"]) for row in held(lake, NARROW)] == [(3, 1), (4, 2)]


def test_days_that_are_always_overtaken_end_in_a_sentence(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    def late(table: tables.Table, change: tables.Change) -> int:
        raise tables.StalePlan

    monkeypatch.setattr(tables, "commit", late)
    with pytest.raises(LakeBusy, match="run again later"):
        replace_days(lake, CHICAGO, NARROW, {DAYS[0]: narrow(DAYS[0], crimes=longs(3))})


def test_a_day_that_had_no_rows_is_computed_again_when_it_should(lake: Lake) -> None:
    """No file tells of such a day: a late change that gives it rows would go unseen."""
    (insight,) = (found for found in all_insights() if found.name == "repeat_offense_locations")
    merge(lake, *(version(n, f"{DAYS[0]}", f"{DAYS[0] - timedelta(days=8)}") for n in range(3)))
    assert compute(lake, DAYS, insight) == []
    assert stale_days(lake, CHICAGO, insight) == []
    merge(lake, *(version(n, f"{DAYS[1]}", f"{DAYS[0] - timedelta(days=8)}") for n in range(10, 30)))
    assert stale_days(lake, CHICAGO, insight) == DAYS[1:]
    assert compute(lake, DAYS[1:], insight) == DAYS[1:]
    assert stale_days(lake, CHICAGO, insight) == []
    merge(lake, *(version(n, f"{DAYS[0]}", f"{DAYS[0] - timedelta(days=8)}") for n in range(40, 60)))
    assert stale_days(lake, CHICAGO, insight) == DAYS
