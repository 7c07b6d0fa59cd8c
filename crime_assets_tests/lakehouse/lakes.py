"""Lakes as tests look at them: what is in a table, which files and snapshots it has, and a feed of given records."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from crime_assets.core.digests import canonical_json
from crime_assets.core.envelopes import Envelope
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.writing.merge import MergeResult, merge_deliveries
from crime_assets.sources.feeds import DAMAGE, RAW, History, Record
from crime_assets.streams.deliveries import DamagedLine
from crime_assets_tests.build import CHICAGO

HISTORY_SCHEMA = pa.schema(
    [
        *(
            pa.field(
                name,
                pa.bool_() if kind == "flag" else pa.string(),
                metadata={"json": "true"} if kind == "object" else None,
            )
            for name, kind in CHICAGO.source_columns.items()
        ),
        (DAMAGE, pa.string()),
        (RAW, pa.string()),
    ]
)


def history_table(records: Iterable[Mapping[str, object]]) -> pa.Table:
    """Records as a feed's history gives them: flags as bool, objects as canonical JSON."""
    rows = [
        {name: canonical_json(value) if isinstance(value, dict) else value for name, value in record.items()}
        for record in records
    ]
    new = sorted({name for row in rows for name in row} - set(HISTORY_SCHEMA.names))
    schema = pa.schema([*HISTORY_SCHEMA, *((name, pa.string()) for name in new if not name.startswith(":"))])
    return pa.Table.from_pylist(rows, schema=schema)


class ListFeed:
    """A feed whose history is these records in their order, `part_rows` in a part, whatever their months.

    If there is an `error`, no part from the number `breaks_at` on can be read; by default that is one more part after
    the last. `asked` has the parts that were given, in their order.
    """

    name = "list"

    def __init__(
        self,
        records: Sequence[Mapping[str, object]],
        error: BaseException | None = None,
        *,
        breaks_at: int | None = None,
        source: str = "list",
        part_rows: int = 3,
    ) -> None:
        starts = range(0, len(records), part_rows)
        self._parts = {str(number): records[start : start + part_rows] for number, start in enumerate(starts)}
        if error and breaks_at is None:
            self._parts[str(len(self._parts))] = ()
        self._breaks_at = len(self._parts) - 1 if breaks_at is None else breaks_at
        self._error = error
        self._source = source
        self.asked: list[str] = []

    @property
    def parts(self) -> list[str]:
        """The names of all parts."""
        return list(self._parts)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        yield History(self._source, self.parts, self._read)

    def _read(self, part: str) -> pa.Table:
        if self._error and int(part) >= self._breaks_at:
            raise self._error
        self.asked.append(part)
        return history_table(self._parts[part])

    def columns(self) -> frozenset[str]:
        return frozenset(name for records in self._parts.values() for record in records for name in record)

    def latest_day(self) -> date:
        raise AssertionError("a history load asks for nothing but the history")

    def changes(self, first: date, last: date) -> Iterator[Record]:
        raise AssertionError("a history load asks for nothing but the history")

    def count(self, first: date, last: date) -> int:
        raise AssertionError("a history load asks for nothing but the history")


def merge(lake: Lake, *lines: Envelope | DamagedLine) -> MergeResult:
    return merge_deliveries(lake, CHICAGO, lines, {})


def files(lake: Lake, name: str = "crimes") -> list[str]:
    """Paths of all data files of a table."""
    table = tables.load(lake, "chicago", name)
    return [local_path(file.file_path) for file in tables.data_files(table)] if table is not None else []


def paths(lake: Lake) -> dict[str, str]:
    """Month, as its directory says → path of the one data file that `crimes` has of it."""
    found = files(lake)
    assert len({Path(path).parent for path in found}) == len(found)
    return {Path(path).parent.name.removeprefix("occurred_month="): path for path in found}


def rows(lake: Lake, name: str = "crimes", city: str = "chicago") -> list[dict[str, Any]]:
    """All rows of a table, in order of id and version."""
    table = tables.load(lake, city, name)
    if table is None:
        return []
    with connection(lake.staging) as con:
        held = con.sql(f"FROM ({rows_of(table, tables.data_files(table))}) ORDER BY ALL")
        return list(held.to_arrow_table().to_pylist())


def versions(lake: Lake, name: str = "crimes") -> list[tuple[int, str]]:
    """(id, digest) of all rows."""
    return sorted((row["id"], row["record_md5"]) for row in rows(lake, name))


def snapshots(lake: Lake, name: str = "crimes", city: str = "chicago") -> list[int]:
    table = tables.load(lake, city, name)
    return [entry.snapshot_id for entry in table.history()] if table is not None else []


def properties(lake: Lake, name: str = "crimes", city: str = "chicago") -> dict[str, str]:
    """Our own properties of the present snapshot."""
    table = tables.load(lake, city, name)
    assert table is not None
    snapshot = table.current_snapshot()
    assert snapshot is not None
    assert snapshot.summary is not None
    prefix = tables.PROPERTY_PREFIX
    found = snapshot.summary.additional_properties
    return {name.removeprefix(prefix): value for name, value in found.items() if name.startswith(prefix)}


def quarantined(lake: Lake) -> list[dict[str, Any]]:
    """All rows of the quarantine."""
    table = tables.load(lake, "chicago", "crimes_quarantine")
    if table is None:
        return []
    return sorted(table.scan().to_arrow().to_pylist(), key=lambda row: (row["reason"], row["record_md5"]))


def orphans(lake: Lake) -> list[str]:
    """Data files on the disk that no table names now."""
    known: set[str] = set()
    for name in tables.names(lake, "chicago"):
        table = tables.load(lake, "chicago", name)
        assert table is not None
        for snapshot_id in snapshots(lake, name):
            known |= {local_path(file.file_path) for file in tables.data_files(table, snapshot_id)}
    return sorted(str(path) for path in (lake.home / "warehouse").rglob("*.parquet") if str(path) not in known)


def raw_of(record: Mapping[str, object]) -> str:
    return json.dumps(record, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
