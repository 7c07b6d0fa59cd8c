"""The envelope: how a source's record travels from the pull to the lake, and how it is opened again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache

import orjson

from crime_assets.core.digests import are_plain, canonical_json, record_digest, text_digest
from crime_assets.core.errors import FeedError

FIELDS = ("_city", "_change_day", "_batch", "_pulled_at", "_md5")


class BadLine(Exception):
    """A delivered line that is not an envelope of this city."""


@dataclass(frozen=True)
class Envelope:
    """A record and where it came from. `pulled_at` is UTC, `text` the record's canonical JSON.

    `is_plain`: the line holds nothing that two JSON readers could take differently.
    """

    record: Mapping[str, object]
    city: str
    change_day: date
    batch: str
    pulled_at: datetime
    md5: str
    text: str
    is_plain: bool


def seal(
    record: Mapping[str, object],
    city: str,
    change_day: date,
    batch: str,
    pulled_at: datetime,
    digest: str | None = None,
) -> bytes:
    """One NDJSON line: the record untouched, plus the envelope's fields. `digest` is the record's, if known."""
    taken = [name for name in FIELDS if name in record]
    if taken:
        raise FeedError(f"The source publishes a column named {taken[0]}, which is reserved: rename it in the feed.")
    line = {
        **record,
        "_city": city,
        "_change_day": change_day.isoformat(),
        "_batch": batch,
        "_pulled_at": pulled_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "_md5": digest or record_digest(record),
    }
    if are_plain(line):
        try:
            return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
        except orjson.JSONEncodeError:
            pass
    return json.dumps(line, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace") + b"\n"


def unseal(line: bytes, city: str) -> Envelope:
    """Open a delivered line. BadLine if it is no JSON object, lacks an envelope, or its digest does not fit."""
    try:
        return _opened(orjson.loads(line), city, is_plain=True)
    except (orjson.JSONDecodeError, BadLine):
        # The standard reader reads what the fast one does not, or otherwise: half surrogates, numbers beyond 64 bits.
        return _opened(_parsed(line), city, is_plain=False)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadLine("not JSON") from error


def _opened(fields: object, city: str, *, is_plain: bool) -> Envelope:
    if not isinstance(fields, dict):
        raise BadLine("not a JSON object")
    missing = [name for name in FIELDS if not isinstance(fields.get(name), str)]
    if missing:
        raise BadLine(f"no {missing[0]} in the envelope")
    own_city, day, batch, pulled, digest = (fields.pop(name) for name in FIELDS)
    try:
        change_day = date.fromisoformat(day)
        pulled_at = utc(pulled)
    except (ValueError, OverflowError) as error:
        raise BadLine("a time in the envelope cannot be read") from error
    if own_city != city:
        raise BadLine(f"a record of {own_city!r}, not of {city!r}")
    try:
        text = canonical_json(fields)
    except RecursionError as error:
        # What is nested just not too deep to be read can be too deep to be written.
        raise BadLine("not JSON") from error
    if text_digest(text) != digest:
        raise BadLine("the digest does not fit the record")
    return Envelope(fields, city, change_day, batch, pulled_at, digest, text, is_plain and are_plain(fields))


@lru_cache(maxsize=256)
def utc(text: str) -> datetime:
    """A time with its offset from UTC, as all lines of a pull have it."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the offset from UTC is missing")
    return moment.astimezone(UTC)
