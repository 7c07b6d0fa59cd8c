"""The store in memory keeps what is promised of stores."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa
import pytest

from crime_assets.core.errors import StoreBusy
from crime_assets.migration import Census, DocumentStore, Items, Quarantined
from crime_assets.migration.progress import Progress, State
from crime_assets_tests.migration.tiny_store import TinyStore


def items(*names: str, text: str = "{}") -> Items:
    """Each `id` or `id/part`."""
    rows = [{"id": name.partition("/")[0], "part": name.partition("/")[2] or "-", "item": text} for name in names]
    return Items(pa.Table.from_pylist(rows, pa.schema([(name, pa.string()) for name in ("id", "part", "item")])))


def test_documents_and_progress_are_kept_together() -> None:
    store: DocumentStore = TinyStore()
    assert store.progress() is None
    with store.hold() as known:
        assert known == Progress(token=1)
        store.put(items("case#1", "case#2", "case#2/notes#000001", "label#1"), replace(known, state=State.LOADING))
        store.put(items("case#1", text="new"), None)
    assert store.progress() == Progress(state=State.LOADING, token=1)
    assert store.census(["case", "other"]) == Census({"case": 2, "other": 0}, ["label#1"])
    assert [*store.ids("case")] == [["case#1", "case#2"]]
    assert store.get(["case#1", "case#2", "case#3"]) == {
        "case#1": {"-": "new"},
        "case#2": {"-": "{}", "notes#000001": "{}"},
    }
    assert sum(piece.table.num_rows for piece in store.scan()) == 4


def test_what_is_replaced_leaves_nothing_of_itself() -> None:
    store = TinyStore()
    with store.hold():
        store.put(items("case#1", "case#1/notes#000001", "case#2", "case#3"), None)
        store.replace(["case#1", "case#2"], items("case#1"), None)
    assert sorted(store.items) == [("case#1", "-"), ("case#3", "-")]


def test_one_at_a_time_holds_it() -> None:
    store = TinyStore()
    with store.hold(), pytest.raises(StoreBusy), store.hold():
        pass
    with store.hold() as known:
        assert known.token == 2


def test_what_is_set_aside_is_there_until_it_is_released() -> None:
    store = TinyStore()
    store.set_aside([Quarantined("case#2", "old", "{}"), Quarantined("case#1", "long", "{}")])
    store.set_aside([Quarantined("case#2", "long", "{}")])
    assert [(one.id, one.reason) for one in store.aside()] == [("case#1", "long"), ("case#2", "long")]
    store.release(["case#2", "case#9"])
    assert [one.id for one in store.aside()] == ["case#1"]
