"""A document that is too long for one item becomes several items and objects, and one document again.

First its long texts and bytes go to landing, each as an object that is named by its content; the attribute says where.
If that is not enough, its children go to parts of their own, which share its id: `notes#000001` and so on; the first
item's attribute `parts` says how many, so a reader sees when one is missing. What still does not fit is set aside.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.migration import Items, Quarantined, arrow
from crime_assets.migration.limits import MOST_ID, MOST_ITEM, item_bytes, key_fits, value_bytes
from crime_assets.migration.rendering import json_text
from crime_assets.streams import LandingStore

FIRST = "-"
"""The part of a document's first item."""
LONG = 64 << 10
"""Bytes of a text from which it goes to landing, if its document is too long."""
_PART = 350 << 10
"""Bytes of children in a part: the rest is room for names."""
_KEY = re.compile(r"legacy/city=[a-z_]+/large/([0-9a-f]{64})\.(txt|bin)")


class _DoesNotFitError(Exception):
    """Why a document can be no items."""


def divided(items: Items, landing: LandingStore, city: str) -> tuple[Items, list[Quarantined]]:
    """The same documents in items that DynamoDB holds, and those that it cannot hold. Objects are written first."""
    table = items.table
    sizes, names = pc.binary_length(table["item"]), pc.binary_length(table["id"])
    if (pc.max(sizes).as_py() or 0) <= MOST_ITEM and (pc.max(names).as_py() or 0) <= MOST_ID:
        return items, []
    kept, rows, aside = [], [], []
    begin = 0
    for place, lengths in enumerate(zip(sizes.to_pylist(), names.to_pylist(), strict=True)):
        if lengths[0] <= MOST_ITEM and lengths[1] <= MOST_ID:
            continue
        kept.append(table.slice(begin, place - begin))
        begin = place + 1
        (row,) = table.slice(place, 1).to_pylist()
        try:
            if reason := key_fits(row["id"], row["part"]):
                raise _DoesNotFitError(reason)
            rows += [(row["id"], part, item) for part, item in _parts(row["item"], landing, city)]
        except _DoesNotFitError as error:
            aside.append(Quarantined(row["id"], str(error), row["item"]))
    return Items(pa.concat_tables([*kept, table.slice(begin), arrow.items(rows)])), aside


def joined(parts: Mapping[str, str], landing: LandingStore) -> str:
    """One document out of its items, by part, with all attributes in some order, long texts among them.

    Of edited items it takes what is there. A text whose object is missing, or is another one, stays away.
    """
    text = parts.get(FIRST, "")
    if len(parts) == 1 and '"sha256"' not in text:
        return text
    first = _read(text)
    first.pop("parts", None)
    for part in sorted(parts.keys() - {FIRST}):
        name = part.partition("#")[0]
        match _read(parts[part]).get(name), first.setdefault(name, {"L": []}):
            case {"L": list(rows)}, {"L": list(held)}:
                held += rows
    return json_text({name: _taken_back(value, landing) for name, value in first.items()})


def _parts(text: str, landing: LandingStore, city: str) -> Iterator[tuple[str, str]]:
    item = orjson.loads(text)
    if item_bytes(item) <= MOST_ITEM:
        yield FIRST, text
        return
    item = {name: _put_away(value, landing, city) for name, value in item.items()}
    if item_bytes(item) <= MOST_ITEM:
        yield FIRST, json_text(item)
        return
    head = {name: item[name] for name in ("id", "part", "kind")}
    lists = {name: item.pop(name)["L"] for name, value in [*item.items()] if "L" in value}
    pieces = [(name, piece) for name, rows in lists.items() for piece in _pieces(rows)]
    item["parts"] = {"N": str(len(pieces))}
    if item_bytes(item) > MOST_ITEM:
        raise _DoesNotFitError(f"without its children it still has more than {MOST_ITEM} bytes")
    counted = dict.fromkeys(lists, 0)
    for name, piece in pieces:
        counted[name] += 1
        part = f"{name}#{counted[name]:06}"
        yield part, json_text({**head, "part": {"S": part}, name: {"L": piece}})
    yield FIRST, json_text(item)


def _pieces(rows: list[Any]) -> Iterator[list[Any]]:
    piece: list[Any] = []
    filled = 0
    for row in rows:
        size = 1 + value_bytes(row)
        if size > _PART:
            raise _DoesNotFitError(f"one of its children has more than {_PART} bytes in short columns")
        if filled + size > _PART:
            yield piece
            piece, filled = [], 0
        piece.append(row)
        filled += size
    if piece:
        yield piece


def _put_away(value: Any, landing: LandingStore, city: str) -> Any:
    match value:
        case {"S": str(text)} if len(text) * 4 > LONG and len(content := text.encode()) > LONG:
            return _object(content, "txt", landing, city)
        case {"B": str(text)} if len(text) > LONG:
            return _object(base64.b64decode(text), "bin", landing, city)
        case {"M": dict(inside)}:
            return {"M": {name: _put_away(held, landing, city) for name, held in inside.items()}}
        case {"L": list(rows)}:
            return {"L": [_put_away(row, landing, city) for row in rows]}
    return value


def _object(content: bytes, ending: str, landing: LandingStore, city: str) -> Any:
    digest = hashlib.sha256(content).hexdigest()
    key = f"legacy/city={city}/large/{digest}.{ending}"
    if not landing.write_new(key, content) and landing.read(key) != content:
        # Somebody changed it: items are compared by their texts, and theirs would still be the same.
        landing.write(key, content)
    # In the order of their names, as attributes that no mapping knows.
    return {"M": {"bytes": {"N": str(len(content))}, "key": {"S": key}, "sha256": {"S": digest}}}


def _taken_back(value: Any, landing: LandingStore) -> Any:
    match value:
        case {"M": {"bytes": _, "key": {"S": str(key)}, "sha256": {"S": str(digest)}}} if found := _KEY.fullmatch(key):
            content = landing.read(key)
            if content is None or digest != found[1] or hashlib.sha256(content).hexdigest() != digest:
                return value
            return {"S": content.decode()} if found[2] == "txt" else {"B": base64.b64encode(content).decode()}
        case {"M": dict(inside)}:
            return {"M": {name: _taken_back(held, landing) for name, held in inside.items()}}
        case {"L": list(rows)}:
            return {"L": [_taken_back(row, landing) for row in rows]}
    return value


def _read(text: str) -> dict[str, Any]:
    """An item, or nothing if somebody made something else of it."""
    try:
        found = orjson.loads(text)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
