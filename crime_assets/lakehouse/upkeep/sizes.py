"""How large a lake's tables are: files, manifests, snapshots, bytes. Upkeep is measured by these.

What upkeep does is in `compaction`, `expiry` and `orphans`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import stored_files
from crime_assets.lakehouse.upkeep.kept import loaded

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class TableSize:
    """The size of a table: what its current snapshot lists, and what it takes on disk including old snapshots."""

    data_files: int
    data_bytes: int
    manifests: int
    snapshots: int
    disk_files: int
    disk_bytes: int


def table_sizes(lake: Lake, city: str) -> dict[str, TableSize]:
    """The sizes of all tables of a city, also the masked ones, by name."""
    return {one.told: _size(table) for one, table in loaded(lake, city)}


def _size(table: Table) -> TableSize:
    live = tables.data_files(table)
    held = [found.size for found in stored_files(table)]
    return TableSize(
        data_files=len(live),
        data_bytes=sum(file.file_size_in_bytes for file in live),
        manifests=tables.manifests(table),
        snapshots=len(table.metadata.snapshots),
        disk_files=len(held),
        disk_bytes=sum(held),
    )
