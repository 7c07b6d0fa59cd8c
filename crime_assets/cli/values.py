"""Values as texts for programs: the same in CSV and JSON, except that JSON has null, true, numbers and nesting.

Nothing is rounded: decimals and numbers of any size come with all their digits. Days, times and moments are ISO 8601,
bytes are hexadecimal digits. NaN and the infinities, which no JSON number can be, are texts.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from datetime import date, time
from decimal import Decimal
from functools import singledispatch

quoted = json.JSONEncoder(ensure_ascii=False).encode
"""A text as JSON, with all characters that JSON can hold unescaped."""
quoted_in_ascii = json.JSONEncoder(ensure_ascii=True).encode
"""The same with an escape for every character outside ASCII."""

_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}


def as_json(value: object, quote: Callable[[str], str] = quoted) -> str:
    """A value as JSON. A struct is an object, and so is a map, whose keys become texts."""
    if value is None:
        return "null"
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{quote(as_text(key))}: {as_json(part, quote)}" for key, part in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(as_json(part, quote) for part in value) + "]"
    is_number = isinstance(value, int | Decimal) or (isinstance(value, float) and math.isfinite(value))
    return as_text(value) if is_number else quote(as_text(value))


@singledispatch
def as_text(value: object) -> str:
    """A value as a text; a nested value as JSON."""
    return str(value)


@as_text.register
def _(value: bool) -> str:
    return "true" if value else "false"


@as_text.register
def _(value: float) -> str:
    text = repr(value)
    return _NOT_FINITE.get(text, text)


@as_text.register
def _(value: Decimal) -> str:
    return f"{value:f}"


@as_text.register(date)
@as_text.register(time)
def _(value: date | time) -> str:
    return value.isoformat()


@as_text.register(bytes)
@as_text.register(bytearray)
def _(value: bytes | bytearray) -> str:
    return value.hex()


@as_text.register(Mapping)
@as_text.register(list)
@as_text.register(tuple)
def _(value: object) -> str:
    return as_json(value)
