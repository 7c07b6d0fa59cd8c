"""What is looked at when a local lake's tables are first asked for: that all is there, and that it lies where it says.

A lake that was moved or copied is taken over here. One that has lost its catalog is not begun anew: a command makes it
again from the tables' own metadata.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place import belonging, catalog_file
from crime_assets.lakehouse.place.catalog_file import REBUILD, Row
from crime_assets.lakehouse.place.takeover import is_in, taken_over, version_of

_log = logging.getLogger(__name__)


class LocalLake(Protocol):
    """What is needed of a lake."""

    home: Path
    warehouse: Path

    def writing(self) -> AbstractContextManager[None]:
        """Be the lake's one writer."""


def settle(lake: LocalLake, cities: set[str]) -> None:
    """Have the lake's tables where they say they are, in files of its own.

    LakeError where something is missing or damaged, or is another lake's too. `cities` are those that were begun.
    """
    catalog = lake.home / "catalog.db"
    belonging.check_links(lake.home, tuple(table_places(lake.warehouse)))
    if belonging.shares_files(lake.home):
        with lake.writing():
            belonging.own_files(lake.home)
    if not catalog_file.is_there(catalog):
        if lost := written_tables(lake.warehouse):
            raise _lost(lake, f"is {'empty' if catalog.exists() else 'gone'}", lost)
        return
    known = catalog_file.rows(catalog)
    if lost := {
        name for name in written_tables(lake.warehouse) if name not in {(row.namespace, row.name) for row in known}
    }:
        raise _lost(lake, "lacks tables", lost)
    if _elsewhere(lake, known, cities):
        with lake.writing():
            # Another process may have been faster.
            _take_over(lake, _elsewhere(lake, catalog_file.rows(catalog), cities))


def table_places(warehouse: Path) -> Iterator[Path]:
    """The directories of all tables, whether the catalog knows them or not."""
    for namespace in warehouse.glob("*"):
        yield namespace
        for table in namespace.glob("*"):
            yield from (table, table / "data", table / "metadata")


def _elsewhere(lake: LocalLake, known: list[Row], cities: set[str]) -> list[Row]:
    """The tables whose metadata the catalog has in another place; those of others, which are not here, are not ours."""
    return [
        row
        for row in known
        if not is_in(row.metadata_location, lake.warehouse)
        and (row.namespace in cities or _directory(lake, row).is_dir())
    ]


def _take_over(lake: LocalLake, rows: list[Row]) -> None:
    if not rows:
        return
    changed = []
    for row in rows:
        directory = _directory(lake, row)
        changed.append((row, taken_over(directory / "metadata" / row.metadata_location.rpartition("/")[2], directory)))
    catalog_file.change(lake.home / "catalog.db", changed)
    before = rows[0].metadata_location.partition(f"/{rows[0].namespace}/{rows[0].name}/")[0]
    _log.warning("The lake %s was last written at %s: it has been taken over, %d tables.", lake.home, before, len(rows))


def _directory(lake: LocalLake, row: Row) -> Path:
    return lake.warehouse / row.namespace / row.name


def written_tables(warehouse: Path) -> set[tuple[str, str]]:
    """Namespace and name of the tables of crimes that were written to; one that was only made has nothing to lose."""
    return {
        (table.parent.name, table.name)
        for table in warehouse.glob("*/crimes")
        if any(version_of(path) > 0 for path in (table / "metadata").glob("*.metadata.json"))
    }


def _lost(lake: LocalLake, what: str, lost: set[tuple[str, str]]) -> LakeError:
    names = ", ".join(".".join(one) for one in sorted(lost))
    return LakeError(
        f"The catalog of the lake {lake.home} {what}, and {names} has data: restore catalog.db from a backup, or run "
        f"`{REBUILD}`, which makes it anew from the tables' own metadata."
    )
