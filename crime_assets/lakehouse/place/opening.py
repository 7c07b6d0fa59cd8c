"""Checks made when a local lake is opened, and when its tables are first used: everything is there, and its own.

A lake that was moved or copied is taken over here. A lake that lost its catalog is not started anew: a command rebuilds
the catalog from the tables' own metadata.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Sequence
from contextlib import AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Protocol

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place import belonging, catalog_file
from crime_assets.lakehouse.place.catalog_file import REBUILD, Row, is_computed
from crime_assets.lakehouse.place.losses import check_tables, lacking_files, present_metadata
from crime_assets.lakehouse.place.takeover import has_metadata, is_in, read_metadata, taken_over, version_of

_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
"""Errors of a file or directory that cannot be written to."""

_log = logging.getLogger(__name__)


class LocalLake(Protocol):
    """The parts of a lake that are used here."""

    home: Path
    warehouse: Path

    def writing(self) -> AbstractContextManager[None]:
        """Hold the lake's writer lock."""


def own(lake: LocalLake) -> None:
    """Before anything is read, give the lake its own copy of files that another lake shares.

    LakeError if a link leads out of it, or if a shared file stays that could be changed here.
    """
    belonging.check_links(lake.home)
    if belonging.shares_files(lake.home):
        try:
            with lake.writing():
                belonging.own_files(lake.home)
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            if belonging.can_be_changed(lake.home):
                raise LakeError(
                    f"The lake {lake.home} shares files with another one, and cannot get its own copy of "
                    f"{error.filename} ({error.strerror}): give yourself write access to all of {lake.home}, then run "
                    "again."
                ) from error
            _log.info("The lake %s is read-only, and shares files with another one.", lake.home)


def settle(lake: LocalLake, cities: set[str]) -> None:
    """Make sure that the lake's tables are where they say. `cities` are those that have data in it.

    LakeError if something is missing or damaged.
    """
    catalog = lake.home / "catalog.db"
    belonging.check_links(lake.home)
    if not catalog_file.is_there(catalog):
        if lost := written_tables(lake.warehouse):
            raise _lost(lake, f"is {'empty' if catalog.exists() else 'gone'}", lost)
        return
    known = catalog_file.rows(catalog)
    if fault := faults(lake.warehouse, known):
        raise _lost(lake, *fault)
    check_tables(lake.warehouse, known)
    if moved := _elsewhere(lake, known, cities):
        try:
            with lake.writing():
                # Another process may have been faster.
                _take_over(lake, _elsewhere(lake, catalog_file.rows(catalog), cities))
        except OSError as error:
            if error.errno not in _READ_ONLY:
                raise
            raise LakeError(
                f"The lake {lake.home} was last written at {_before(moved)} and has to be taken over here, which needs "
                f"write access ({error.strerror}): make it writable once, or mount it where it was."
            ) from error


def faults(warehouse: Path, known: Sequence[Row]) -> tuple[str, set[tuple[str, str]]] | None:
    """What is wrong with this catalog, and with which of its tables; None if nothing is wrong."""
    if lost := written_tables(warehouse).difference((row.namespace, row.name) for row in known):
        return "lacks tables", lost
    old = {(row.namespace, row.name) for row in known if _is_outdated(warehouse / row.namespace / row.name, row)}
    return ("is older than its tables", old) if old else None


def _is_outdated(directory: Path, row: Row) -> bool:
    """Whether the table has newer metadata. An interrupted commit leaves at most one newer metadata file."""
    metadata = directory / "metadata"
    named = metadata / row.metadata_location.rpartition("/")[2]
    newer = [path for path in metadata.glob("*.metadata.json") if version_of(path) > version_of(named) + 1]
    # Files left by a dropped table of the same name are not a newer state of this one.
    return named.exists() and any(map(partial(_is_of_one_table, named), newer))


def _is_of_one_table(one: Path, other: Path) -> bool:
    try:
        return bool(read_metadata(one)["table-uuid"] == read_metadata(other)["table-uuid"])
    except LakeError:
        # Half written by an interrupted commit; or damaged, which is reported when it is read.
        return False


def has_data(warehouse: Path, namespace: str) -> bool:
    """Whether there are crimes of a city."""
    return (namespace, "crimes") in written_tables(warehouse)


def _elsewhere(lake: LocalLake, known: list[Row], cities: set[str]) -> list[Row]:
    """This lake's tables whose metadata is elsewhere, says the catalog; tables without a directory here are others'."""
    return [
        row
        for row in known
        if not is_in(row.metadata_location, lake.warehouse)
        and (row.namespace in cities or _directory(lake, row).is_dir())
        and not _is_lost(lake, row)
    ]


def _is_lost(lake: LocalLake, row: Row) -> bool:
    """Whether the table is gone with all crimes of its city: its readers are told, and it may still be restored."""
    crimes = lake.warehouse / row.namespace / "crimes"
    return not has_metadata(crimes) and not has_metadata(_directory(lake, row))


def _take_over(lake: LocalLake, rows: list[Row]) -> None:
    if not rows:
        return
    changed = []
    for row in rows:
        directory = _directory(lake, row)
        try:
            changed.append((row, taken_over(present_metadata(lake.warehouse, row), directory)))
        except LakeError as error:
            if not is_computed(row.name):
                raise
            raise lacking_files(f"{row.namespace}.{row.name}", f"A file in {directory}") from error
    catalog_file.change(lake.home / "catalog.db", changed)
    _log.warning(
        "The lake %s was last written at %s: it has been taken over, %d tables.", lake.home, _before(rows), len(rows)
    )


def _before(rows: Sequence[Row]) -> str:
    """Where the warehouse of these tables was."""
    return rows[0].metadata_location.partition(f"/{rows[0].namespace}/{rows[0].name}/")[0].removeprefix("file://")


def _directory(lake: LocalLake, row: Row) -> Path:
    return lake.warehouse / row.namespace / row.name


def written_tables(warehouse: Path) -> set[tuple[str, str]]:
    """Namespace and name of the tables of crimes that have data; a table that was only created has nothing to lose."""
    return {
        (table.parent.name, table.name)
        for table in warehouse.glob("*/crimes")
        if any(version_of(path) > 0 for path in (table / "metadata").glob("*.metadata.json"))
    }


def _lost(lake: LocalLake, what: str, lost: set[tuple[str, str]]) -> LakeError:
    names = ", ".join(".".join(one) for one in sorted(lost))
    return LakeError(
        f"The catalog of the lake {lake.home} {what}, but there is data of {names}: run `{REBUILD}`, which "
        "rebuilds it from the tables' own metadata, or restore the whole lake from one backup."
    )
