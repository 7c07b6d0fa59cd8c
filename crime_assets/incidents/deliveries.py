"""Deliveries of live reports, read back.

A delivery is gzip members of NDJSON. A line is a report, flat, with the names of FIELDS and times as ISO 8601 in UTC,
and from where it is: `_shard`, `_sequence`, `_tick`. What is NULL may be left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from crime_assets.core.errors import LandingError
from crime_assets.incidents.contract import FIELDS, LARGEST
from crime_assets.streams import LandingStore
from crime_assets.streams.deliveries import content_of

_TYPES = {"string": str, "int": int, "double": float, "boolean": bool, "timestamptz": datetime}
_NEEDED = ("event_id", "kind", "fir_id", "version", "registered_at", "md5")
_LINE = msgspec.defstruct(
    "Line",
    [
        *((field.name, _TYPES[field.type]) for field in FIELDS if field.name in _NEEDED),
        *((field.name, _TYPES[field.type] | None, None) for field in FIELDS if field.name not in _NEEDED),
        ("_shard", str | None, None),
        ("_sequence", str | None, None),
        ("_tick", int | None, None),
    ],
)
_LONGEST = 2 * LARGEST
"""Bytes of a line that are read at the most: a report in columns is not much longer than its message."""


def read_reports(store: LandingStore, key: str) -> Iterator[dict[str, Any]]:
    """Every report of a delivery: FIELDS by name, times with their zone, and `_shard`, `_sequence`, `_tick`.

    LandingError, after those before it, if the object is missing or cut off, or has a line that is no report.
    """
    decode = msgspec.json.Decoder(_LINE).decode
    for number, line in enumerate(lines_of(content_of(store, key), _LONGEST), 1):
        try:
            report = msgspec.structs.asdict(decode(line))
        except (msgspec.DecodeError, RecursionError):
            report = None
        # Not raised from the decoder's error, which can repeat values.
        if report is None:
            raise LandingError(
                f"Line {number} of the delivery {key} is no report: something else wrote it; restore the object."
            )
        yield report


def lines_of(pieces: Iterable[bytes], longest: int) -> Iterator[bytes]:
    """Lines that are not empty, in bounded memory: of one that is too long, one byte more than the longest may have."""
    rest = b""
    for piece in pieces:
        *whole, rest = (rest + piece).split(b"\n")
        yield from (line[: longest + 1] for line in whole if line.strip())
        # What comes is cut as well, so this is never longer than two pieces.
        rest = rest[: longest + 1]
    if rest.strip():
        yield rest
