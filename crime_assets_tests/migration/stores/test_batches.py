"""Nothing is lost on the way to a busy table, and no request is one that DynamoDB would refuse."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator

import pytest

from crime_assets.cloud.aws.clients import Clients
from crime_assets.core.errors import StoreError
from crime_assets.migration.stores.batches import delete_all, put_all, text_of
from crime_assets.migration.stores.calls import Calls, client_of
from crime_assets_tests.migration.stores.test_contract import item
from crime_assets_tests.migration.throttling import Name, Throttling


@pytest.fixture
def signed(monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Calls]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")

    def calls(address: str) -> Calls:
        monkeypatch.setenv("AWS_ENDPOINT_URL_DYNAMODB", address)
        return Calls(client_of(Clients("us-east-1")), "documents", patience=60, pause=lambda seconds: None)

    return calls


@pytest.fixture
def busy() -> Throttling:
    return Throttling(seed=7)


@pytest.fixture
def calls(busy: Throttling, signed: Callable[[str], Calls]) -> Iterator[Calls]:
    with busy.serving() as address:
        yield signed(address)


def named(*rows: tuple[str, str, str]) -> dict[Name, str]:
    return {row[:2]: row[2] for row in rows}


@pytest.mark.slow
def test_nothing_is_lost_and_no_request_is_one_that_would_be_refused(busy: Throttling, calls: Calls) -> None:
    rows = named(*(item(f"case#{number}", title="x" * 200) for number in range(20_000)))
    assert put_all(calls, rows) == []
    assert busy.items == {name: json.loads(text) for name, text in rows.items()}
    delete_all(calls, [name for name in rows if name[0].endswith("7")])
    assert busy.items.keys() == {name for name in rows if not name[0].endswith("7")}
    assert busy.violations == []
    assert min(busy.did.values()) > 3, busy.did


@pytest.mark.parametrize("letter", ["x", "ü", "\U0001f600", "\x01", '"'])
def test_a_request_of_large_items_is_no_larger_than_one_may_be(calls: Calls, busy: Throttling, letter: str) -> None:
    title = letter * (390_000 // len(letter.encode()))
    rows = named(*(item(f"case#{number}", title=title) for number in range(30)))
    assert put_all(calls, rows) == []
    assert (len(busy.items), busy.violations) == (30, [])


def test_the_one_that_a_batch_is_refused_for_is_found(calls: Calls, busy: Throttling) -> None:
    rows = named(*(item(f"case#{number}") for number in range(60)))
    bad = {("case#7", "-"), ("case#8", "-"), ("case#55", "-")}
    busy.poisoned |= bad
    refused = put_all(calls, rows)
    assert {(one.name, one.item) for one in refused} == {(name, rows[name]) for name in bad}
    assert {one.reason.partition(" of ")[0] for one in refused} == {"One or more parameter values"}
    assert busy.items.keys() == rows.keys() - bad


def test_what_is_never_done_is_told(signed: Callable[[str], Calls]) -> None:
    stuck = Throttling(seed=7, busy=20)
    with stuck.serving() as address:
        calls = signed(address)
        calls._patience = 0
        with pytest.raises(StoreError, match="capacity and at the network, then run again; it goes on where it was"):
            put_all(calls, named(item("case#1")))
    calls = signed("http://127.0.0.1:9")
    calls._patience = 0
    with pytest.raises(StoreError, match=r"did nothing for 0 seconds .*EndpointConnectionError"):
        put_all(calls, named(item("case#1")))


def test_no_request_is_sent_when_none_may_be(calls: Calls, busy: Throttling) -> None:
    def lost() -> None:
        raise StoreError("lost")

    calls.before = lost
    with pytest.raises(StoreError, match="lost"):
        put_all(calls, named(item("case#1")))
    assert busy.did["requests"] == 0


def test_bytes_are_base64_in_texts() -> None:
    attributes = {"a": {"B": b"\x00\x01\xff"}, "b": {"L": [{"M": {"B": {"B": b""}, "S": {"S": "B"}}}]}}
    text = '{"a":{"B":"AAH/"},"b":{"L":[{"M":{"B":{"B":""},"S":{"S":"B"}}}]}}'
    assert text_of(attributes, lambda held: json.dumps(held, separators=(",", ":"))) == text


def test_other_requests_of_the_same_client_are_botocores_own(calls: Calls, busy: Throttling) -> None:
    put_all(calls, named(item("case#1")))
    request = {"DeleteRequest": {"Key": {"id": {"S": "case#1"}, "part": {"S": "-"}}}}
    while calls._client.batch_write_item(RequestItems={"documents": [request]})["UnprocessedItems"]:
        pass
    assert busy.items == {}
