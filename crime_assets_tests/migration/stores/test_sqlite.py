"""The store in a file: what a full disk, a foreign file and a second holder do to it."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.core.errors import DiskFull, StoreBusy, StoreError
from crime_assets.migration import Items
from crime_assets.migration.arrow import ITEM
from crime_assets.migration.progress import Position, State
from crime_assets.migration.stores import EMPTY, FIRST
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets_tests.migration.stores.test_contract import found, item, items


@pytest.fixture
def store(tmp_path: Path) -> SqliteStore:
    return SqliteStore(tmp_path / "documents.db")


def test_a_full_disk_changes_nothing(store: SqliteStore) -> None:
    with store.hold() as known:
        store.put(items(item("case#1")), replace(known, position=Position(1)))
        store._held.execute("PRAGMA max_page_count = 20")
        many = items(item("case#1", title="b"), *(item(f"case#{n}", title="x" * 9_000) for n in range(2, 99)))
        with pytest.raises(DiskFull, match=r"no space left for .*documents\.db: make some and run again"):
            store.replace(["case#1"], many, replace(known, position=Position(2)))
        assert found(store) == {("case#1", FIRST): item("case#1")[2]}
        # It goes on when there is space.
        store.put(items(item("case#2")), replace(known, position=Position(3)))
    assert (store.census(["case"]).counts, store.progress()) == ({"case": 2}, replace(known, position=Position(3)))


def test_an_error_on_the_way_changes_nothing(store: SqliteStore) -> None:
    with store.hold() as known:
        store.put(items(item("case#1")), known)
        lacking = pa.table([["case#3"], [FIRST], [None]], schema=ITEM)
        with pytest.raises(StoreError, match="cannot be used"):
            store.replace(["case#1"], Items(pa.concat_tables([items(item("case#2")).table, lacking])), known)
    assert [*found(store)] == [("case#1", FIRST)]


def test_who_lost_it_writes_nothing(store: SqliteStore) -> None:
    with store.hold() as known:
        # As if the lock had been removed, or did not hold on this file system.
        (store._path.with_suffix(".lock")).unlink()
        with SqliteStore(store._path).hold(), pytest.raises(StoreBusy, match="Another process has taken"):
            store.put(items(item("case#1")), known)
        assert found(store) == {}
    with pytest.raises(StoreBusy, match="not held"):
        store.put(items(item("case#1")), known)
    with store.hold(), pytest.raises(StoreBusy):
        store.put(EMPTY, known)


def test_another_file_is_left_alone(store: SqliteStore) -> None:
    with closing(sqlite3.connect(store._path)) as other:
        other.execute("CREATE TABLE mine(a)")
    with pytest.raises(StoreError, match="no store of documents of this release"), store.hold():
        pass
    store._path.write_bytes(b"no database, but text" * 100)
    for attempt in (store.hold().__enter__, store.progress, lambda: store.get(["case#1"])):
        with pytest.raises(StoreError, match="restore it from a backup, or remove it"):
            attempt()


def test_it_is_read_while_another_writes(store: SqliteStore) -> None:
    reader = SqliteStore(store._path)
    with store.hold() as known:
        store.put(items(item("case#1")), replace(known, state=State.LOADING))
        pieces = reader.scan()
        store.put(items(item("case#2")), replace(known, state=State.FOLLOWING))
        assert reader.progress() == replace(known, state=State.FOLLOWING)
        assert sum(piece.table.num_rows for piece in pieces) == 2
        assert store._held.execute("PRAGMA synchronous").fetchone() == (2,)
        store.put(items(item("case#3")), replace(known, state=State.LOADING))
        assert store._held.execute("PRAGMA synchronous").fetchone() == (1,)


def test_what_is_no_text_is_read_as_another_and_never_repeated(store: SqliteStore) -> None:
    rows = [item("case#1"), item("case#2")]
    with store.hold() as known:
        store.put(items(*rows), replace(known, state=State.FOLLOWING))
    with closing(sqlite3.connect(store.name)) as connection, connection:
        connection.execute("UPDATE documents SET item = CAST(X'7BFF534543524554' AS TEXT) WHERE id = 'case#1'")
    assert store.get(["case#1"]) == {"case#1": {FIRST: "{\ufffdSECRET"}}
    with store.hold():
        store.replace(["case#1"], items(rows[0]), None)
    assert found(store) == {row[:2]: row[2] for row in rows}


def test_only_texts_can_be_written(store: SqliteStore) -> None:
    with store.hold():
        pass
    with closing(sqlite3.connect(store.name)) as connection, pytest.raises(sqlite3.IntegrityError, match="BLOB"):
        connection.execute("INSERT INTO documents VALUES ('case#1', '-', X'7B7D')")


@pytest.mark.parametrize("name", ["case#1\0", "\U0010ffff", "\U0010ffff#"])
def test_whatever_an_id_is_it_is_counted_and_can_be_removed(store: SqliteStore, name: str) -> None:
    with store.hold() as known:
        store.put(items(item("case#1"), item(name)), known)
        census = store.census(["case"])
        assert sum(census.counts.values()) + len(census.strays) == 2
        store.replace([name], EMPTY, None)
    assert [*found(store)] == [("case#1", FIRST)]


def test_ids_are_each_read_once(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.migration.stores.sqlite._IDS", 20)
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1

    with store.hold():
        store.put(items(*(item(f"case#{n:04}") for n in range(2_000))), None)
        store._held.set_progress_handler(step, 1)
        assert sum(map(len, store.ids("case"))) == 2_000
    # What SQLite does for one is the same wherever it is.
    assert steps < 2_000 * 30


def test_large_items_come_few_at_a_time(store: SqliteStore) -> None:
    with store.hold():
        store.put(items(*(item(f"case#{n}", title="x" * 400_000) for n in range(40)[:20])), None)
        store.put(items(*(item(f"case#{n}", title="x" * 400_000) for n in range(40)[20:])), None)
    assert [piece.table.num_rows for piece in store.scan()] == [21, 19]


def test_errors_of_who_holds_it_are_not_explained_as_its_own(store: SqliteStore) -> None:
    with pytest.raises(sqlite3.Error, match="mine"), store.hold():
        raise sqlite3.OperationalError("mine")
