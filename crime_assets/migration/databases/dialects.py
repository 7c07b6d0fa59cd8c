"""What differs between databases that keep old versions of rows, and what their tables look like to all of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from crime_assets.core.errors import LegacyError
from crime_assets.migration import Lag
from crime_assets.migration.progress import Position


@dataclass(frozen=True)
class VersionedColumn:
    """A column: its name as the catalogue writes it, its type in small letters; `collation` orders its texts."""

    name: str
    sql_type: str
    collation: str = ""


@dataclass(frozen=True)
class VersionedTable:
    """A table; columns by their names in small letters."""

    name: str
    columns: Mapping[str, VersionedColumn]
    primary: frozenset[str]
    """Columns of its primary key."""
    helpers: Mapping[str, str] = field(default_factory=dict)
    """What is no column of the department's data, by what it is for: the dialect knows."""
    identity: str = ""
    """Another text if another table has the name, or this one was altered."""

    def column(self, name: str) -> VersionedColumn:
        """A column of a mapping. LegacyError if it is not there."""
        if name not in self.columns:
            raise LegacyError(f"There is no column {self.name}.{name} that can be read: it was dropped or renamed.")
        return self.columns[name]


class Dialect(Protocol):
    """One kind of database. `connection` is one of its driver's, `t` the alias of the table in every statement."""

    Error: type[Exception]
    """What its driver raises."""
    warning: str
    """What a department should know, in a sentence."""

    def is_alive(self, connection: Any) -> bool:
        """Whether a connection that was idle can be used."""

    def mark(self, name: str) -> str:
        """How a statement names a value that is given with it."""

    def tables(self, cursor: Any, names: Sequence[str]) -> dict[str, VersionedTable]:
        """Those that are there and can be read, by their names in small letters."""

    def expected(self, cursor: Any, name: str) -> int | None:
        """About how many rows the table of this name in small letters has; None if there are no statistics."""

    def refuses(self, name: str, table: VersionedTable) -> str:
        """Why old versions of a table cannot be read, in a sentence; empty if they can."""

    def is_exact(self, column: VersionedColumn) -> bool:
        """Whether texts of a column are only the same to the database if they are written so."""

    def position(self, cursor: Any) -> Position:
        """What was committed up to here is known for good: nothing will come below it."""

    def remembers(self, cursor: Any, position: Position) -> bool:
        """Whether the position is one of this database, whose changes since then may still be there."""

    def text(self, column: VersionedColumn, table: VersionedTable) -> str:
        """SQL of a column's value as a text; of bytes also as bytes."""

    def as_of(self, table: VersionedTable) -> tuple[str, str]:
        """FROM and a condition: rows as they were at the value `until`."""

    def changed(self, table: VersionedTable) -> tuple[str, str]:
        """FROM and a condition: versions that began or ended after the value `since`, up to and with `until`."""

    def lag(self, cursor: Any) -> Lag:
        """What keeps the position back, if anything does."""

    def forgot(self, error: Exception) -> bool:
        """Whether the error says that old versions are no longer there."""

    def told(self, error: Exception) -> str:
        """The error in a line, without values of rows."""


def gathered(rows: Iterable[tuple[str, str, str, VersionedColumn, bool]]) -> dict[str, VersionedTable]:
    """Tables of a catalogue's rows: table and its real name, column and what it is, whether a key has it.

    LegacyError if two tables or two columns have the same name but for large and small letters.
    """
    names: dict[str, str] = {}
    columns: dict[str, dict[str, VersionedColumn]] = {}
    keys: dict[str, set[str]] = {}
    for table, name, lower, column, is_key in rows:
        if names.setdefault(table, name) != name:
            raise LegacyError(f"There are two tables {table}: rename one of them.")
        if lower in columns.setdefault(table, {}):
            raise LegacyError(f"{table} has two columns {lower}: rename one of them.")
        columns[table][lower] = column
        if is_key:
            keys.setdefault(table, set()).add(lower)
    return {
        table: VersionedTable(name, columns[table], frozenset(keys.get(table, ()))) for table, name in names.items()
    }


def quoted(name: str) -> str:
    """A name of the catalogue in SQL."""
    return '"' + name.replace('"', '""') + '"'


def of_t(name: str) -> str:
    """A column of the table in SQL."""
    return f"t.{quoted(name)}"
