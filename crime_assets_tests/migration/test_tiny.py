"""The database in memory behaves as real ones do: what is built on it can rely on that."""

from __future__ import annotations

import json

import pytest

from crime_assets.core.errors import SourceForgot
from crime_assets.migration import Chunk, LegacyDatabase, Snapshot
from crime_assets.migration.progress import Position
from crime_assets_tests.migration.tiny import BOTH, CASE, LABEL, TinyDatabase, TinySnapshot, Touched, Work
from crime_assets_tests.migration.tiny_items import plain_items


def filled(cases: int = 12) -> TinyDatabase:
    database = TinyDatabase()
    with database.commit() as work:
        for number in range(cases, 0, -1):
            work.put("cases", number=str(number), title=f"case {number}")
        for line in (10, 9):
            work.put("notes", case_number="2", line=str(line), text=f"line {line}")
        work.put("labels", list="a#b", code="c", title=None)
    return database


def touched(database: TinyDatabase, since: int, until: int | None = None) -> tuple[Touched, int]:
    found = Touched()
    reached = database.touched(Position(since), None if until is None else Position(until), found)
    return found, reached


def delete_twice(work: Work, number: str) -> None:
    work.delete("cases", number)
    work.delete("cases", number)


def numbers(chunk: Chunk | None) -> list[str]:
    assert chunk is not None
    found: list[str] = chunk.roots["number"].to_pylist()
    return found


def test_it_is_what_the_steps_are_promised() -> None:
    database: LegacyDatabase = TinyDatabase()
    with database.snapshot() as now:
        assert isinstance(now, TinySnapshot)
        promised: Snapshot = now
        assert promised.shape().differs(BOTH) == []


def test_chunks_are_in_the_order_of_numbers_with_their_children() -> None:
    database = filled()
    with database.snapshot() as now:
        first = now.after(CASE, None, 9)
        assert first is not None
        assert numbers(first) == [str(number) for number in range(1, 10)]
        assert first.last == ("9",)
        assert first.children["notes"].to_pylist() == [
            {"case_number": "2", "line": "9", "text": "line 9"},
            {"case_number": "2", "line": "10", "text": "line 10"},
        ]
        second = now.after(CASE, first.last, 9)
        assert numbers(second) == ["10", "11", "12"]
        assert second is not None
        assert second.children["notes"].num_rows == 0
        assert now.after(CASE, second.last, 9) is None
        assert now.these(CASE, [("3",), ("99",)]).roots.to_pylist() == [{"number": "3", "title": "case 3"}]
        assert now.these(CASE, []).last is None
        assert database.roots_read == 13


def test_a_snapshot_stands_still_and_what_is_rolled_back_was_never_there() -> None:
    database = filled()
    with database.snapshot() as before:
        with database.commit() as work:
            work.delete("cases", "1")
        with pytest.raises(KeyError), database.commit() as work:
            delete_twice(work, "2")
        assert numbers(before.after(CASE, None, 2)) == ["1", "2"]
    with database.snapshot() as now:
        assert numbers(now.after(CASE, None, 2)) == ["2", "3"]
        assert now.position == 0


def test_what_changed_is_told_by_root_up_to_a_position() -> None:
    database = filled()
    began = database.begin()
    with database.commit() as work:
        work.move("cases", "1", number="100")
        work.move("notes", "2", "9", case_number="3")
    with database.exact(1) as middle, database.commit() as work:
        work.truncate("labels")
        work.delete("cases", "5")
    assert middle.position == began + 1
    found, reached = touched(database, began, middle.position)
    assert (found.keys, found.all, reached) == ({"case": {("1",), ("100",), ("2",), ("3",)}}, set(), middle.position)
    found, reached = touched(database, middle.position)
    assert (found.keys, found.all, reached) == ({"case": {("5",)}}, {"label"}, began + 2)
    assert touched(database, reached) == (Touched(), reached)
    assert [note["case_number"] for note in middle.these(CASE, [("2",), ("3",)]).children["notes"].to_pylist()] == [
        "2",
        "3",
    ]


def test_changes_are_forgotten_when_they_may_be_and_when_they_are_lost() -> None:
    database = filled()
    with pytest.raises(SourceForgot):
        touched(database, database.position)
    began = database.begin()
    for number in ("1", "2"):
        with database.commit() as work:
            work.put("cases", number=number, title="new")
    assert (database.lag().bytes, database.lag().state) == (2, "kept")
    database.advance(Position(began + 1))
    database.advance(began)
    with pytest.raises(SourceForgot, match="verify with repair"):
        touched(database, began)
    assert touched(database, began + 1)[0].keys == {"case": {("2",)}}
    database.lose()
    assert database.lag().state == "lost"
    with pytest.raises(SourceForgot), database.exact(1):
        pass
    database.begin()
    assert database.finish() != []
    assert database.finish() == []


def test_a_changed_table_is_seen_by_snapshots_after_it() -> None:
    database = filled()
    with database.snapshot() as before:
        database.columns["cases.title"] = "bytea"
        assert before.shape().differs(BOTH) == []
    with database.snapshot() as now:
        (sentence,) = now.shape().differs(BOTH)
        assert sentence.startswith("cases.title is bytea, which is not the text")


def test_plain_items_have_what_rows_have() -> None:
    with filled(2).snapshot() as now:
        case = plain_items(CASE, now.these(CASE, [("2",)])).table.to_pylist()
        label = plain_items(LABEL, now.these(LABEL, [("a#b", "c")])).table.to_pylist()
    (item,) = [json.loads(row["item"]) for row in case]
    assert (case[0]["id"], case[0]["part"]) == ("case#2", "-")
    assert item == {
        "id": {"S": "case#2"},
        "part": {"S": "-"},
        "kind": {"S": "case"},
        "case_number": {"N": "2"},
        "title": {"S": "case 2"},
        "notes": {
            "L": [{"M": {"line": {"N": str(line)}, "text": {"S": f"line {line}"}}} for line in (9, 10)],
        },
    }
    assert label[0]["id"] == "label#a%23b#c"
    assert "title" not in json.loads(label[0]["item"]), "NULL is absent"
