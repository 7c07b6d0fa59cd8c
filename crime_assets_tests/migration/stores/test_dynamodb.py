"""The table of documents: what is made of it, who may write, and what others do to it.

The server that stands for DynamoDB here proves no limits: it takes nearly everything.
"""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import boto3
import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import StoreBusy, StoreError, UsageError
from crime_assets.migration.documents import Index
from crime_assets.migration.progress import Position, Progress
from crime_assets.migration.stores import EMPTY, FIRST, tables
from crime_assets.migration.stores.calls import Calls, client_of
from crime_assets.migration.stores.dynamodb import DynamoStore
from crime_assets.migration.stores.lease import Lease, Pace
from crime_assets_tests.migration.stores.test_contract import dynamo_store, found, item, items
from crime_assets_tests.migration.throttling import Throttling
from crime_assets_tests.migration.tiny import BOTH, CASE, LABEL

INDEXED = replace(
    CASE,
    derived=(("initial", "left(title, 1)"),),
    indexes=(Index("by_title", "title", "id"), Index("by_initial", "initial", "case_number")),
)
pytestmark = pytest.mark.slow


@pytest.fixture
def client(moto: str) -> Any:
    return boto3.client("dynamodb")


@pytest.fixture
def store(client: Any) -> DynamoStore:
    return dynamo_store()


class Clock:
    """Moves when somebody waits."""

    def __init__(self) -> None:
        self.now = 1_000.0

    def __call__(self) -> float:
        return self.now

    def wait(self, seconds: float) -> None:
        self.now += seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def calls(store: DynamoStore, clock: Clock) -> Calls:
    """For leases on a table that is there; whoever waits waits by the clock."""
    with store.hold():
        pass
    return Calls(client_of(Clients()), "documents", pause=clock.wait)


def without_beat(calls: Calls, clock: Clock) -> Lease:
    return Lease(calls, Pace(beat=10_000), clock)


def test_the_table_is_made_with_its_indexes(client: Any) -> None:
    with dynamo_store([INDEXED, LABEL]).hold():
        pass
    described = client.describe_table(TableName="documents")["Table"]
    assert {one["AttributeName"]: one["AttributeType"] for one in described["AttributeDefinitions"]} == {
        **dict.fromkeys(["id", "part", "title", "initial"], "S"),
        "case_number": "N",
    }
    assert {
        one["IndexName"]: (
            [key["AttributeName"] for key in one["KeySchema"]],
            one["Projection"]["ProjectionType"],
        )
        for one in described["GlobalSecondaryIndexes"]
    } == {"by_title": (["title", "id"], "KEYS_ONLY"), "by_initial": (["initial", "case_number"], "KEYS_ONLY")}
    assert described["BillingModeSummary"]["BillingMode"] == "PAY_PER_REQUEST"


def test_an_index_that_is_lacking_is_made_and_another_one_is_told(client: Any, store: DynamoStore) -> None:
    with store.hold():
        store.put(items(item("case#1")), None)
    with dynamo_store([INDEXED]).hold():
        pass
    assert len(client.describe_table(TableName="documents")["Table"]["GlobalSecondaryIndexes"]) == 2
    other = replace(INDEXED, indexes=(Index("by_title", "title", "case_number"),))
    with pytest.raises(StoreError, match="by_title of documents is over title and id, not over"):
        dynamo_store([other]).hold().__enter__()
    assert [*found(store)] == [("case#1", FIRST)]


def test_a_table_of_something_else_is_left_alone(client: Any, store: DynamoStore) -> None:
    client.create_table(
        TableName="documents",
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    with pytest.raises(StoreError, match="another key than id and part: name another table in CRIME_DOCUMENTS"):
        store.hold().__enter__()
    assert client.scan(TableName="documents")["Count"] == 0


@pytest.mark.parametrize(
    ("states", "told"),
    [
        (["CREATING", "CREATING", "ACTIVE/CREATING", "ACTIVE/ACTIVE"], ""),
        (["ACTIVE/CREATING"], "still making its index by_title of documents: wait until it is ACTIVE"),
        (["CREATING"], "documents is still not ACTIVE"),
    ],
)
def test_what_is_being_made_is_waited_for(
    calls: Calls, clock: Clock, monkeypatch: pytest.MonkeyPatch, states: list[str], told: str
) -> None:
    """An index that is filled: the server makes it at once, so its answers are written here."""
    monkeypatch.setattr(tables, "_LOOKS", 20)
    left, ask = list(states), calls.ask

    def answer(operation: str, **arguments: Any) -> Any:
        given = ask(operation, **arguments)
        if operation == "describe_table":
            state, _, index = (left.pop(0) if len(left) > 1 else left[0]).partition("/")
            given["Table"]["TableStatus"] = state
            for one in given["Table"].get("GlobalSecondaryIndexes", []):
                one["IndexStatus"] = index
        return given

    tables.prepare(calls, [INDEXED])
    calls.ask = answer
    begun = clock.now
    if told:
        with pytest.raises(StoreError, match=told):
            tables.prepare(calls, [INDEXED])
    else:
        tables.prepare(calls, [INDEXED])
        assert clock.now - begun == 2 * 2


def test_who_is_silent_for_long_is_replaced_and_writes_no_more(calls: Calls, clock: Clock) -> None:
    first = without_beat(calls, clock)
    known = first.take()
    first.keep(replace(known, position=Position(1)))
    begun = clock.now
    # It still may: what it sends is over before another takes its place.
    second_clock = Clock()
    second_calls = Calls(client_of(Clients()), "documents", pause=second_clock.wait)
    second = Lease(second_calls, Pace(beat=10_000), second_clock)
    taken = second.take()
    assert taken == replace(known, position=Position(1), token=known.token + 1)
    assert second_clock.now - 1_000 >= 120
    # Its own clock stood still, as that of a machine that was stopped.
    assert clock.now == begun
    with pytest.raises(StoreBusy, match="Another process has taken"):
        first.keep(replace(known, position=Position(2)))
    second.keep(replace(taken, position=Position(3)))
    first.give_back()
    assert "holder" in second._seen()
    second.give_back()


def test_who_hears_nothing_of_its_own_beat_stops_before_another_begins(calls: Calls, clock: Clock) -> None:
    lease = without_beat(calls, clock)
    known = lease.take()
    clock.now += Pace().safe - 1
    lease.check()
    clock.now += 2
    with pytest.raises(StoreBusy, match="said for too long nothing of itself"):
        lease.check()
    with pytest.raises(StoreBusy):
        lease.keep(known)
    assert Pace().safe <= 120 - 15
    lease.give_back()


def test_a_claim_whose_answer_was_cut_is_ones_own(calls: Calls, clock: Clock) -> None:
    lease, ask = without_beat(calls, clock), calls.ask

    def twice(operation: str, **arguments: Any) -> Any:
        if operation == "put_item":
            ask(operation, **arguments)
        return ask(operation, **arguments)

    calls.ask = twice
    assert lease.take().token == 2
    lease.give_back()
    with pytest.raises(StoreBusy, match="not held"):
        lease.keep(Progress(token=9))


def test_progress_never_runs_ahead_of_documents(store: DynamoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with store.hold() as known:
        store.put(items(item("case#1")), replace(known, position=Position(1)))
    with store.hold() as known:
        monkeypatch.setattr(store._lease, "keep", lambda progress: (_ for _ in ()).throw(KeyboardInterrupt()))
        with pytest.raises(KeyboardInterrupt):
            store.replace(["case#1", "case#2"], items(item("case#2")), replace(known, position=Position(2)))
    # All of the documents, none of the progress: what is done again does no harm.
    assert [*found(store)] == [("case#2", FIRST)]
    assert dynamo_store().progress() == replace(known, position=Position(1))


def test_parts_of_a_write_that_was_killed_are_found(store: DynamoStore) -> None:
    written: list[int] = []

    def check() -> None:
        written.append(1)
        # Before the first item: the entry of `~overflow` and the parts are there.
        if len(written) == 3:
            raise StoreError("killed")

    with store.hold():
        store._calls.before = check
        with pytest.raises(StoreError, match="killed"):
            store.put(items(item("case#1"), item("case#1", "notes#000001")), None)
    assert [*found(store)] == [("case#1", "notes#000001")]
    with (again := dynamo_store()).hold():
        again.replace(["case#1"], EMPTY, None)
        assert again._divided == set()
    assert found(store) == {}


def test_a_deleted_table_is_told(client: Any, store: DynamoStore) -> None:
    with store.hold():
        client.delete_table(TableName="documents")
        with pytest.raises(StoreError, match="was deleted, with all documents: restore it"):
            store.put(items(item("case#1")), None)
    with store.hold() as known:
        assert known == Progress(token=1)


def test_what_others_wrote_is_given_as_it_is(client: Any, store: DynamoStore) -> None:
    with store.hold():
        store.put(items(item("case#1"), item("case#2")), None)
    more = {"mine": {"SS": ["a"]}, "data": {"BS": [b"\x00"]}, "one": {"B": b"\xff"}}
    client.put_item(TableName="documents", Item={**json.loads(item("case#1", title="edited")[2]), **more})
    text = item("case#1", title="edited")[2][:-1] + ',"data":{"BS":["AA=="]},"mine":{"SS":["a"]},"one":{"B":"/w=="}}'
    assert found(store)["case#1", FIRST] == text
    assert store.get(["case#1"]) == {"case#1": {FIRST: text}}


def test_bytes_and_a_whole_document_come_back_as_they_were_put(client: Any, store: DynamoStore) -> None:
    text = (
        '{"id":{"S":"case#1"},"part":{"S":"-"},"kind":{"S":"case"},"title":{"S":"ü\\n"},"a":{"B":"AAH/"},"b":{"N":"7"}}'
    )
    with store.hold():
        store.put(items(("case#1", FIRST, text)), None)
    assert found(store) == {("case#1", FIRST): text}
    (held,) = (one for one in client.scan(TableName="documents")["Items"] if one["id"] == {"S": "case#1"})
    assert held["a"] == {"B": b"\x00\x01\xff"}


def test_what_dynamodb_refuses_is_set_aside(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    strict = Throttling(seed=7, behind=moto, busy=0)
    strict.poisoned = {("case#2", FIRST)}
    with strict.serving() as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", address)
        store = dynamo_store()
        with store.hold() as known:
            rows = [item(f"case#{number}") for number in range(5)]
            store.put(items(*rows), replace(known, position=Position(1)))
            (aside,) = store.aside()
            assert (aside.id, aside.row) == ("case#2", rows[2][2])
            assert aside.reason == "One or more parameter values of case#2 are invalid"
            long = replace(aside, reason="long", row="ü" * 500_000)
            store.set_aside([long])
            assert store.aside() == [long]
            store.release(["case#2"])
            assert store.aside() == []
        assert [name for name, _ in sorted(found(store))] == ["case#0", "case#1", "case#3", "case#4"]
        assert store.progress() == replace(known, position=Position(1))


def test_no_region_is_told() -> None:
    with pytest.raises(UsageError, match="No AWS region is set"):
        DynamoStore(Clients(), "documents", BOTH).progress()
