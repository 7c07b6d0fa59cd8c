"""The envelope: how a source's record travels from the pull to the lake, and how it is opened again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime

from crime_assets.core.digests import record_digest
from crime_assets.core.errors import FeedError

FIELDS = ("_city", "_change_day", "_batch", "_pulled_at", "_md5")


class BadLine(Exception):
    """A delivered line that is not an envelope of this city."""


@dataclass(frozen=True)
class Envelope:
    """A record and where it came from. `pulled_at` is UTC."""

    record: Mapping[str, object]
    city: str
    change_day: date
    batch: str
    pulled_at: datetime
    md5: str


def seal(record: Mapping[str, object], city: str, change_day: date, batch: str, pulled_at: datetime) -> bytes:
    """One NDJSON line: the record untouched, plus the envelope's fields."""
    taken = [name for name in FIELDS if name in record]
    if taken:
        raise FeedError(f"The source publishes a column named {taken[0]}, which is reserved: rename it in the feed.")
    line = {
        **record,
        "_city": city,
        "_change_day": change_day.isoformat(),
        "_batch": batch,
        "_pulled_at": pulled_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "_md5": record_digest(record),
    }
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def unseal(line: bytes, city: str) -> Envelope:
    """Open a delivered line. BadLine if it is no JSON object, lacks an envelope, or its digest does not fit."""
    try:
        fields = json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadLine("not JSON") from error
    if not isinstance(fields, dict):
        raise BadLine("not a JSON object")
    missing = [name for name in FIELDS if not isinstance(fields.get(name), str)]
    if missing:
        raise BadLine(f"no {missing[0]} in the envelope")
    record = {name: value for name, value in fields.items() if name not in FIELDS}
    try:
        change_day = date.fromisoformat(fields["_change_day"])
        pulled_at = datetime.fromisoformat(fields["_pulled_at"])
        if pulled_at.tzinfo is None:
            raise ValueError("the offset from UTC is missing")
        pulled_at = pulled_at.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise BadLine("a time in the envelope cannot be read") from error
    if fields["_city"] != city:
        raise BadLine(f"a record of {fields['_city']!r}, not of {city!r}")
    try:
        digest = record_digest(record)
    except RecursionError as error:
        # What is nested just not too deep to be read can be too deep to be written.
        raise BadLine("not JSON") from error
    if digest != fields["_md5"]:
        raise BadLine("the digest does not fit the record")
    return Envelope(record, city, change_day, fields["_batch"], pulled_at, fields["_md5"])
