"""Orphans: files that nothing refers to any more, left by kills, by expired snapshots and by interrupted work.

A table's files are compared with its metadata, its snapshots and all that these list. Other engines write, and readers
spill, without the lake's lock: files younger than the grace period are left alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import files_below, is_local, path_of, remove, stored_files
from crime_assets.lakehouse.records import across, live
from crime_assets.lakehouse.upkeep.kept import loaded
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

_HISTORY = "history-"
"""Prefix of a directory in the staging area from which a history load continues."""

_UNFINISHED = ".partial-"
"""Prefix of a file in the landing store that is an unfinished object."""


@dataclass(frozen=True)
class Removed:
    """Files that were removed from a place."""

    files_removed: int = 0
    bytes_removed: int = 0


def remove_orphans(lake: Lake, city: City, before: datetime) -> dict[str, Removed]:
    """Remove what is older than `before` and no longer needed: from the city's tables, by name, and beside them.

    A table without a snapshot is left alone: its files belong to a history load that will continue; no load fills a
    masked one. LakeError if a
    table cannot be read completely; then nothing is removed from it or from those after it.
    """
    with lake.writing():
        # Roles on object storage may keep the tables of one city.
        beside = () if lake.is_remote else (across.SCHEMA, live.SCHEMA)
        found = [one for namespace in (city.name, *beside) for one in loaded(lake, namespace)]
        removed = {one.told: _sweep(table, before) for one, table in found if table.current_snapshot() or one.is_masked}
        # Not by the namespaces of the catalog: others have theirs there too.
        loading = _loading(lake, lake.cities | {city.name})
        removed["staging"] = _remove(lake.staging, before, lambda path: not _continues(lake, path, loading))
        removed["landing"] = _remove(lake.landing, before, lambda path: path.name.startswith(_UNFINISHED))
        if not loading:
            removed["cache"] = _remove(lake.home / "cache" / "history", before, lambda _: True)
        return removed


def remove_orphans_of_live(lake: Lake, before: datetime) -> Removed:
    """The same for the tables of live reports alone: a lake may have no others. LakeError as above."""
    with lake.writing():
        removed = [_sweep(table, before) for _, table in loaded(lake, live.SCHEMA) if table.current_snapshot()]
        return Removed(sum(one.files_removed for one in removed), sum(one.bytes_removed for one in removed))


def _sweep(table: Table, before: datetime) -> Removed:
    needed = _needed(table)
    orphans = [
        file
        for file in stored_files(table)
        if file.changed < before.timestamp() and file.location.rpartition("/")[2] not in needed
    ]
    remove(table, (file.location for file in orphans))
    if not is_local(table):
        # Copies of files that another machine has removed.
        _remove(path_of(table, table.location()), before, lambda path: path.name not in needed)
    return Removed(len(orphans), sum(file.size for file in orphans))


def _needed(table: Table) -> set[str]:
    """The names of all files that the table needs.

    Names are unique, but one path can be written in several ways: file:/lake, file:///lake, through a link.
    """
    try:
        return {location.rpartition("/")[2] for location in _locations(table)}
    except OSError as error:
        name = ".".join(table.name())
        raise LakeError(f"A file that {name} needs cannot be read ({error}): restore it, then run again.") from error


def _locations(table: Table) -> Iterator[str]:
    metadata = table.metadata
    yield table.metadata_location
    yield from (entry.metadata_file for entry in metadata.metadata_log)
    yield from (file.statistics_path for file in [*metadata.statistics, *metadata.partition_statistics])
    looked_through = set()
    for snapshot in metadata.snapshots:
        yield snapshot.manifest_list
        for manifest in snapshot.manifests(table.io):
            if manifest.manifest_path not in looked_through:
                looked_through.add(manifest.manifest_path)
                yield manifest.manifest_path
                yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io))


def _loading(lake: Lake, cities: set[str]) -> set[str]:
    """The cities whose history load was started but has not finished."""
    found = {name: tables.load(lake, name, "crimes") for name in cities}
    return {name for name, table in found.items() if table is not None and table.current_snapshot() is None}


def _continues(lake: Lake, path: Path, loading: set[str]) -> bool:
    """Whether a file in the staging area belongs to a history load that will continue."""
    return path.relative_to(lake.staging).parts[0] in {_HISTORY + city for city in loading}


def _remove(place: Path, before: datetime, is_orphan: Callable[[Path], bool]) -> Removed:
    sizes = []
    for path, found in files_below(place):
        if found.st_mtime < before.timestamp() and is_orphan(path):
            path.unlink(missing_ok=True)
            sizes.append(found.st_size)
    return Removed(len(sizes), sum(sizes))
