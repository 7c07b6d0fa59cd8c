"""Many items into DynamoDB: batches, what is left of them, and the one item that a batch is refused for.

BatchWriteItem says 200 and does a part; it refuses 25 items for one that does not fit; it takes no key twice.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from crime_assets.core.concurrency import few_at_once
from crime_assets.migration.stores.calls import Calls, code_of, is_passing, reason_of

MOST_BATCH = 25
MOST_REQUEST = 16 << 20
_ROOM = 1 << 20
"""Of a request: what is around the items."""
_WORKERS = 4

Name = tuple[str, str]
"""Id and part."""


@dataclass(frozen=True)
class Refused:
    """An item that DynamoDB does not take, and why, as it says."""

    name: Name
    item: str
    reason: str


@dataclass(frozen=True)
class _Write:
    """An item to be put, or with an empty text one to be deleted."""

    name: Name
    item: str

    def request(self) -> dict[str, Any]:
        if self.item:
            return {"PutRequest": {"Item": attributes_of(self.item)}}
        return {"DeleteRequest": {"Key": key_of(self.name)}}

    def bytes(self) -> int:
        """Of the request at most: everything beyond ASCII is escaped in it."""
        return len(self.item) if self.item.isascii() else len(json.dumps(self.item))


def put_all(calls: Calls, items: Mapping[Name, str]) -> list[Refused]:
    """Write all items; those that DynamoDB refuses are returned. StoreError if it does nothing for long."""
    return _all(calls, (_Write(name, item) for name, item in items.items()))


def delete_all(calls: Calls, names: Iterable[Name]) -> None:
    """Delete items, also if they are not there; no name twice."""
    _all(calls, (_Write(name, "") for name in names))


def attributes_of(item: str) -> dict[str, Any]:
    """An item's attributes as boto3 wants them: bytes are not base64 there."""
    found: dict[str, Any] = orjson.loads(item)
    return _changed(found, base64.b64decode) if '{"B' in item else found


def text_of(attributes: Mapping[str, Any], canonical: Callable[[Mapping[str, Any]], str]) -> str:
    """The reverse: the text of what boto3 gives."""
    return canonical(_changed(attributes, lambda held: base64.b64encode(held).decode()))


def key_of(name: Name) -> dict[str, Any]:
    """An item's key."""
    return {"id": {"S": name[0]}, "part": {"S": name[1]}}


def _changed(attributes: Mapping[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    return {name: _changed_value(value, change) for name, value in attributes.items()}


def _changed_value(value: dict[str, Any], change: Callable[[Any], Any]) -> dict[str, Any]:
    if "B" in value:
        return {"B": change(value["B"])}
    if "BS" in value:
        return {"BS": [*map(change, value["BS"])]}
    if "M" in value:
        return {"M": _changed(value["M"], change)}
    if "L" in value:
        return {"L": [_changed_value(one, change) for one in value["L"]]}
    return value


def _all(calls: Calls, writes: Iterable[_Write]) -> list[Refused]:
    refused: list[Refused] = []
    for found in few_at_once(lambda batch: _batch(calls, batch), _batches(writes), _WORKERS):
        refused += found
    return refused


def _batches(writes: Iterable[_Write]) -> Iterator[list[_Write]]:
    batch: list[_Write] = []
    size = 0
    for write in writes:
        more = write.bytes()
        if batch and (len(batch) == MOST_BATCH or size + more > MOST_REQUEST - _ROOM):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += more
    if batch:
        yield batch


def _batch(calls: Calls, batch: list[_Write]) -> list[Refused]:
    """Write one batch until nothing of it is left."""
    patience = calls.patience()
    by_name = {write.name: write for write in batch}
    while True:
        error: Exception | None = None
        try:
            requests = [write.request() for write in by_name.values()]
            answer = calls.once("batch_write_item", RequestItems={calls.table: requests})
            # Always there, if the answer is whole.
            left = answer["UnprocessedItems"].get(calls.table, []) if "UnprocessedItems" in answer else requests
        except Exception as raised:
            if code_of(raised) == "ValidationException":
                return _refused(calls, [*by_name.values()], reason_of(raised))
            if not is_passing(raised):
                raise
            error, left = raised, requests
        if not left:
            return []
        if len(left) < len(by_name):
            patience.renew()
        by_name = {name: by_name[name] for name in map(_name_of, left)}
        patience.wait(error, "write")


def _refused(calls: Calls, batch: list[_Write], reason: str) -> list[Refused]:
    """Halve the batch until what is refused is alone; all others are written."""
    if len(batch) == 1:
        return [Refused(batch[0].name, batch[0].item, reason)]
    middle = len(batch) // 2
    return _batch(calls, batch[:middle]) + _batch(calls, batch[middle:])


def _name_of(request: Mapping[str, Any]) -> Name:
    held = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return held["id"]["S"], held["part"]["S"]
