"""How large a lake's tables are: files, manifests, snapshots, bytes. What upkeep is measured by.

What upkeep does is in `compaction`, `expiry` and `orphans`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.lakehouse import tables
from crime_assets.lakehouse.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class TableSize:
    """The size of a table: what its present snapshot lists, and what it takes on the disk with its past."""

    data_files: int
    data_bytes: int
    manifests: int
    snapshots: int
    disk_files: int
    disk_bytes: int


def table_sizes(lake: Lake, city: str) -> dict[str, TableSize]:
    """The sizes of all tables of a city, by name."""
    return {name: _size(table) for name, table in tables.every(lake, city).items()}


def files_below(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files in a directory and those in it, with what the disk says of each; none if it is not there."""
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                yield Path(parent, name), Path(parent, name).lstat()
            except FileNotFoundError:
                # A reader removes what it spilled when it ends.
                continue


def _size(table: Table) -> TableSize:
    live = tables.data_files(table)
    held = [found.st_size for _, found in files_below(Path(tables.local_path(table.location())))]
    return TableSize(
        data_files=len(live),
        data_bytes=sum(file.file_size_in_bytes for file in live),
        manifests=tables.manifests(table),
        snapshots=len(table.metadata.snapshots),
        disk_files=len(held),
        disk_bytes=sum(held),
    )
