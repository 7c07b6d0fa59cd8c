"""The SQLite file of a local lake's catalog, read and changed as what it is: rows of tables and of their metadata.

pyiceberg's catalog is what everything else uses. Here is what it has no words for: that the file is gone or damaged,
and that the paths of all tables change at once.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from crime_assets.core.errors import LakeError

CATALOG = "lake"
"""What engines call the catalog; a SQLite catalog keeps the name with each table."""

REBUILD = "crime-assets rebuild-catalog"
"""The command that makes a lost catalog anew."""


@dataclass(frozen=True)
class Row:
    """A table of the catalog, and where its present metadata is."""

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
    """All tables. LakeError where the file is no catalog."""
    with _opened(catalog) as con:
        if (said := con.execute("PRAGMA integrity_check").fetchone()[0]) != "ok":
            raise sqlite3.DatabaseError(str(said).splitlines()[-1])
        found = con.execute("SELECT table_namespace, table_name, metadata_location FROM iceberg_tables").fetchall()
    return [Row(*map(str, row)) for row in found]


def change(catalog: Path, changed: Sequence[tuple[Row, str]]) -> None:
    """Give tables other metadata, all of them or none. LakeError where one has changed meanwhile."""
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
        # A writer of this very lake may be in the middle of its commit.
        with closing(sqlite3.connect(catalog, timeout=60, isolation_level=None)) as con:
            yield con
    except sqlite3.DatabaseError as error:
        if isinstance(error, sqlite3.OperationalError) and "no such table" not in str(error):
            # The disk or another program; the file itself is right.
            raise
        raise LakeError(
            f"The catalog {catalog} is damaged ({error}): restore it, or run `{REBUILD}`, which makes it anew from the "
            "tables' own metadata."
        ) from error
