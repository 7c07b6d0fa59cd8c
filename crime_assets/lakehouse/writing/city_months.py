"""The table `cities.city_months`: each city's part is replaced on its own, and only if it changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.across import SCHEMA, TABLE, months_table
from crime_assets.lakehouse.schema import CITY_MONTHS, arrow_schema, iceberg_schema
from crime_assets.sources import cities
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLANS = 5
_KEPT_SNAPSHOTS = 30


@dataclass(frozen=True)
class Known:
    """What a city's part would be made of now, and whether it is; `rows` are those that it has."""

    mark: str
    is_current: bool
    rows: int


def look_at(lake: Lake, city: City, definition: str) -> Known:
    """What a city's part would be made of now: a snapshot of crimes, by a definition."""
    crimes = tables.load(lake, city.name, "crimes")
    snapshot = crimes.current_snapshot() if crimes is not None else None
    mark = f"{snapshot.snapshot_id if snapshot else None}-{definition}"
    table = months_table(lake)
    rows = sum(file.record_count for file in _files(table, city)) if table is not None else 0
    return Known(mark, table is not None and _marks(table).get(_mark_of(city.name)) == mark, rows)


def replace_part(lake: Lake, city: City, rows: Sequence[Mapping[str, Any]], known: Known) -> bool:
    """Replace a city's part; whether it changed. Nothing is committed if it did not.

    LakeBusy if other writers keep changing the table.
    """
    made = pa.Table.from_pylist([dict(row) for row in rows], arrow_schema(CITY_MONTHS))
    with lake.writing():
        for _ in range(_PLANS):
            with suppress(StalePlan):
                return _replace(lake, city, made, known)
    raise LakeBusy(f"Other writers keep changing {SCHEMA}.{TABLE}: run again later.")


def parts(lake: Lake) -> set[str]:
    """The cities that have a part."""
    table = months_table(lake)
    return {str(file.partition[0]) for file in tables.data_files(table)} if table is not None else set()


def months(lake: Lake) -> list[dict[str, Any]]:
    """The rows of all cities; none if there is no table yet."""
    table = months_table(lake)
    if table is None:
        return []
    found: list[dict[str, Any]] = _rows(table, tables.data_files(table)).to_pylist()
    return found


def _replace(lake: Lake, city: City, rows: pa.Table, known: Known) -> bool:
    table = months_table(lake)
    if table is None:
        tables.forget_lost(lake, SCHEMA)
        table = tables.create(lake, SCHEMA, TABLE, iceberg_schema(CITY_MONTHS), partition_by="city")
    old = _files(table, city)
    if _rows(table, old).equals(rows):
        return False
    added = []
    if rows.num_rows:
        added.append(tables.new_data_path(table, f"city={city.name}"))
        pq.write_table(rows, added[0], compression="zstd")
    # The newest snapshot says of all parts what they were made of.
    marks = {**_marks(table), _mark_of(city.name): known.mark, FIRST_CHANGED: NOTHING_CHANGED}
    tables.commit(table, Change(old, added, {"kind": "months", **marks}))
    _expire(lake)
    return True


def _files(table: Table, city: City) -> list[DataFile]:
    return [file for file in tables.data_files(table) if file.partition[0] == city.name]


def _mark_of(city: str) -> str:
    return f"made-of.{city}"


def _marks(table: Table) -> dict[str, str]:
    """What the parts were made of."""
    snapshot = table.current_snapshot()
    said = snapshot.summary if snapshot is not None else None
    found = {name: said[tables.PROPERTY_PREFIX + _mark_of(name)] for name in cities.names()} if said else {}
    return {_mark_of(name): mark for name, mark in found.items() if mark is not None}


def _rows(table: Table, files: Sequence[DataFile]) -> pa.Table:
    """The rows of data files, in the order they were written."""
    tables.check_files(table, files)
    schema = arrow_schema(CITY_MONTHS)
    found = [pq.ParquetFile(path).read().cast(schema) for path in tables.fetch(table, files)]
    return pa.concat_tables(found) if found else schema.empty_table()


def _expire(lake: Lake) -> None:
    """Keep the last snapshots only: nobody asks what a month was counted as long ago."""
    table = months_table(lake)
    history = table.history() if table is not None else []
    if table is not None and len(history) > 2 * _KEPT_SNAPSHOTS:
        tables.drop_snapshots(table, [entry.snapshot_id for entry in history[:-_KEPT_SNAPSHOTS]])
