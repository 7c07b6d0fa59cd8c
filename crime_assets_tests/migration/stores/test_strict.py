"""What `limits` says of an item is what a strict server does with it, and so is what batches are made by.

Each probe is on one side of a limit, most of them by a byte or a digit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crime_assets.cloud.aws.clients import Clients
from crime_assets.migration.limits import (
    MOST_DEPTH,
    MOST_ID,
    MOST_ITEM,
    MOST_SORT,
    depth,
    item_bytes,
    key_fits,
    number_fits,
)
from crime_assets.migration.stores.batches import MOST_BATCH, put_all
from crime_assets.migration.stores.calls import Calls, client_of
from crime_assets_tests.migration.stores.strict_server import is_there, strict_table

__all__ = ["strict_table"]

pytestmark = [pytest.mark.slow, is_there]
Item = dict[str, Any]


@pytest.fixture
def table(strict_table: str) -> str:
    """With an index over `title` and the number `rank`."""
    client: Any = boto3.client("dynamodb")
    client.create_table(
        TableName=strict_table,
        KeySchema=[{"AttributeName": "id", "KeyType": "HASH"}, {"AttributeName": "part", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind}
            for name, kind in {"id": "S", "part": "S", "title": "S", "rank": "N"}.items()
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "by_title",
                "KeySchema": [
                    {"AttributeName": "title", "KeyType": "HASH"},
                    {"AttributeName": "rank", "KeyType": "RANGE"},
                ],
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        BillingMode="PAY_PER_REQUEST",
    )
    client.get_waiter("table_exists").wait(TableName=strict_table, WaiterConfig={"Delay": 1})
    return strict_table


@pytest.fixture
def client(table: str) -> Any:
    return boto3.client("dynamodb", config=Config(parameter_validation=False))


def item(**attributes: Any) -> Item:
    return {"id": {"S": "case#1"}, "part": {"S": "-"}, **attributes}


def of_size(size: int, letter: str = "x", **attributes: Any) -> Item:
    """An item of exactly so many bytes, nearly all of them such letters."""
    found = item(text={"S": ""}, **attributes)
    count, rest = divmod(size - item_bytes(found), len(letter.encode()))
    found["text"] = {"S": letter * count + "x" * rest}
    assert item_bytes(found) == size
    return found


def nested(levels: int) -> Item:
    value: Item = {"S": "x"}
    for level in range(levels):
        value = {"L": [value]} if level % 2 else {"M": {"a": value}}
    return item(deep=value)


def probes() -> Iterator[tuple[str, Item]]:
    for size in (MOST_ITEM, MOST_ITEM + 1):
        for letter in "xé€\U0001f600":
            yield f"{size} bytes of {letter}", of_size(size, letter)
        for kind, value in {
            "number": {"N": "-41.878781005"},
            "list": {"L": [{"N": "7"}, {"S": "é"}, {"L": []}]},
            "map": {"M": {"é": {"M": {}}, "b": {"BOOL": True}}},
            "bytes": {"B": "AP8Q"},
        }.items():
            yield f"{size} bytes with a {kind}", of_size(size, more=value)
    for number in ("9" * 38, "9" * 39, "9" * 38 + "000", "0." + "1" * 38, "0." + "1" * 39, "-0", "NaN"):
        yield f"number {number}", item(more={"N": number})
    for number in ("9.9E+125", "1E126", "1E-130", "1E-131"):
        yield f"number {number}", item(more={"N": number})
    for levels in (MOST_DEPTH, MOST_DEPTH + 1):
        yield f"{levels} levels", nested(levels)
    for name, part in (
        ("a" * MOST_ID, "-"),
        ("a" * (MOST_ID + 1), "-"),
        ("é" * (MOST_ID // 2), "b" * MOST_SORT),
        ("é" * (MOST_ID // 2) + "a", "-"),
        ("a", "b" * (MOST_SORT + 1)),
        ("", "-"),
        ("a", ""),
    ):
        yield f"a key of {len(name)} and {len(part)} signs", {**item(), "id": {"S": name}, "part": {"S": part}}


PROBES = dict(probes())


def unfit(found: Item) -> str:
    """Why an item does not fit, as `limits` has it."""
    if reason := key_fits(found["id"]["S"], found["part"]["S"]) or number_fits(found.get("more", {}).get("N", "0")):
        return reason
    if item_bytes(found) > MOST_ITEM:
        return "it has too many bytes"
    return "it is too deep" if depth(found) > MOST_DEPTH else ""


def refused(client: Any, **request: Any) -> str:
    """What the server says of a request that it refuses; empty if it is done."""
    operation = "batch_write_item" if "RequestItems" in request else "put_item"
    try:
        getattr(client, operation)(**request)
    except ClientError as error:
        if error.response["Error"]["Code"] != "ValidationException":
            raise
        return str(error)
    return ""


@pytest.mark.parametrize("what", [*PROBES])
def test_an_item_is_refused_where_limits_say_so(client: Any, table: str, what: str) -> None:
    found = PROBES[what]
    told = refused(client, TableName=table, Item=wired(found))
    assert bool(told) == bool(unfit(found)), told


@pytest.mark.parametrize(
    ("attributes", "fits"),
    [
        ({}, True),
        ({"title": {"S": "a"}}, True),
        ({"title": {"S": "a"}, "rank": {"N": "1"}}, True),
        ({"title": {"S": ""}, "rank": {"N": "1"}}, False),
        ({"title": {"NULL": True}}, False),
        ({"rank": {"S": "1"}}, False),
    ],
)
def test_keys_of_an_index_are_absent_or_full(client: Any, table: str, attributes: Item, fits: bool) -> None:
    assert (refused(client, TableName=table, Item=item(**attributes)) == "") is fits


@pytest.mark.parametrize("number", ["0", "7", "1.1", "-87.627876698", "0.000000001", "100", "9" * 38])
def test_a_number_comes_back_as_we_write_it(client: Any, table: str, number: str) -> None:
    client.put_item(TableName=table, Item=item(more={"N": number}))
    key = {"id": {"S": "case#1"}, "part": {"S": "-"}}
    held = client.get_item(TableName=table, Key=key, ConsistentRead=True)["Item"]["more"]
    assert held == {"N": number}


def test_a_batch_has_no_more_than_it_may(client: Any, table: str) -> None:
    def put(names: list[str]) -> str:
        requests = [{"PutRequest": {"Item": {**item(), "id": {"S": name}}}} for name in names]
        return refused(client, RequestItems={table: requests})

    names = [f"case#{number}" for number in range(MOST_BATCH + 1)]
    assert put(names[:MOST_BATCH]) == ""
    assert put(names) != ""
    assert put(["case#1", "case#1"]) != ""


def test_many_large_items_and_one_that_does_not_fit(client: Any, table: str) -> None:
    rows = {(f"case#{number}", "-"): of_size(390_000, id={"S": f"case#{number}"}) for number in range(60)}
    rows["case#7", "-"]["text"]["S"] += "x" * MOST_ITEM
    calls = Calls(client_of(Clients("us-east-1")), table, patience=60)
    (bad,) = put_all(calls, {name: json.dumps(found) for name, found in rows.items()})
    assert bad.name == ("case#7", "-")
    pages = client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True)
    held = {one["id"]["S"]: one for page in pages for one in page["Items"]}
    assert held == {name: found for (name, _), found in rows.items() if name != "case#7"}


def wired(found: Mapping[str, Any]) -> Item:
    """As boto3 takes it: bytes are not base64 there."""
    return {name: {"B": b"\x00\xff\x10"} if "B" in value else value for name, value in found.items()}
