"""Lines of a stream's files as rows, typed by the same reader on whichever machine has them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from functools import lru_cache
from itertools import islice
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import unquote, urlsplit

import pyarrow as pa

from crime_assets.core.errors import LandingError
from crime_assets.incidents.contract import ARRIVED, COUNTED, FIELDS, Quarantined, Record
from crime_assets.incidents.lines import quarantined_line
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources.directory import record_of
from crime_assets.incidents.times import Calendar

_FIELDS = (
    *("event_id", "kind", "fir_id", "version", "district", "major_head", "lat_milli", "lon_milli"),
    *("complainant_ref", "vehicles", "md5"),
)
"""Columns of a report that statements ask for; the others are only in its line."""
_COLUMNS = (*_FIELDS, *COUNTED.names)
_TYPES = {pa.string(): "string", pa.int32(): "int", pa.float64(): "double", pa.bool_(): "boolean"}
SCHEMA = ", ".join(
    (
        *(f"{name} {_TYPES[ARRIVED.field(name).type]}" for name in _COLUMNS),
        *("file int", "line string", "quarantined string"),
    )
)
"""A row of Spark for each message: what statements ask for, the number of its file in its shard, and its line in a
delivery or, if it is no report, in the quarantine; then it has no more than its shard, sequence and arrival."""

_AT_ONCE = 2_000
_NUMBER = re.compile(rb'"n"\s*:\s*([0-9]+)')
Line = tuple[str, str]
"""A line, and the address of its file."""


def place_of(address: str) -> tuple[str, int]:
    """The shard of a file of the stream, and its number in it."""
    path = PurePosixPath(unquote(urlsplit(address).path))
    return path.parent.name, int(path.stem)


def typing(zone: str, tick: int) -> Callable[[Iterable[Line]], Iterator[tuple[Any, ...]]]:
    """What makes rows of SCHEMA of lines, for reports that come with this tick."""

    def typed(lines: Iterable[Line]) -> Iterator[tuple[Any, ...]]:
        left = iter(lines)
        while some := list(islice(left, _AT_ONCE)):
            yield from _rows([_record(*line) for line in some], zone, tick)

    return typed


def _rows(records: list[Record], zone: str, tick: int) -> Iterator[tuple[Any, ...]]:
    arrived, bad = _reader(zone).read(records)
    columns = [arrived.column(name).to_pylist() for name in _COLUMNS]
    for counted, line in zip(zip(*columns, strict=True), _lines(arrived, tick), strict=True):
        yield (*counted, _file(counted[-1]), line, None)
    for one in bad:
        yield _quarantined(one, tick)


def _lines(arrived: pa.Table, tick: int) -> Iterator[str]:
    kept = arrived.select([*(field.name for field in FIELDS), "shard", "sequence"])
    for row in kept.to_pylist():
        shard, sequence = row.pop("shard"), row.pop("sequence")
        yield json.dumps({**row, "_shard": shard, "_sequence": sequence, "_tick": tick}, default=_moment)


def _quarantined(one: Quarantined, tick: int) -> tuple[Any, ...]:
    told = {"shard": one.shard, "sequence": one.sequence, "arrived_s": one.arrived_at.timestamp()}
    return (*map(told.get, _COLUMNS), _file(one.sequence), None, quarantined_line(one, tick).decode())


def _record(line: str, address: str) -> Record:
    """The record of a line, which says itself which one of its file it is."""
    data = line.encode()
    number = _NUMBER.search(data)
    try:
        return record_of(data, *place_of(address), int(number[1]) if number else 0)
    except (ValueError, KeyError, TypeError, RecursionError):
        # Not raised from the error, which can repeat the line: a machine's log would have it.
        raise LandingError(f"The stream's file {address} is not as it was written: restore it.") from None


def _file(sequence: str) -> int:
    return int(sequence.partition(":")[0])


def _moment(value: datetime) -> str:
    # strftime leaves out the zeros before a year.
    return value.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


@lru_cache
def _reader(zone: str) -> Reader:
    return Reader(Calendar(zone))
