"""Items of a table that are no documents: which documents are divided, and what no item can hold.

Each list is a partition of its own, and each entry an item in it: no list becomes too long for an item.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import orjson

from crime_assets.core.errors import StoreError
from crime_assets.migration import Quarantined
from crime_assets.migration.stores.batches import Name, delete_all, put_all
from crime_assets.migration.stores.calls import Calls

CONTROL = "~"
"""What their ids begin with: no kind of document does."""

_DIVIDED = "~overflow"
_ASIDE = "~aside"
_SIGNS = 60_000
"""Of a row in one item: at most 360 KB."""
_LONGEST = 30_000


def divided(calls: Calls) -> set[str]:
    """Ids of the documents that have, or may have, more items than one."""
    return {item["of"]["S"] for item in partition(calls, _DIVIDED)}


def add_divided(calls: Calls, ids: Iterable[str]) -> None:
    """Enter them."""
    _put(calls, [{"id": {"S": _DIVIDED}, "part": {"S": _digest(name)}, "of": {"S": name}} for name in ids])


def remove_divided(calls: Calls, ids: Iterable[str]) -> None:
    """Nothing is left of their parts."""
    delete_all(calls, [(_DIVIDED, _digest(name)) for name in ids])


def aside(calls: Calls) -> list[Quarantined]:
    """What is set aside, by id."""
    found: dict[str, list[str]] = {}
    for item in partition(calls, _ASIDE):
        one = found.setdefault(item["of"]["S"], [item["reason"]["S"]])
        one.append(item["row"]["S"])
    return [Quarantined(name, reason, "".join(rows)) for name, (reason, *rows) in sorted(found.items())]


def set_aside(calls: Calls, found: Sequence[Quarantined]) -> None:
    """Keep them, in place of older ones of the same ids."""
    release(calls, [one.id for one in found])
    items = []
    for one in {one.id: one for one in found}.values():
        for number, start in enumerate(range(0, len(one.row) or 1, _SIGNS)):
            said = {"of": {"S": one.id}, "reason": {"S": one.reason[:_LONGEST]}}
            part = {"S": f"{_digest(one.id)}#{number:06}"}
            items.append({"id": {"S": _ASIDE}, "part": part, **said, "row": {"S": one.row[start : start + _SIGNS]}})
    _put(calls, items)


def release(calls: Calls, ids: Iterable[str]) -> None:
    """They are no longer set aside."""
    if gone := {*ids}:
        held = partition(calls, _ASIDE)
        delete_all(calls, [(_ASIDE, item["part"]["S"]) for item in held if item["of"]["S"] in gone])


def partition(calls: Calls, name: str, **more: Any) -> Iterator[dict[str, Any]]:
    """Items with one id, in the order of their parts."""
    condition = {"ExpressionAttributeValues": {":id": {"S": name}}, "ConsistentRead": True}
    names = {"#id": "id", **more.pop("ExpressionAttributeNames", {})}
    while True:
        answer = calls.ask(
            "query", KeyConditionExpression="#id = :id", ExpressionAttributeNames=names, **condition, **more
        )
        yield from answer["Items"]
        if "LastEvaluatedKey" not in answer:
            return
        more = {**more, "ExclusiveStartKey": answer["LastEvaluatedKey"]}


def _put(calls: Calls, items: Iterable[dict[str, Any]]) -> None:
    texts: dict[Name, str] = {(item["id"]["S"], item["part"]["S"]): orjson.dumps(item).decode() for item in items}
    if refused := put_all(calls, texts):
        raise StoreError(f"DynamoDB refuses an item of our own in {calls.table} ({refused[0].reason}): report this.")


def _digest(name: str) -> str:
    # An id can be longer than a part may be.
    return hashlib.sha256(name.encode()).hexdigest()
