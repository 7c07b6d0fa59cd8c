"""What the source has removed is kept apart, and nothing else is."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from crime_assets.core.errors import LakeBusy
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.lakehouse.writing.removed import let_in
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import files, orphans, paths, properties, rows, snapshots
from crime_assets_tests.lakehouse.reconciliation.comparing import NOTICED, UNTIL, crimes, fill, known, take_out, version
from crime_assets_tests.lakehouse.writing.versions import Crash, interrupted


def test_a_removed_crime_is_kept_apart_and_its_month_alone_rewritten(lake: Lake, engine: DuckDBEngine) -> None:
    fill(lake, *crimes(1, 4), *crimes(4, 7, "2023-12-05"), *crimes(7, 8, "2023-11-05"))
    before, held = paths(lake), {row["id"]: row for row in rows(lake)}

    assert take_out(lake, 2, 7) == 2

    assert [row["id"] for row in rows(lake)] == [1, 3, 4, 5, 6]
    removed = rows(lake, "crimes_removed")
    marks = {"removed_on": UNTIL, "noticed_at": NOTICED}
    assert removed == [{**held[2], **marks}, {**held[7], **marks}]
    after = paths(lake)
    assert after.keys() == {"2024-01", "2023-12"}, "a month without a row has no file"
    assert (after["2023-12"], after["2024-01"] != before["2024-01"]) == (before["2023-12"], True)
    assert properties(lake) == {
        "kind": "removed",
        "removed": "2",
        "first-changed-day": "2024-01-20",
        "run-id": "run-7",
    }
    answer = engine.query("SELECT id, removed_on FROM crimes_removed ORDER BY id")
    assert answer.rows == [(2, UNTIL), (7, UNTIL)]
    assert orphans(lake) == []


def test_removing_what_is_gone_already_changes_nothing(lake: Lake) -> None:
    fill(lake, *crimes(1, 4))
    gone = [Gone(2, datetime(2024, 1, 10, 15, 40)), Gone(77, datetime(2024, 1, 10))]
    assert remove(lake, CHICAGO, Removal(gone, UNTIL, NOTICED), {}) == 1
    before = snapshots(lake), snapshots(lake, "crimes_removed")

    assert remove(lake, CHICAGO, Removal(gone, UNTIL + timedelta(days=7), NOTICED), {}) == 0

    assert (snapshots(lake), snapshots(lake, "crimes_removed")) == before


def test_a_crime_with_another_version_by_now_stays(lake: Lake) -> None:
    fill(lake, *crimes(1, 4))
    gone = [Gone(2, datetime(2024, 1, 10, 15, 40))]
    fill(lake, record(2, "2024-01-19", arrest=True))
    before = snapshots(lake)

    assert remove(lake, CHICAGO, Removal(gone, UNTIL, NOTICED), {}) == 0

    assert (len(rows(lake)), snapshots(lake), files(lake, "crimes_removed")) == (3, before, [])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["crimes_removed", "crimes"])
def test_a_crash_between_the_two_commits_is_mended_by_the_next_week(
    lake: Lake, engine: DuckDBEngine, monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    held = crimes(1, 4)
    fill(lake, *held)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted(name, when))
        with pytest.raises(Crash):
            take_out(lake, 2)
    in_crimes = 2 in {row["id"] for row in rows(lake)}
    in_removed = 2 in {row["id"] for row in rows(lake, "crimes_removed")}
    assert (in_crimes, in_removed) == {
        ("crimes_removed", "before"): (True, False),
        ("crimes_removed", "after"): (True, True),
        ("crimes", "before"): (True, True),
        ("crimes", "after"): (False, True),
    }[name, when]
    assert known(engine, "2024-01-19") == [version(crime) for crime in held]

    later, first = UNTIL + timedelta(days=7), (UNTIL if in_removed else UNTIL + timedelta(days=7))
    take_out(lake, 2, on=later)

    assert [row["id"] for row in rows(lake)] == [1, 3]
    assert [(row["id"], row["removed_on"]) for row in rows(lake, "crimes_removed")] == [(2, first)]
    if in_crimes:
        assert properties(lake)["first-changed-day"] == str(first), "days that show it since the crash are stale"
    assert known(engine, str(first - timedelta(days=1))) == [version(crime) for crime in held]
    assert known(engine, str(first)) == [version(held[0]), version(held[2])]


@pytest.mark.slow
def test_another_writer_in_between_is_planned_around(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(lake, *crimes(1, 4))
    commit = tables.commit
    others = [record(2, "2024-01-19", arrest=True), record(4, "2024-01-19", "2023-12-05")]

    def overtake(table: tables.Table, change: Change) -> int:
        if table.name()[-1] == "crimes" and others:
            with monkeypatch.context() as patch:
                patch.setattr(tables, "commit", commit)
                fill(Lake(lake.home), others.pop())
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtake)
    # While the row of 2 is moved, 4 appears in another month, and then 2 gets another version.
    assert take_out(lake, 2) == 0
    monkeypatch.undo()

    found = {row["id"]: row["arrest"] for row in rows(lake)}
    assert found == {1: False, 2: True, 3: False, 4: False}

    def always(table: tables.Table, change: Change) -> int:
        raise tables.StalePlan

    monkeypatch.setattr(tables, "commit", always)
    with pytest.raises(LakeBusy, match="during one removal: run again later"):
        take_out(lake, 1)


def test_only_what_was_pulled_after_a_removal_is_let_in_again(lake: Lake) -> None:
    fill(lake, record(1, "2024-01-15"), pulled="2024-01-16T08:00:00")
    take_out(lake, 1)
    cases = [
        (1, "2024-01-15 15:40", "2024-01-16T08:00:00Z", False),
        (1, "2024-01-15 15:40", "2024-01-16T07:59:59Z", False),
        (1, "2024-01-14 15:40", "2024-01-30T08:00:00Z", False),
        (1, "2024-01-15 15:40", "2024-01-16T08:00:01Z", True),
        (1, "2024-01-15 15:41", "2024-01-16T07:00:00Z", True),
        (2, "2024-01-14 15:40", "2024-01-16T07:00:00Z", True),
    ]
    with connection(lake.staging) as con:
        con.execute("CREATE TEMP TABLE incoming (n INTEGER, id BIGINT, updated_on TIMESTAMP, ingested_at TIMESTAMPTZ)")
        con.executemany("INSERT INTO incoming VALUES (?, ?, ?, ?)", [(n, *case[:3]) for n, case in enumerate(cases)])
        let_in(lake, CHICAGO, con)
        found = {row[0] for row in con.execute("SELECT n FROM incoming").fetchall()}
    assert found == {n for n, case in enumerate(cases) if case[3]}
