"""Brings the audit trail into tables of the lake, where SQL can ask it, and these into the gates of who may read it.

The trail itself stays what counts: it is whole or it is not. From a broken one nothing is taken.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import zip_longest
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from crime_assets.core.errors import LakeError
from crime_assets.governance.trail import Entry, Trail
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import AUDIT, AUDIT_SEEN, Column, arrow_schema
from crime_assets.lakehouse.writing.audits import TABLES, add, between, newest
from crime_assets.sources.cities import City

GIVEN: Mapping[str, tuple[str, ...]] = {"audit": ("audit", "audit_seen"), "access_review": ("access_review",)}
"""What a policy gives → the tables that this is."""

_LINES_AT_ONCE, _IDS_AT_ONCE, _CHARACTERS_AT_ONCE = 20_000, 1_000_000, 1 << 24
"""What one snapshot adds, about."""
_OWN = frozenset({"n", "happened_at", "event", "prev", "hash", "details"})
_FITS: Mapping[str, tuple[type, ...]] = {"long": (int,), "double": (int, float), "boolean": (bool,), "string": (str,)}


@dataclass(frozen=True)
class Written:
    """What was added: lines and ids; and the trail's length and the hash of its last line."""

    new_lines: int
    new_ids: int
    lines: int
    head: str


def write_audit(trail: Trail, lake: Lake, city: City) -> Written:
    """Add to `audit` and `audit_seen` the lines that they lack.

    LakeError if the trail is broken, or if what the tables have is not what it says.
    """
    if problems := trail.verify().problems:
        raise LakeError(
            f"The audit trail is not whole ({problems[0]}), so nothing is taken from it: see `audit verify`."
        )
    with lake.writing():
        newest_row = newest(lake, city, "audit")
        known = newest_row["n"] if newest_row is not None else 0
        head, lines, ids = None, 0, 0
        for entries, seen in _several(trail, known):
            head = entries[-1]
            rows = pa.Table.from_pylist([_row(entry) for entry in entries], arrow_schema(AUDIT))
            if head.n <= known:
                _check_same(lake, city, rows, seen)
            else:
                # First the ids: who finds a line finds what it tells of.
                ids += add(lake, city, "audit_seen", seen)
                lines += add(lake, city, "audit", rows)
        if known and (head is None or head.n < known):
            raise LakeError(f"The table audit knows line {known:,}, which the trail lacks: see `audit verify`.")
    return Written(lines, ids, head.n if head is not None else 0, head.hash if head is not None else "")


def _check_same(lake: Lake, city: City, rows: pa.Table, seen: pa.Table) -> None:
    """LakeError if the tables say something else of these lines than the trail."""
    first, last = rows["n"][0].as_py(), rows["n"][-1].as_py()
    for name, told in (("audit", rows), ("audit_seen", seen.sort_by([("n", "ascending"), ("id", "ascending")]))):
        # What a table says of lines before the first one is wrong as well.
        found = between(lake, city, name, first if first > 1 else -(1 << 63), last)
        if not found.equals(told):
            raise LakeError(
                f"The table {name} does not say of line {_first_other(found, told):,} what the trail says: see `audit "
                "verify`; if the trail is whole, somebody has changed the table."
            )


def _first_other(one: pa.Table, other: pa.Table) -> int:
    """The number of the first line of which two tables, in order of `n`, say different things."""
    rows: Iterator[tuple[dict[str, int], ...]] = zip_longest(one.to_pylist(), other.to_pylist(), fillvalue={})
    return min(row["n"] for found, told in rows if found != told for row in (found, told) if row)


def _several(trail: Trail, known: int) -> Iterator[tuple[list[Entry], pa.Table]]:
    """Lines, some at a time, and the ids that were seen as rows of `audit_seen`: known ones never with new ones."""
    entries: list[Entry] = []
    numbers, ids = array("q"), array("q")
    size = 0
    for entry in trail.entries():
        entries.append(entry)
        size += len(str(entry.fields.get("sql", "")))
        found = array("q", trail.ids(entry) or ())
        ids += found
        numbers += array("q", [entry.n]) * len(found)
        is_full = len(entries) == _LINES_AT_ONCE or len(ids) > _IDS_AT_ONCE or size > _CHARACTERS_AT_ONCE
        if is_full or entry.n == known:
            yield entries, pa.table([numbers, ids], arrow_schema(AUDIT_SEEN))
            entries, numbers, ids, size = [], array("q"), array("q"), 0
    if entries:
        yield entries, pa.table([numbers, ids], arrow_schema(AUDIT_SEEN))


def _readable(value: Any) -> Any:
    """A value of a line, whose texts may be anything that JSON can say, as one that a table can hold."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, list):
        return [_readable(one) for one in value]
    if isinstance(value, dict):
        return {_readable(name): _readable(one) for name, one in value.items()}
    return value


def _row(entry: Entry) -> dict[str, Any]:
    """A line as a row: what has no column of its own, or does not fit it, is among the details."""
    row: dict[str, Any] = {"n": entry.n, "happened_at": datetime.fromisoformat(entry.at), "event": entry.event}
    row |= {"prev": entry.prev, "hash": entry.hash}
    left: dict[str, Any] = _readable(dict(entry.fields))
    for column in AUDIT:
        if column.name in left and column.name not in _OWN:
            value = left[column.name]
            if isinstance(value, list) and column.type == "string":
                value = json.dumps(value)
            if _fits(column, value):
                row[column.name] = value
                del left[column.name]
    return {**row, "details": json.dumps(left) if left else None}


def _fits(column: Column, value: object) -> bool:
    return value is None or (
        isinstance(value, _FITS[column.type]) and (column.type == "boolean") is isinstance(value, bool)
    )


def put_audits(path: Path, lake: Lake, city: City, given: Collection[str]) -> None:
    """Put the tables that a policy gives into a gate which nothing else has open; empty ones, if the lake has none."""
    if not _names(given):
        return
    with duckdb.connect(str(path)) as con:
        for name in _names(given):
            table = tables.load(lake, city.name, name)
            if table is None:
                con.register("nothing", arrow_schema(TABLES[name]).empty_table())
                con.execute(f"CREATE TABLE {identifier(name)} AS FROM nothing")
                con.unregister("nothing")
            else:
                rows = rows_of(table, tables.data_files(table))
                con.execute(f"CREATE TABLE {identifier(name)} AS FROM ({rows}) ORDER BY ALL")
        con.execute("CHECKPOINT")


def audit_snapshots(lake: Lake, city: City, given: Collection[str]) -> dict[str, int | None]:
    """The snapshots of those of the tables that a policy gives."""
    found = {name: tables.load(lake, city.name, name) for name in _names(given)}
    snapshots = {name: table.current_snapshot() if table is not None else None for name, table in found.items()}
    return {name: snapshot.snapshot_id if snapshot is not None else None for name, snapshot in snapshots.items()}


def _names(given: Collection[str]) -> list[str]:
    return [name for what, names in GIVEN.items() if what in given for name in names]
