"""The digest of a record: two equal records have equal digests, whichever feed they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

import orjson

COMPUTED_REGION = ":@computed_region_"

_PLAIN = frozenset({str, bool})
_PLAIN_OR_OBJECT = _PLAIN | {dict}


@dataclass(frozen=True, eq=False)
class Shape:
    """What can be said of a record from the names of its fields and the types of their values."""

    names: tuple[str, ...]
    types: tuple[type, ...]
    own: tuple[str, ...] | None
    """The names of the source's own fields that have a value; None if all do."""
    objects: tuple[str, ...] | None
    """The names of the fields that hold an object; None if some value is neither an object nor plain."""


def shape_of(record: Mapping[str, object]) -> Shape:
    """The shape of a record."""
    return _shape(tuple(record), tuple(map(type, record.values())))


# A source's records have a handful of shapes.
@lru_cache(maxsize=256)
def _shape(names: tuple[str, ...], types: tuple[type, ...]) -> Shape:
    fields = list(zip(names, types, strict=True))
    own = tuple(n for n, kind in fields if kind is not type(None) and not n.startswith((COMPUTED_REGION, "_")))
    return Shape(
        names,
        types,
        own=None if len(own) == len(names) else own,
        objects=tuple(n for n, kind in fields if kind is dict) if _PLAIN_OR_OBJECT.issuperset(types) else None,
    )


def are_plain(record: Mapping[str, object], shape: Shape | None = None) -> bool:
    """Whether the fast and the standard JSON writer write its values the same; they differ for some numbers."""
    objects = (shape or shape_of(record)).objects
    if objects is None:
        return False
    for name in objects:
        value = record[name]
        if not (isinstance(value, dict) and _PLAIN.issuperset(map(type, value.values()))):
            return False
    return True


def canonical_json(record: Mapping[str, object]) -> str:
    """The record's own fields as JSON: sorted keys, no spaces, no nulls, no computed regions.

    A lone surrogate (possible in JSON, impossible in UTF-8) becomes "?".
    """
    return _canonical(record, shape_of(record)).decode()


def _canonical(record: Mapping[str, object], shape: Shape) -> bytes:
    if shape.own is not None:
        record = {name: record[name] for name in shape.own}
        shape = shape_of(record)
    if are_plain(record, shape):
        try:
            return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
        except orjson.JSONEncodeError:
            pass
    text = json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace")


def text_digest(text: str) -> str:
    """MD5 of a text in UTF-8, as 32 hex digits."""
    return _digest(text.encode("utf-8", "replace"))


def _digest(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def record_digest(record: Mapping[str, object], shape: Shape | None = None) -> str:
    """MD5 of the canonical JSON. `shape` is the record's, if known."""
    return _digest(_canonical(record, shape or shape_of(record)))


def set_digest(digests: set[str]) -> str:
    """One digest for a set of digests, whatever their order."""
    return text_digest("\n".join(sorted(digests)))
