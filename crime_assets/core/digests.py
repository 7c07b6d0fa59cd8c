"""The digest of a record: two equal records have equal digests, whichever feed they came from."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from functools import lru_cache

import orjson

COMPUTED_REGION = ":@computed_region_"

_PLAIN = frozenset({str, bool})


def canonical_json(record: Mapping[str, object]) -> str:
    """The record's own fields as JSON: sorted keys, no spaces, no nulls, no computed regions.

    A lone surrogate (possible in JSON, impossible in UTF-8) becomes "?".
    """
    names = _own_names(tuple(record))
    own = record if len(names) == len(record) else {name: record[name] for name in names}
    if None in own.values():
        own = {name: value for name, value in own.items() if value is not None}
    if are_plain(own):
        try:
            return orjson.dumps(own, option=orjson.OPT_SORT_KEYS).decode()
        except orjson.JSONEncodeError:
            pass
    text = json.dumps(own, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return text.encode("utf-8", "replace").decode("utf-8")


# A source's records have a handful of shapes.
@lru_cache(maxsize=1024)
def _own_names(names: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(name for name in names if not name.startswith((COMPUTED_REGION, "_")))


def are_plain(record: Mapping[str, object]) -> bool:
    """Whether the fast JSON writer and the standard one write its values alike; they differ in some numbers."""
    kinds = set(map(type, record.values())) - _PLAIN
    if not kinds:
        return True
    objects = (value for value in record.values() if isinstance(value, dict))
    return kinds == {dict} and all(set(map(type, value.values())) <= _PLAIN for value in objects)


def text_digest(text: str) -> str:
    """MD5 of a text in UTF-8, as 32 hex digits."""
    return hashlib.md5(text.encode("utf-8", "replace"), usedforsecurity=False).hexdigest()


def record_digest(record: Mapping[str, object]) -> str:
    """MD5 of the canonical JSON."""
    return text_digest(canonical_json(record))


def set_digest(digests: set[str]) -> str:
    """One digest for a set of digests, whatever their order."""
    return text_digest("\n".join(sorted(digests)))
