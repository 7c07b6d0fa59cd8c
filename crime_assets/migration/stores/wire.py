"""BatchWriteItem with the texts of items as they are, which are already what goes over the wire.

boto3 would have each attribute as an object, take it apart and write it anew: most of a writer's time. So botocore is
called with nothing and given the body before it signs; of an answer it parses nothing but errors.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, MutableMapping, Sequence
from typing import Any

import orjson

_OPERATION = "dynamodb.BatchWriteItem"
_ID = "crime-assets-batches"
_present = threading.local()
"""The body and the answer of this thread's request."""


class CutAnswerError(Exception):
    """An answer is not whole: what was asked for may be done or not."""


def prepare(client: Any) -> None:
    """Let a client send texts; to do it twice does nothing more."""
    events = client.meta.events
    events.register(f"before-call.{_OPERATION}", _give_body, unique_id=f"{_ID}-call")
    events.register(f"before-parse.{_OPERATION}", _take_answer, unique_id=f"{_ID}-parse")


def batch_body(table: str, requests: Sequence[bytes]) -> bytes:
    """The body of a request about one table; each is what `put_request` or `delete_request` gives."""
    return b'{"RequestItems":{%b:[%b]}}' % (orjson.dumps(table), b",".join(requests))


def put_request(item: str) -> bytes:
    """To put an item, given as DynamoDB's JSON."""
    return b'{"PutRequest":{"Item":%b}}' % item.encode()


def delete_request(key: Mapping[str, Any]) -> bytes:
    """To delete the item with a key."""
    return b'{"DeleteRequest":{"Key":%b}}' % orjson.dumps(key)


def send(client: Any, table: str, body: bytes) -> list[dict[str, Any]]:
    """The requests that were not done. Raises what botocore raises, and CutAnswerError."""
    _present.body, _present.answer = body, b""
    try:
        client.batch_write_item(RequestItems={table: []})
        told = orjson.loads(_present.answer)
        left: list[dict[str, Any]] = told["UnprocessedItems"].get(table, [])
    except (orjson.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
        raise CutAnswerError from error
    finally:
        _present.body = None
    return left


def _give_body(params: MutableMapping[str, Any], **_: Any) -> None:
    if getattr(_present, "body", None) is not None:
        params["body"] = _present.body


def _take_answer(response_dict: MutableMapping[str, Any], **_: Any) -> None:
    if getattr(_present, "body", None) is not None and response_dict["status_code"] == 200:
        _present.answer, response_dict["body"] = response_dict["body"], b"{}"
