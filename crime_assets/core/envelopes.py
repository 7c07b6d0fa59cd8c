"""The envelope: how a source's record travels from the pull to the lake, and how it is opened again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import NamedTuple

import orjson

from crime_assets.core.digests import Shape, are_plain, canonical_json, record_digest, shape_of
from crime_assets.core.errors import FeedError

FIELDS = ("_city", "_change_day", "_batch", "_pulled_at", "_md5")
_RESERVED = frozenset(FIELDS)


class BadLine(Exception):
    """A delivered line that is not an envelope of this city."""


class Envelope(NamedTuple):
    """A record and where it came from. `pulled_at` is UTC.

    `is_plain`: the line holds nothing that two JSON readers could take differently.
    """

    record: Mapping[str, object]
    shape: Shape
    city: str
    change_day: date
    batch: str
    pulled_at: datetime
    md5: str
    is_plain: bool

    @property
    def text(self) -> str:
        """The record's canonical JSON."""
        return canonical_json(self.record)


def seal(
    record: Mapping[str, object],
    city: str,
    change_day: date,
    batch: str,
    pulled_at: datetime,
    digest: str | None = None,
) -> bytes:
    """One NDJSON line: the record untouched, plus the envelope's fields. `digest` is the record's, if known."""
    if not _RESERVED.isdisjoint(record):
        taken = next(name for name in FIELDS if name in record)
        raise FeedError(f"The source publishes a column named {taken}, which is reserved: rename it in the feed.")
    fields = _json(record)[1:-1]
    common = _common(city, change_day, batch, pulled_at)
    return b'{%b%b%b,"_md5":"%b"}\n' % (
        fields,
        b"," if fields else b"",
        common,
        (digest or record_digest(record)).encode(),
    )


def _json(record: Mapping[str, object]) -> bytes:
    if are_plain(record):
        try:
            return orjson.dumps(record)
        except orjson.JSONEncodeError:
            pass
    return json.dumps(record, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")


# The lines of a batch differ only in the record and its digest.
@lru_cache(maxsize=1024)
def _common(city: str, change_day: date, batch: str, pulled_at: datetime) -> bytes:
    at = pulled_at.astimezone(UTC).isoformat(timespec="microseconds")
    return _json({"_city": city, "_change_day": change_day.isoformat(), "_batch": batch, "_pulled_at": at})[1:-1]


def unseal(line: bytes, city: str) -> Envelope:
    """Open a delivered line. BadLine if it is not a JSON object, has no envelope, or its digest does not match."""
    try:
        return _opened(orjson.loads(line), city, is_plain=True)
    except (orjson.JSONDecodeError, BadLine):
        # The standard reader also reads what the fast one rejects or reads differently: lone surrogates, numbers beyond
        # 64 bits.
        return _opened(_parsed(line), city, is_plain=False)


def _parsed(line: bytes) -> object:
    try:
        return json.loads(line.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise BadLine("not JSON") from error


def _opened(fields: object, city: str, *, is_plain: bool) -> Envelope:
    if not isinstance(fields, dict):
        raise BadLine("not a JSON object")
    own_city, day, batch, pulled, digest = envelope = [fields.pop(name, None) for name in FIELDS]
    if not (
        isinstance(own_city, str)
        and isinstance(day, str)
        and isinstance(batch, str)
        and isinstance(pulled, str)
        and isinstance(digest, str)
    ):
        missing = next(name for name, value in zip(FIELDS, envelope, strict=True) if not isinstance(value, str))
        raise BadLine(f"no {missing} in the envelope")
    try:
        change_day = date.fromisoformat(day)
        pulled_at = utc(pulled)
    except (ValueError, OverflowError) as error:
        raise BadLine("a time in the envelope cannot be read") from error
    if own_city != city:
        raise BadLine(f"a record of {own_city!r}, not of {city!r}")
    shape = shape_of(fields)
    try:
        fits = record_digest(fields, shape) == digest
    except RecursionError as error:
        # A record that is nested just shallow enough to be read can be too deep to be written.
        raise BadLine("not JSON") from error
    if not fits:
        raise BadLine("the digest does not fit the record")
    return Envelope(fields, shape, city, change_day, batch, pulled_at, digest, is_plain and are_plain(fields, shape))


@lru_cache(maxsize=256)
def utc(text: str) -> datetime:
    """A time with an offset from UTC, as UTC. All lines of a pull have the same one."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("the offset from UTC is missing")
    return moment.astimezone(UTC)
