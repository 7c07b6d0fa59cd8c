"""Compaction: many small files of a table become few, and so do its manifests. No row changes.

Each day adds a small file to the unpartitioned tables, and a manifest to every table; planning a read opens them all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.kept import Kept, kept
from crime_assets.lakehouse.writing.insights import CARRIED
from crime_assets.lakehouse.writing.merge import write_file
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

SMALL_BYTES = 64 << 20
"""A file of this size or more stays as it is: rewriting all of a growing table again and again would cost more."""

MOST_SMALL_FILES = 16
MOST_MANIFESTS = 10
"""If there are more manifests than this, they are merged into one."""

_PLANS = 5

_Result = TypeVar("_Result")


@dataclass(frozen=True)
class Compacted:
    """What a compaction did to a table: data files removed and added, manifests merged."""

    files_removed: int = 0
    files_added: int = 0
    bytes_written: int = 0
    manifests_gathered: int = 0


def compact(lake: Lake, city: City) -> dict[str, Compacted]:
    """Compact those of the city's tables, also the masked ones, that need it; returns what was done to each.

    LakeBusy if other writers keep changing a table.
    """
    with lake.writing(), connection(lake.staging) as con:
        return {one.told: _compact(lake, one, con) for one in kept(lake, city.name)}


def _compact(lake: Lake, one: Kept, con: duckdb.DuckDBPyConnection) -> Compacted:
    result = _planned(lake, one, lambda table: _rewrite_files(table, one.name, con))
    return replace(result, manifests_gathered=_planned(lake, one, _gather_manifests))


def _planned(lake: Lake, one: Kept, step: Callable[[Table], _Result]) -> _Result:
    """Do the step on the table as it is now; again if another writer was faster."""
    for _ in range(_PLANS):
        try:
            return step(tables.every(lake, one.namespace)[one.name])
        except StalePlan:
            continue
    raise LakeBusy(
        f"Other writers changed {one.namespace}.{one.name} {_PLANS} times during compaction: run again later."
    )


def _rewrite_files(table: Table, name: str, con: duckdb.DuckDBPyConnection) -> Compacted:
    """Rewrite each group of too many files into one file, all in one snapshot."""
    tables.settle_properties(table)
    groups = _too_many(table, name)
    if not groups:
        return Compacted()
    new: list[Path] = []
    try:
        for month, files in groups.items():
            new.append(tables.new_data_path(table, f"occurred_month={month:%Y-%m}" if month else "all"))
            write_file(con, f"FROM ({rows_of(table, files)}) ORDER BY {_order(table)}", new[-1])
    except BaseException:
        tables.discard(new)
        raise
    old = [file for files in groups.values() for file in files]
    tables.commit(table, Change(old, new, _marks(table)))
    return Compacted(len(old), len(new), sum(path.stat().st_size for path in new))


def _too_many(table: Table, name: str) -> dict[date | None, list[DataFile]]:
    """The groups of files to combine: one per month, or one for an unpartitioned table (None)."""
    files = tables.data_files(table)
    if table.spec().is_unpartitioned():
        small = [file for file in files if file.file_size_in_bytes < SMALL_BYTES]
        return {None: small} if len(small) > MOST_SMALL_FILES else {}
    if name != "crimes":
        return {}
    months: dict[date | None, list[DataFile]] = {}
    for file in files:
        months.setdefault(tables.month_of(file), []).append(file)
    return {month: held for month, held in months.items() if len(held) > 1}


def _order(table: Table) -> str:
    """Months are sorted by time; unpartitioned tables by their first column, by which rows are looked up."""
    if not table.spec().is_unpartitioned():
        return "occurred_at, id"
    return "1, updated_on" if "updated_on" in column_names(table) else "1, 2"


def _gather_manifests(table: Table) -> int:
    found = tables.manifests(table)
    if found <= MOST_MANIFESTS:
        return 0
    tables.mark(table, _marks(table))
    return found


def _marks(table: Table) -> Mapping[str, str]:
    """The snapshot's properties: that nothing changed, and those that an insight's newest snapshot must have."""
    snapshot = table.current_snapshot()
    known = {mark: tables.snapshot_property(snapshot, mark) for mark in CARRIED} if snapshot is not None else {}
    seen = {mark: value for mark, value in known.items() if value is not None}
    return {"kind": "compaction", FIRST_CHANGED: NOTHING_CHANGED, **seen}
