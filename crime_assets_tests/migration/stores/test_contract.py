"""What is promised of stores, by each of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import StoreBusy
from crime_assets.migration import DocumentStore, Items, Quarantined
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Position, Progress, State, Verified
from crime_assets.migration.stores import EMPTY, FIRST, asides, in_pieces
from crime_assets.migration.stores.dynamodb import DynamoStore
from crime_assets.migration.stores.lease import Pace
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets_tests.migration.stores.strict_server import is_there, strict_table
from crime_assets_tests.migration.throttling import Throttling
from crime_assets_tests.migration.tiny import BOTH
from crime_assets_tests.migration.tiny_store import TinyStore

__all__ = ["strict_table"]

STORES = [
    *("tiny", "sqlite"),
    *(pytest.param(name, marks=pytest.mark.slow) for name in ("dynamodb", "throttled")),
    pytest.param("strict", marks=[pytest.mark.slow, is_there]),
]
PACE = Pace(beat=0.2, silence=60, look=0.3)


def item(name: str, part: str = FIRST, title: str = "a") -> tuple[str, str, str]:
    attributes = {"id": {"S": name}, "part": {"S": part}, "kind": {"S": "case"}, "title": {"S": title}}
    return name, part, json.dumps(attributes, ensure_ascii=False, separators=(",", ":"))


def items(*rows: tuple[str, str, str]) -> Items:
    return next(in_pieces(rows), EMPTY)


def found(store: DocumentStore) -> dict[tuple[str, str], str]:
    """All that a scan gives; nothing twice."""
    rows = [row for piece in store.scan() for row in piece.table.to_pylist()]
    told = {(row["id"], row["part"]): row["item"] for row in rows}
    assert len(told) == len(rows)
    return told


def dynamo_store(mappings: Sequence[DocumentMapping] = BOTH, table: str = "documents") -> DynamoStore:
    return DynamoStore(Clients("us-east-1"), table, mappings, PACE)


@pytest.fixture(params=STORES)
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[], DocumentStore]]:
    """Opens the store as one more process would."""
    match request.param:
        case "tiny":
            tiny = TinyStore()
            yield lambda: tiny
        case "sqlite":
            yield lambda: SqliteStore(tmp_path / "legacy" / "documents.db")
        case "dynamodb":
            request.getfixturevalue("moto")
            yield dynamo_store
        case "throttled":
            busy = Throttling(seed=7, behind=request.getfixturevalue("moto"))
            with busy.serving() as address:
                request.getfixturevalue("monkeypatch").setenv("AWS_ENDPOINT_URL_DYNAMODB", address)
                yield dynamo_store
            assert busy.violations == []
        case "strict":
            table = request.getfixturevalue("strict_table")
            yield lambda: dynamo_store(table=table)


@pytest.fixture
def store(opened: Callable[[], DocumentStore]) -> DocumentStore:
    return opened()


def test_nothing_is_there_before_anything_was_put(store: DocumentStore) -> None:
    assert (store.progress(), found(store), store.get(["case#1"]), store.aside()) == (None, {}, {}, [])
    assert (store.census(["case"]).counts, [*store.ids("case")]) == ({"case": 0}, [])
    with store.hold() as known:
        assert known == Progress(token=1)
        assert (found(store), store.aside()) == ({}, [])


def test_documents_and_progress_come_back_in_another_process(opened: Callable[[], DocumentStore]) -> None:
    verified = Verified(Position(2**64 - 1), 3, 2**64 - 1, 2, 4, datetime(2026, 11, 30, tzinfo=UTC))
    far = Progress(State.FOLLOWING, Position(2**64 - 1), {"case": ("1",)}, verified=verified)
    rows = [item("case#1"), item("case#2", title='ü"\\\t中'), item("case#2", "notes#000001"), item("casework#1")]
    with (first := opened()).hold() as known:
        first.put(items(*rows), replace(far, token=known.token))
    second = opened()
    assert second.progress() == replace(far, token=1)
    assert found(second) == {row[:2]: row[2] for row in rows}
    assert second.get(["case#2", "case#3"]) == {"case#2": {FIRST: rows[1][2], "notes#000001": rows[2][2]}}
    assert sorted(name for names in second.ids("case") for name in names) == ["case#1", "case#2"]
    assert second.census(["case", "work", "casework"]).counts == {"case": 2, "work": 0, "casework": 1}


def test_what_is_put_again_is_the_newer(store: DocumentStore) -> None:
    with store.hold():
        store.put(items(item("case#1"), item("case#2")), None)
        store.put(items(item("case#1", title="b")), None)
        assert found(store) == {(row[0], FIRST): row[2] for row in (item("case#1", title="b"), item("case#2"))}


def test_what_is_replaced_leaves_nothing_of_itself(store: DocumentStore) -> None:
    parts = [item("case#1", f"notes#{number:06}") for number in range(1, 60)]
    with store.hold() as known:
        store.put(items(item("case#1"), *parts, item("case#2"), item("case#3")), None)
        store.replace(["case#1", "case#2", "case#9"], items(item("case#1", title="b"), parts[0]), known)
        assert sorted(found(store)) == [("case#1", FIRST), ("case#1", "notes#000001"), ("case#3", FIRST)]
        store.replace(["case#1"], EMPTY, known)
        store.replace([], EMPTY, replace(known, position=Position(5)))
    assert [*found(store)] == [("case#3", FIRST)]
    assert store.progress() == replace(known, position=Position(5))


def test_parts_are_found_again_by_the_next_holder(opened: Callable[[], DocumentStore]) -> None:
    with (first := opened()).hold():
        first.replace(["case#1"], items(item("case#1"), item("case#1", "notes#000001")), None)
    with (second := opened()).hold():
        second.replace(["case#1"], items(item("case#1", title="b")), None)
    assert [*found(opened())] == [("case#1", FIRST)]


def test_what_is_of_no_document_is_counted_and_can_be_removed(opened: Callable[[], DocumentStore]) -> None:
    orphan, extra = item("case#1", "notes#000001"), item("case#2", "notes#000001")
    strays = [item(name) for name in ("case", "casual#1", "dog#1", "label", "zebra", "ü")]
    with (first := opened()).hold():
        first.put(items(orphan, item("case#2"), extra, item("label#a#b"), *strays, item("dog#1", "notes#000001")), None)
        if isinstance(first, DynamoStore):
            # Others write parts without saying so anywhere.
            asides.remove_divided(first._calls, ["case#1", "case#2", "dog#1"])
    with (second := opened()).hold():
        census = second.census(["label", "case"])
        assert (census.counts, sorted(census.strays)) == ({"label": 1, "case": 2}, sorted(row[0] for row in strays))
        assert [*second.ids("case")] == [["case#1", "case#2"]]
        assert second.get(["case#1", "case#2"]) == {
            "case#1": {orphan[1]: orphan[2]},
            "case#2": {FIRST: item("case#2")[2], extra[1]: extra[2]},
        }
        second.replace(["case#1", "case#2"], items(item("case#2")), None)
        second.replace(census.strays, EMPTY, None)
        assert sorted(found(second)) == [("case#2", FIRST), ("label#a#b", FIRST)]


def test_one_at_a_time_holds_it(opened: Callable[[], DocumentStore]) -> None:
    with opened().hold(), pytest.raises(StoreBusy), opened().hold():
        pass
    with opened().hold() as known:
        assert known.token == 2


def test_many_come_in_bounded_pieces(store: DocumentStore) -> None:
    # A page of DynamoDB is 1 MB; servers that stand for it are slow.
    many = 600 if isinstance(store, DynamoStore) else 6_000
    rows = [item(f"case#{number}", title="x" * 2_000) for number in range(many)]
    with store.hold():
        for piece in in_pieces(rows):
            store.put(piece, None)
    assert found(store) == {row[:2]: row[2] for row in rows}
    assert {name: parts[FIRST] for name, parts in store.get([row[0] for row in rows]).items()} == {
        row[0]: row[2] for row in rows
    }
    pieces = [*store.ids("case")]
    assert sorted(name for piece in pieces for name in piece) == sorted(row[0] for row in rows)
    assert max(map(len, pieces)) <= 5_000
    assert store.census(["case"]).counts == {"case": many}


def test_what_is_set_aside_is_there_until_it_is_released(opened: Callable[[], DocumentStore]) -> None:
    with (first := opened()).hold():
        first.set_aside([Quarantined("case#2", "old", "{}"), Quarantined("case#1", "long", '{"a":"ü"}')])
        first.set_aside([Quarantined("case#2", "long", "{}")])
    second = opened()
    assert second.aside() == [Quarantined("case#1", "long", '{"a":"ü"}'), Quarantined("case#2", "long", "{}")]
    with second.hold():
        second.release(["case#2", "case#9"])
    assert [one.id for one in opened().aside()] == ["case#1"]
    assert found(second) == {}
