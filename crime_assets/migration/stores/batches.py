"""Many items into DynamoDB: batches, what is left of them, and the one item that a batch is refused for.

BatchWriteItem says 200 and does a part; it refuses 25 items for one that does not fit; it takes no key twice.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from crime_assets.core.concurrency import few_at_once
from crime_assets.migration.stores.calls import Calls, code_of, is_passing, reason_of
from crime_assets.migration.stores.wire import delete_request, put_request

MOST_BATCH = 25
MOST_REQUEST = 16 << 20
_ROOM = 1 << 20
"""Of a request: what is around the items."""
_WORKERS = 4
_UNFIT = frozenset(["ValidationException", "SerializationException"])

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
    """An item to be put, or with an empty text one to be deleted, and its request."""

    name: Name
    item: str
    request: bytes


def put_all(calls: Calls, items: Mapping[Name, str]) -> list[Refused]:
    """Write all items; those that DynamoDB refuses are returned. StoreError if it does nothing for long."""
    return _all(calls, (_Write(name, item, put_request(item)) for name, item in items.items()))


def delete_all(calls: Calls, names: Iterable[Name]) -> None:
    """Delete items, also if they are not there; no name twice."""
    _all(calls, (_Write(name, "", delete_request(key_of(name))) for name in names))


def text_of(attributes: Mapping[str, Any], canonical: Callable[[Mapping[str, Any]], str]) -> str:
    """The text of the item that boto3 gives: bytes are not base64 there."""
    return canonical({name: _plain(value) for name, value in attributes.items()})


def key_of(name: Name) -> dict[str, Any]:
    """An item's key."""
    return {"id": {"S": name[0]}, "part": {"S": name[1]}}


def _plain(value: dict[str, Any]) -> dict[str, Any]:
    if "B" in value:
        return {"B": base64.b64encode(value["B"]).decode()}
    if "BS" in value:
        return {"BS": [base64.b64encode(held).decode() for held in value["BS"]]}
    if "M" in value:
        return {"M": {name: _plain(held) for name, held in value["M"].items()}}
    if "L" in value:
        return {"L": [*map(_plain, value["L"])]}
    return value


@dataclass(frozen=True)
class _Sent:
    """What became of a batch: what is left of it, what is refused, and the error because of which nothing was done."""

    left: list[_Write]
    refused: list[Refused] = field(default_factory=list)
    error: Exception | None = None


def _all(calls: Calls, writes: Iterable[_Write]) -> list[Refused]:
    """Rounds: what is left of all batches is sent in new ones, as full as they can be."""
    refused: list[Refused] = []
    patience = calls.patience()
    left = [*writes]
    while left:
        before, error = len(left), None
        sent = [*few_at_once(lambda batch: _send(calls, batch), _batches(left), _WORKERS)]
        left = [write for one in sent for write in one.left]
        for one in sent:
            refused += one.refused
            error = one.error or error
        if len(left) < before:
            patience.renew()
        if left:
            patience.wait(error, "write")
    return refused


def _batches(writes: Iterable[_Write]) -> Iterator[list[_Write]]:
    batch: list[_Write] = []
    size = 0
    for write in writes:
        more = len(write.request) + 1
        if batch and (len(batch) == MOST_BATCH or size + more > MOST_REQUEST - _ROOM):
            yield batch
            batch, size = [], 0
        batch.append(write)
        size += more
    if batch:
        yield batch


def _send(calls: Calls, batch: list[_Write]) -> _Sent:
    """Send a batch once."""
    try:
        names = {_name_of(request) for request in calls.batch([write.request for write in batch])}
    except Exception as error:
        if code_of(error) in _UNFIT:
            return _halved(calls, batch, reason_of(error))
        if not is_passing(error):
            raise
        # The others of this round are not to come as fast.
        calls.patience().wait(error, "write")
        return _Sent(batch, error=error)
    return _Sent([write for write in batch if write.name in names])


def _halved(calls: Calls, batch: list[_Write], reason: str) -> _Sent:
    """Halve the batch until what is refused is alone; all others are written."""
    if len(batch) == 1:
        return _Sent([], [Refused(batch[0].name, batch[0].item, reason)])
    middle = len(batch) // 2
    first, second = _send(calls, batch[:middle]), _send(calls, batch[middle:])
    return _Sent(first.left + second.left, first.refused + second.refused, first.error or second.error)


def _name_of(request: Mapping[str, Any]) -> Name:
    held = request["PutRequest"]["Item"] if "PutRequest" in request else request["DeleteRequest"]["Key"]
    return held["id"]["S"], held["part"]["S"]
