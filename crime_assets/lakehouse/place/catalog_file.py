"""The SQLite file of a local lake's catalog, read and changed directly: rows with tables and their metadata.

Everything else uses pyiceberg's catalog. This module does what pyiceberg cannot: notice that the file is gone or
damaged, and change the paths of all tables at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crime_assets.core.errors import LakeError

CATALOG = "lake"
"""The engines' name for the catalog; a SQLite catalog keeps the name with each table."""

REBUILD = "crime-assets rebuild-catalog"
"""The command that rebuilds a lost catalog."""


BESIDE = "crime-assets.tables-beside"
"""Property of a local table of crimes: the other curated tables that were there when it last changed, if any were."""


def is_computed(table: str) -> bool:
    """Whether a table, by its name, can be computed again from others. A forecast cannot: what was said is past."""
    return table.startswith("insight_") or table in {"city_months", "forecast_scores"}


@dataclass(frozen=True)
class Row:
    """A table of the catalog, and where its current metadata is."""

    namespace: str
    name: str
    metadata_location: str


def is_there(catalog: Path) -> bool:
    """Whether there is a file with something in it."""
    try:
        return catalog.stat().st_size > 0
    except FileNotFoundError:
        return False


def rows(catalog: Path) -> list[Row]:
    """All tables. LakeError if the file is not a catalog."""
    with _opened(catalog) as con:
        if (said := con.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(str(said).splitlines()[-1])
        found = con.execute("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables").fetchall()
    return [Row(*map(str, row)) for row in found]


def change(catalog: Path, changed: Sequence[tuple[Row, str]]) -> None:
    """Point tables to other metadata, all of them or none. LakeError if one has changed meanwhile."""
    with _opened(catalog) as con:
        con.execute("BEGIN IMMEDIATE")
        for row, location in changed:
            done = con.execute(
                "UPDATE iceberg_tables SET metadata_location = ?, previous_metadata_location = NULL "
                "WHERE table_namespace = ? AND table_name = ? AND metadata_location = ?",
                (location, row.namespace, row.name, row.metadata_location),
            )
            if done.rowcount != 1:
                con.execute("ROLLBACK")
                raise LakeError(f"Something else changed {row.namespace}.{row.name} in {catalog}: run again.")
        con.execute("COMMIT")


@contextmanager
def _opened(catalog: Path) -> Iterator[sqlite3.Connection]:
    try:
        # Another writer to this lake may be in the middle of its commit.
        with closing(sqlite3.connect(catalog, timeout=60, isolation_level=None)) as con:
            yield con
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            # The disk or another program is at fault; the file itself is sound.
            raise
        raise LakeError(
            f"The catalog {catalog} is damaged ({error}): restore it, or run `{REBUILD}`, which rebuilds it from the "
            "tables' own metadata."
        ) from error
