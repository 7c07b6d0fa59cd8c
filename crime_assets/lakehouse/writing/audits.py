"""The tables that tell who saw what: rows are added, never changed. What they say comes from `governance`."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import ACCESS_REVIEW, AUDIT, AUDIT_SEEN, Column, arrow_schema, iceberg_schema
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

TABLES: Mapping[str, tuple[Column, ...]] = {
    "audit": AUDIT,
    "audit_seen": AUDIT_SEEN,
    "access_review": ACCESS_REVIEW,
}
"""Table → its columns; by the first one its rows are in order."""

_PLANS = 5


def newest(lake: Lake, city: City, name: str) -> dict[str, Any] | None:
    """The row of one of TABLES with the greatest value in the first column; None if there is no row."""
    table = tables.load(lake, city.name, name)
    if table is None or not (files := tables.data_files(table)):
        return None
    with connection(lake.staging) as con:
        found = con.sql(f"FROM ({rows_of(table, files)}) ORDER BY 1 DESC LIMIT 1").to_arrow_table().to_pylist()
    return found[0] if found else None


def between(lake: Lake, city: City, name: str, first: int, last: int) -> pa.Table:
    """The rows of one of TABLES whose value in the first column, a number, is one of these; in order."""
    table = tables.load(lake, city.name, name)
    if table is None:
        return arrow_schema(TABLES[name]).empty_table()
    number = TABLES[name][0].name
    with connection(lake.staging) as con:
        rows = rows_of(table, tables.data_files(table))
        found = con.sql(f"FROM ({rows}) WHERE {number} BETWEEN ? AND ? ORDER BY ALL", params=[first, last])
        return found.to_arrow_table().cast(arrow_schema(TABLES[name]))


def add(lake: Lake, city: City, name: str, rows: pa.Table) -> int:
    """Add rows to one of TABLES as one snapshot: those that come after all that are there. How many these were.

    LakeBusy if other writers keep changing the table.
    """
    first = TABLES[name][0].name
    with lake.writing():
        for _ in range(_PLANS):
            known = newest(lake, city, name)
            new = rows if known is None else rows.filter(pc.field(first) > known[first])
            with suppress(StalePlan):
                if new.num_rows:
                    _append(_table(lake, city, name), name, new)
                return int(new.num_rows)
    raise LakeBusy(f"Other writers keep changing {city.name}.{name}: run again later.")


def _table(lake: Lake, city: City, name: str) -> Table:
    table = tables.load(lake, city.name, name)
    return table if table is not None else tables.create(lake, city.name, name, iceberg_schema(TABLES[name]))


def _append(table: Table, name: str, rows: pa.Table) -> None:
    path = tables.new_data_path(table, "all")
    pq.write_table(rows, path, compression="zstd")
    tables.commit(table, Change([], [path], {"kind": name, FIRST_CHANGED: NOTHING_CHANGED}))
