"""Moving crimes that the source has removed from `crimes` to `crimes_removed`.

`reconcile` finds out which ones the source has removed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.iceberg.evolution import column_names, evolve, names_of
from crime_assets.lakehouse.iceberg.reading import may_hold, rows_of
from crime_assets.lakehouse.iceberg.tables import Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.merge import count, files_holding, statement_of, without_empty, write_file
from crime_assets.lakehouse.writing.removed import recorded
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLANS = 5


@dataclass(frozen=True)
class Gone:
    """A version of a crime that the source no longer has; `updated_on` is on the city's clock."""

    id: int | str
    updated_on: datetime


@dataclass(frozen=True)
class Removal:
    """The change day from which crimes are known to be removed, and when (aware) their absence was noticed."""

    gone: Sequence[Gone]
    removed_on: date
    noticed_at: datetime


def record(lake: Lake, city: City, removal: Removal) -> None:
    """Put the rows into `crimes_removed`, but leave them in `crimes`: a merge drops them from all that it rewrites.

    LakeBusy if other writers keep changing the table.
    """
    _remove_planned(lake, city, removal, None)


def remove(lake: Lake, city: City, removal: Removal, properties: Mapping[str, str]) -> int:
    """Move the rows from `crimes` to `crimes_removed`, one snapshot each; returns how many left `crimes`.

    A crime that has another version by now stays. `properties` are kept with the snapshot of `crimes`. LakeBusy if
    other writers keep changing the table.
    """
    return _remove_planned(lake, city, removal, properties)


def _remove_planned(lake: Lake, city: City, removal: Removal, properties: Mapping[str, str] | None) -> int:
    with lake.writing(), connection(lake.staging) as con:
        kind = pa.int64() if city.key_type == "long" else pa.string()
        schema = pa.schema([("id", kind), ("updated_on", pa.timestamp("us"))])
        con.register("gone", pa.Table.from_pylist([vars(gone) for gone in removal.gone], schema=schema))
        for _ in range(_PLANS):
            try:
                return _remove(lake, city, con, removal, properties)
            except StalePlan:
                continue
    raise LakeBusy(f"Other writers changed {city.name}.crimes {_PLANS} times during one removal: run again later.")


def _remove(
    lake: Lake,
    city: City,
    con: duckdb.DuckDBPyConnection,
    removal: Removal,
    properties: Mapping[str, str] | None,
) -> int:
    """Record the rows; with properties for the snapshot, they leave `crimes` too."""
    table = tables.curated(lake, city, "crimes")
    files = tables.paths_of(table, tables.data_files(table))
    near = tables.fetch(
        table, (files[path] for path in may_hold(table, files, sorted(gone.id for gone in removal.gone)))
    )
    holding = files_holding(con, near, "SELECT id FROM gone")
    if not holding:
        return 0
    held = rows_of(table, [files[path] for path in holding], filename=True)
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE leaving AS FROM ({held}) "
        "WHERE (id, updated_on) IN (SELECT id, updated_on FROM gone)"
    )
    rows = count(con, "SELECT count(*) FROM leaving")
    if rows:
        # Before the rows leave `crimes`: after a crash between the two they are in both tables, never in neither.
        _record(lake, city, con, removal, table)
    if rows and properties is not None:
        _rewrite(table, files, con, {"kind": "removed", "removed": str(rows), **properties})
    return rows


def _record(lake: Lake, city: City, con: duckdb.DuckDBPyConnection, removal: Removal, crimes: Table) -> None:
    """Put the rows `leaving` into `crimes_removed`, unless an interrupted run has done so; creates `recorded`."""
    recorded(lake, city, con)
    con.execute(f"CREATE OR REPLACE TEMP TABLE newly_removed AS {statement_of('newly_removed')}")
    new = count(con, "SELECT count(*) FROM newly_removed")
    if new:
        columns = column_names(crimes)
        table = evolve(lake, city, "crimes_removed", columns, like=crimes)
        path = tables.new_data_path(table, "all")
        day, moment = literal(removal.removed_on.isoformat()), literal(removal.noticed_at.isoformat())
        rows = f"SELECT {names_of(columns)}, DATE {day} AS removed_on, TIMESTAMPTZ {moment} AS noticed_at"
        write_file(con, f"{rows} FROM newly_removed ORDER BY id, updated_on", path)
        marks = {"kind": "removed", "rows": str(new), tables.FIRST_CHANGED: removal.removed_on.isoformat()}
        tables.commit(table, Change((), (path,), marks))
        recorded(lake, city, con)


def _rewrite(
    table: Table, files: Mapping[str, DataFile], con: duckdb.DuckDBPyConnection, marks: Mapping[str, str]
) -> None:
    """Rewrite only the data files that hold rows of `leaving`, without these rows, in one snapshot."""
    losing = [row[0] for row in con.execute("SELECT DISTINCT filename FROM leaving ORDER BY filename").fetchall()]
    # An interrupted run may have recorded them as removed from an earlier day.
    days = "SELECT min(removed_on) FROM recorded SEMI JOIN leaving USING (id, record_md5, ingested_at)"
    ((first,),) = con.execute(days).fetchall()
    new: list[Path] = []
    try:
        for path in losing:
            new.append(tables.new_data_path(table, f"occurred_month={tables.month_of(files[path]):%Y-%m}"))
            kept = f"SELECT * FROM read_parquet([{literal(path)}], hive_partitioning = false)"
            write_file(con, f"{kept} WHERE id NOT IN (SELECT id FROM leaving) ORDER BY occurred_at, id", new[-1])
        added = without_empty(con, new)
    except BaseException:
        tables.discard(new)
        raise
    tables.commit(table, Change([files[path] for path in losing], added, {tables.FIRST_CHANGED: str(first), **marks}))
