"""Tables that keep what others may see of crimes, for engines that cannot mask: as a query gives it, month by month.

What is to be seen is decided elsewhere; here it is held against the table, and months that differ are replaced.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, timedelta
from typing import TYPE_CHECKING

import duckdb

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.iceberg.reading import explained, rows_of
from crime_assets.lakehouse.iceberg.tables import MASKS_MARK, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import remove, stored_files
from crime_assets.lakehouse.schema import CRIMES, REMOVED, arrow_schema, iceberg_schema_of
from crime_assets.lakehouse.writing.merge import PLANS, write_file
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table

MONTH = "month"
"""Column by which such a table is partitioned, if it has it: the first day of the month of occurrence."""

_READ = {
    "crimes": ("crimes_now", CRIMES),
    "crimes_superseded": ("crimes_superseded", CRIMES),
    "crimes_removed": ("crimes_removed", REMOVED),
}
"""Table → the name that our statements use for it, and its columns."""
_EPOCH = date(1970, 1, 1)
_Months = Mapping[date | None, Sequence["DataFile"]]


@dataclass(frozen=True)
class Settled:
    """What became of a table: its rows, the parts (months) that were replaced, and the snapshot, if any was made."""

    rows: int
    replaced: int
    snapshot_id: int | None


def namespace_of(city: str) -> str:
    """Where these tables of a city are: apart from the city's own, so that nobody is given both by mistake."""
    return f"{city}_governed"


@contextmanager
def present(lake: Lake, city: City) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection with the rows of the city's tables as they are now, by the names that our statements use."""
    with explained(lake), connection(lake.staging) as con:
        for name, (view, columns) in _READ.items():
            table = tables.load(lake, city.name, name)
            if table is None:
                con.register("nothing", arrow_schema(columns).empty_table())
                con.execute(f"CREATE TABLE {view} AS FROM nothing")
            else:
                con.execute(f"CREATE VIEW {view} AS {rows_of(table, tables.data_files(table))}")
        yield con


def settle(
    lake: Lake, city: City, name: str, con: duckdb.DuckDBPyConnection, docs: Mapping[str, str], masks: str
) -> Settled:
    """Make a table what the connection's table `seen` is; no snapshot if it is that already.

    Past snapshots are dropped: what was removed may not be seen by looking back. `masks` stays with the table, for
    `masked_by`. LakeBusy if other writers keep changing it.
    """
    for _ in range(PLANS):
        try:
            return _settle(lake, city, name, con, docs, masks)
        except StalePlan:
            continue
    raise LakeBusy(f"Other writers keep changing {namespace_of(city.name)}.{name}: run again later.")


def masked_by(lake: Lake, city: City) -> dict[str, str | None]:
    """Table of the namespace → what was said to `settle` of its masks; None if nothing was."""
    found = tables.every(lake, namespace_of(city.name))
    return {name: tables.table_mark(table, MASKS_MARK) for name, table in found.items()}


def drop_others(lake: Lake, city: City, wanted: Sequence[str]) -> list[str]:
    """Drop all tables of the namespace but these, with their files; the names of what is gone."""
    gone = [name for name in tables.names(lake, namespace_of(city.name)) if name not in wanted]
    for name in gone:
        _drop(lake, city, name)
    return gone


def _drop(lake: Lake, city: City, name: str) -> None:
    """Drop a table and remove its files, at once: a role that sees less must not be able to go on reading them.

    Upkeep would not find them: it looks below tables. Metadata goes last, so that after a kill it can be dropped again.
    """
    table = tables.load(lake, namespace_of(city.name), name)
    if table is None:
        return
    files = [file.location for file in stored_files(table)]
    metadata = {location for location in files if location.rpartition("/")[0].endswith("/metadata")}
    remove(table, (location for location in files if location not in metadata))
    lake.catalog.drop_table((namespace_of(city.name), name))
    lake.refresh()
    remove(table, metadata)


def _settle(
    lake: Lake, city: City, name: str, con: duckdb.DuckDBPyConnection, docs: Mapping[str, str], masks: str
) -> Settled:
    rows = con.sql("FROM seen LIMIT 0").to_arrow_table().schema
    table = _table(lake, city, name, iceberg_schema_of(rows, docs))
    held = _months(table)
    wanted = _digests(con, "FROM seen", by_month=MONTH in rows.names)
    changed = sorted(
        (month for month in {*held, *wanted} if _digest(con, table, held.get(month, [])) != wanted.get(month)),
        key=str,
    )
    # Also those that a process has left that was killed after its commit.
    current = table.metadata.current_snapshot_id
    tables.drop_snapshots(table, [one.snapshot_id for one in table.snapshots() if one.snapshot_id != current])
    if not changed:
        tables.set_mark(table, MASKS_MARK, masks)
        return Settled(sum(number for number, _ in wanted.values()), 0, None)
    added = []
    for month in changed:
        if month in wanted:
            added.append(tables.new_data_path(table, f"month={month:%Y-%m}" if month else "all"))
            where = f"WHERE {MONTH} = DATE '{month}'" if month else ""
            write_file(con, f"FROM seen {where} ORDER BY ALL", added[-1])
    removed = [file for month in changed for file in held.get(month, [])]
    told = {"kind": "governed", "months": str(len(changed)), MASKS_MARK: masks}
    snapshot_id = tables.commit(table, Change(removed, added, told))
    tables.drop_snapshots(table, [one.snapshot_id for one in table.snapshots() if one.snapshot_id != snapshot_id])
    return Settled(sum(number for number, _ in wanted.values()), len(changed), snapshot_id)


def _table(lake: Lake, city: City, name: str, schema: Schema) -> Table:
    """The table with these columns; made anew if it had others."""
    table = tables.load(lake, namespace_of(city.name), name)
    if table is None:
        by = MONTH if MONTH in schema.column_names else None
        return tables.create(lake, namespace_of(city.name), name, schema, partition_by=by)
    told = {field.name: str(field.field_type) for field in schema.fields}
    known = {field.name: str(field.field_type) for field in table.schema().fields}
    if told == known:
        return table
    # Made anew, not changed: its files would still hold the columns that are gone.
    _drop(lake, city, name)
    return _table(lake, city, name, schema)


def _months(table: Table) -> _Months:
    """Month → its files; None is all of a table without months."""
    found: dict[date | None, list[DataFile]] = defaultdict(list)
    is_by_month = bool(table.spec().fields)
    for file in tables.data_files(table):
        found[_EPOCH + timedelta(days=file.partition[0]) if is_by_month else None].append(file)
    return found


def _digest(con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[DataFile]) -> tuple[int, int] | None:
    if not files:
        return None
    return _digests(con, rows_of(table, files, column_names(table)), by_month=False).get(None)


def _digests(con: duckdb.DuckDBPyConnection, rows: str, *, by_month: bool) -> dict[date | None, tuple[int, int]]:
    """Month → how many rows, and a digest of them that does not depend on their order; None is all, without months."""
    of = MONTH if by_month else "NULL"
    # No column of the source can have this name.
    found = con.execute(f'FROM ({rows}) AS "a row" SELECT {of}, count(*), sum(hash("a row")) GROUP BY 1').fetchall()
    return {month: (number, total) for month, number, total in found}
