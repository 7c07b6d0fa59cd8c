"""Splits an export of DynamoDB, a line `{"Item":{…}}` each, into records of a city's fields and damaged lines.

Only first items of documents of crimes are records; other kinds, further parts of divided documents and items of the
store's own are passed over. A damaged line never affects its neighbors. Files and change days are not known here.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json as arrow_json

from crime_assets.sources.feeds.csv_lines import Damaged, Lines
from crime_assets.sources.feeds.packed import ByteStream, RefusedError

BLOCK_BYTES = 8 << 20
LONGEST_LINE = 8 << 20
"""An item has at most 400 KB, and JSON writes a sign in at most six."""

_HEAD = re.compile(rb'\s*\{\s*"Item"\s*:')
_RESERVED = {"id": "crime_id"}
"""Fields whose names every document has for something else → the attribute."""
_KIND, _FIRST, _OWN = "crime", "-", "~"
_OF_LIST = "#"
"""In the part of all items of a divided document but the first, such as notes#000001."""
_TYPES = pa.struct([("S", pa.string()), ("N", pa.string()), ("BOOL", pa.bool_())])
_ODD = "_odd"
"""Map of values that do not fit what their column is declared to hold, as texts."""


def is_items(head: bytes) -> bool:
    """Whether a file begins as an export of DynamoDB."""
    return _HEAD.match(head) is not None


def read(stream: ByteStream, fields: Sequence[str]) -> Iterator[Lines]:
    """All records, with a string column per field, and all damaged lines, some megabytes at a time."""
    schema = _schema(fields)
    for block in _blocks(stream):
        lines = _parsed(block, fields, schema)
        yield lines if lines is not None else _line_by_line(block, fields)


def _blocks(stream: ByteStream) -> Iterator[bytes]:
    """The stream in blocks of whole lines."""
    rest = b""
    while block := stream.read(BLOCK_BYTES):
        whole, end, more = (rest + block).rpartition(b"\n")
        rest = more
        if len(rest) > LONGEST_LINE:
            raise RefusedError(f"has a line of more than {LONGEST_LINE} bytes, which no item is: export it again")
        if end:
            yield whole
    if rest:
        yield rest


def _schema(fields: Sequence[str]) -> pa.Schema:
    odd = pa.struct([("M", pa.struct([(name, pa.struct([("S", pa.string())])) for name in fields]))])
    names = dict.fromkeys(["id", "part", "kind", *(_RESERVED.get(name, name) for name in fields)])
    return pa.schema([("Item", pa.struct([*((name, _TYPES) for name in names), (_ODD, odd)]))])


def _parsed(block: bytes, fields: Sequence[str], schema: pa.Schema) -> Lines | None:
    """The block's records; None if a line of it has to be looked at alone."""
    try:
        block.decode()
        table = arrow_json.read_json(
            io.BytesIO(block),
            arrow_json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            arrow_json.ParseOptions(explicit_schema=schema, unexpected_field_behavior="ignore"),
        )
    except (pa.ArrowException, UnicodeDecodeError):
        return None
    items = table.column("Item").combine_chunks()
    if table.num_rows != sum(1 for line in block.split(b"\n") if line.strip()) or items.null_count:
        return None
    kinds, ids = _text(items, "kind"), _text(items, "id")
    if pc.any(pc.and_(pc.is_null(kinds), pc.invert(_is_own(ids)))).as_py():
        return None
    crimes = items.filter(pc.fill_null(pc.equal(kinds, _KIND), False))
    parts = _text(crimes, "part")
    is_first = pc.equal(parts, _FIRST)
    if pc.any(pc.invert(pc.fill_null(pc.or_(is_first, pc.match_substring(parts, _OF_LIST)), False))).as_py():
        return None
    crimes = crimes.filter(is_first)
    odd = pc.struct_field(crimes, [_ODD, "M"])
    if _is_without(crimes, _ODD, odd) or any(
        _has_others(crimes, name) or _is_without(odd, name, pc.struct_field(odd, [name, "S"])) for name in fields
    ):
        return None
    return Lines(pa.table([_field(crimes, name) for name in fields], names=list(fields)), [])


def _is_own(ids: pa.Array) -> pa.Array:
    return pc.fill_null(pc.starts_with(ids, _OWN), False)


def _has_others(items: pa.Array, name: str) -> bool:
    """Whether an attribute is something else than a text, somewhere."""
    attribute = _RESERVED.get(name, name)
    return _is_without(items, attribute, _text(items, attribute))


def _is_without(items: pa.Array, name: str, value: pa.Array) -> bool:
    there = pc.is_valid(pc.struct_field(items, name))
    return bool(pc.any(pc.and_(there, pc.is_null(value))).as_py())


def _text(items: pa.Array, name: str) -> pa.Array:
    """An attribute as text."""
    held = pc.struct_field(items, name)
    flags = pc.cast(pc.struct_field(held, "BOOL"), pa.string())
    return pc.coalesce(pc.struct_field(held, "S"), pc.struct_field(held, "N"), flags)


def _field(items: pa.Array, name: str) -> pa.Array:
    text = pc.coalesce(_text(items, _RESERVED.get(name, name)), pc.struct_field(items, [_ODD, "M", name, "S"]))
    return pc.if_else(pc.equal(text, ""), pa.scalar(None, pa.string()), text)


def _line_by_line(block: bytes, fields: Sequence[str]) -> Lines:
    records: list[dict[str, str | None]] = []
    damaged: list[Damaged] = []
    for line in block.split(b"\n"):
        if not line.strip():
            continue
        try:
            record = _record(_item(line), fields)
        except ValueError as error:
            damaged.append(Damaged(str(error), line.decode(errors="backslashreplace")))
            continue
        if record is not None:
            records.append(record)
    schema = pa.schema([(name, pa.string()) for name in fields])
    return Lines(pa.Table.from_pylist(records, schema), damaged)


def _item(line: bytes) -> Mapping[str, Any]:
    try:
        told = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise ValueError("no JSON") from error
    item = told.get("Item") if isinstance(told, dict) else None
    if not isinstance(item, dict):
        raise ValueError("no item")
    return item


def _record(item: Mapping[str, Any], fields: Sequence[str]) -> dict[str, str | None] | None:
    """A record; None if the item is no crime. ValueError says what is wrong."""
    kind = _value(item, "kind")
    if kind is None and not (_value(item, "id") or "").startswith(_OWN):
        raise ValueError("an item of no kind")
    if kind != _KIND:
        return None
    part = _value(item, "part") or ""
    if part != _FIRST and _OF_LIST not in part:
        raise ValueError("neither a first item of a document nor a part of one")
    if part != _FIRST:
        return None
    odd = item.get(_ODD, {"M": {}})
    if not isinstance(odd, dict) or not isinstance(odd.get("M"), dict):
        raise ValueError(f"{_ODD} is no map")
    found = {}
    for name in fields:
        attribute = _RESERVED.get(name, name)
        found[name] = _value(item if attribute in item else odd["M"], attribute if attribute in item else name) or None
    return found


def _value(item: Mapping[str, Any], name: str) -> str | None:
    """An attribute as text; None if it is not there, or NULL. ValueError if it is none of text, number and flag."""
    held = item.get(name)
    if held is None:
        return None
    if isinstance(held, dict) and len(held) == 1:
        ((kind, value),) = held.items()
        if kind in ("S", "N") and isinstance(value, str):
            return value
        if kind == "BOOL" and isinstance(value, bool):
            return str(value).lower()
        if kind == "NULL":
            return None
    raise ValueError(f"{name} is neither text, number nor flag")
