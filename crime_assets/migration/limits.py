"""What a DynamoDB item may be, as pure functions: stand-ins for the service take nearly everything.

Sizes are the service's own count: names and texts in UTF-8 bytes, numbers by their digits, and a little for each list
and map. The JSON text of an item is never shorter than that.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

MOST_ITEM = 400 << 10
"""Bytes of an item, its names among them."""
MOST_ID = 2_048
"""Bytes of a partition key."""
MOST_SORT = 1_024
"""Bytes of a sort key."""
MOST_DEPTH = 31
"""Of lists and maps in one another: the value inside is DynamoDB's 32nd level."""
MOST_DIGITS = 38

_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]{1,9})?")
_LEAST, _GREATEST = Decimal("1E-130"), Decimal("9.9999999999999999999999999999999999999E+125")


def item_bytes(item: Mapping[str, Any]) -> int:
    """Bytes that an item counts for; `item` as DynamoDB's JSON has it: name → {type: value}."""
    return sum(_text_bytes(name) + value_bytes(value) for name, value in item.items())


def value_bytes(value: Mapping[str, Any]) -> int:
    """Bytes of one value without its name, such as {"S": "text"}."""
    match value:
        case {"S": str(text)}:
            return _text_bytes(text)
        case {"N": str(text)}:
            return _number_bytes(text)
        case {"B": str(text)}:
            return len(text) // 4 * 3 - text.count("=")
        case {"M": dict(inside)}:
            return 3 + len(inside) + item_bytes(inside)
        case {"L": list(rows)}:
            return 3 + len(rows) + sum(map(value_bytes, rows))
    return 1


def number_fits(text: str) -> str:
    """Why a number cannot be an N; an empty text if it can."""
    if not _NUMBER.fullmatch(text):
        return "it is no decimal number"
    number = Decimal(text)
    if len(_significant(number)) > MOST_DIGITS:
        return f"it has more than {MOST_DIGITS} digits"
    if number and not _LEAST <= abs(number) <= _GREATEST:
        return "it is smaller than 1E-130 or greater than 9.9E+125"
    return ""


def key_fits(name: str, part: str) -> str:
    """Why an item cannot have this key; an empty text if it can."""
    for text, most, what in ((name, MOST_ID, "id"), (part, MOST_SORT, "part")):
        if not text:
            return f"its {what} is empty"
        if _text_bytes(text) > most:
            return f"its {what} has more than {most} bytes"
    return ""


def depth(item: Mapping[str, Any]) -> int:
    """How many lists and maps are in one another, 0 if there are none."""
    return max(map(_value_depth, item.values()), default=0)


def _value_depth(value: Mapping[str, Any]) -> int:
    match value:
        case {"M": dict(inside)}:
            return 1 + depth(inside)
        case {"L": list(rows)}:
            return 1 + max(map(_value_depth, rows), default=0)
    return 0


def _text_bytes(text: str) -> int:
    return len(text) if text.isascii() else len(text.encode())


def _number_bytes(text: str) -> int:
    number = Decimal(text)
    return 1 + (len(_significant(number)) + 1) // 2 + (number < 0)


def _significant(number: Decimal) -> str:
    return "".join(map(str, number.as_tuple().digits)).strip("0")
