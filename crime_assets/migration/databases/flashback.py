"""A legacy database that can show old versions of its rows: chunks as of a position, changes by what ended or began.

Nothing is made in the database and nothing has to be removed; what it needs is that versions are kept long enough. What
differs between Oracle and MariaDB is in their dialects. Statements are written out here, for no library writes `AS OF`
where it belongs; names in them are the catalogue's, values are given beside them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from crime_assets.core.errors import LegacyError, SourceForgot
from crime_assets.migration import Lag, Snapshot, Touches
from crime_assets.migration.columns import Kind
from crime_assets.migration.databases.dialects import Dialect, VersionedTable
from crime_assets.migration.databases.flashback_chunks import FlashbackSnapshot, shape_of
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Position

_FETCHED = 1_000
_KEYS = frozenset([Kind.NUMBER, Kind.TEXT, Kind.PADDED])


class FlashbackDatabase:
    """See `LegacyDatabase`. `connect` opens a connection that commits each statement. Threads may use it at once."""

    def __init__(
        self, connect: Callable[[], Any], dialect: Dialect, name: str, mappings: Sequence[DocumentMapping]
    ) -> None:
        self.name = name
        self._connect = connect
        self._dialect = dialect
        self._mappings = mappings
        self._idle: list[Any] = []
        """Connections between two uses: a list's append and pop are safe among threads."""

    def check(self) -> list[str]:
        """See the protocol; every reason that forbids it is told at once, and then each statement is tried."""
        with self._cursor() as cursor:
            tables = self._tables(cursor)
            refused = [reason for name, table in tables.items() if (reason := self._dialect.refuses(name, table))]
            refused += shape_of(tables).differs(self._mappings)
            refused += [reason for mapping in self._mappings for reason in _keys(mapping, tables, self._dialect)]
            if refused:
                raise LegacyError(" ".join(refused))
            position = self._dialect.position(cursor)
            for mapping in self._mappings:
                FlashbackSnapshot(cursor, self._dialect, tables, position).after(mapping, None, 1)
                for statement in self._changes(mapping, tables):
                    cursor.execute(statement, {"since": int(position), "until": int(position)})
                    cursor.fetchall()
        return [self._dialect.warning]

    def expected(self, mapping: DocumentMapping) -> int | None:
        """As the optimizer has it."""
        with self._cursor() as cursor:
            return self._dialect.expected(cursor, mapping.table)

    def begin(self) -> Position:
        """The present position: nothing is made, for old versions are kept anyway."""
        self.check()
        with self._cursor() as cursor:
            return self._dialect.position(cursor)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """The tables as of the present position, which is exact here too.

        SourceForgot at its end if a table was altered or replaced meanwhile: nothing is locked here.
        """
        with self._cursor() as cursor:
            tables = self._tables(cursor)
            position = self._dialect.position(cursor)
            yield FlashbackSnapshot(cursor, self._dialect, tables, position)
            if self._tables(cursor) != tables:
                raise SourceForgot(
                    f"A table of {self.name} was altered or replaced while it was read: run `crime-assets legacy "
                    "verify --repair`."
                )

    @contextmanager
    def exact(self, patience: float) -> Iterator[Snapshot]:
        """The same: nobody has to be waited for."""
        del patience
        with self.snapshot() as now:
            yield now

    def touched(self, since: Position, until: Position | None, into: Touches) -> Position:
        """Roots of versions that began or ended in between."""
        with self._cursor() as cursor:
            reached = self._dialect.position(cursor) if until is None else until
            if reached < since or not self._dialect.remembers(cursor, since):
                raise SourceForgot(
                    f"{self.name} does not know the position {since}, so it comes from an older copy or has lost its "
                    "history: run `crime-assets legacy verify --repair`."
                )
            if reached == since:
                return reached
            tables = self._tables(cursor)
            for mapping in self._mappings:
                for statement in self._changes(mapping, tables):
                    cursor.execute(statement, {"since": int(since), "until": int(reached)})
                    while rows := cursor.fetchmany(_FETCHED):
                        into.add(mapping.kind, [tuple(row) for row in rows if None not in row])
        return reached

    def advance(self, position: Position) -> None:
        """Nothing: how long versions are kept is the database's own."""

    def lag(self) -> Lag:
        """Bytes are not known."""
        with self._cursor() as cursor:
            return self._dialect.lag(cursor)

    def finish(self) -> list[str]:
        """Nothing was made, so nothing is left."""
        return []

    def _tables(self, cursor: Any) -> dict[str, VersionedTable]:
        return self._dialect.tables(cursor, sorted({table for mapping in self._mappings for table in mapping.tables}))

    def _changes(self, mapping: DocumentMapping, tables: dict[str, VersionedTable]) -> Iterator[str]:
        """Of each table of a mapping the statement that gives keys of roots."""
        uses = [(mapping.table, mapping.key), *((child.table, child.parent) for child in mapping.children)]
        for name, key in uses:
            if name not in tables:
                raise LegacyError(f"There is no table {name} that can be read: grant SELECT on it.")
            table = tables[name]
            texts = ", ".join(self._dialect.text(table.column(column), table) for column in key)
            source, condition = self._dialect.changed(table)
            yield f"SELECT DISTINCT {texts} FROM {source} WHERE {condition}"

    @contextmanager
    def _cursor(self) -> Iterator[Any]:
        """A cursor of a connection that is kept for the next use if nothing went wrong."""
        try:
            connection = self._living()
            try:
                cursor = connection.cursor()
                yield cursor
                cursor.close()
            except BaseException:
                with suppress(self._dialect.Error):
                    connection.close()
                raise
        except self._dialect.Error as error:
            if self._dialect.forgot(error):
                raise SourceForgot(
                    f"{self.name} no longer has the versions that are needed ({self._dialect.told(error)}): run "
                    "`crime-assets legacy verify --repair`."
                ) from error
            raise LegacyError(f"{self.name}: {self._dialect.told(error)}: try again when that is mended.") from error
        self._idle.append(connection)

    def _living(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            if self._dialect.is_alive(connection):
                return connection
            with suppress(self._dialect.Error):
                connection.close()
        return self._connect()


def _keys(mapping: DocumentMapping, tables: dict[str, VersionedTable], dialect: Dialect) -> Iterator[str]:
    """Roots are found by their primary key, and children by the same texts in the same order."""
    declared = {column.name: column for column in mapping.columns}
    if any(declared[name].kind not in _KEYS for name in mapping.key):
        yield f"The key of {mapping.table} is no number or text: no root can be found by it."
    root = tables.get(mapping.table)
    if root is not None and root.primary != {*mapping.key}:
        yield f"The mapping tells rows of {mapping.table} apart by {', '.join(mapping.key)}: use its primary key."
    for child in mapping.children:
        table = tables.get(child.table)
        if root is None or table is None:
            continue
        if not table.primary or not table.primary <= {*child.parent, *child.key}:
            yield f"The mapping tells rows of {child.table} apart by {', '.join(child.key)}: use its primary key."
        for name, parent in zip(mapping.key, child.parent, strict=True):
            here, there = root.columns.get(name), table.columns.get(parent)
            if not here or not there:
                continue
            if not declared[name].fits(there.sql_type) or here.collation != there.collation:
                yield (
                    f"{child.table}.{parent} is {there.sql_type} and {mapping.table}.{name} is {here.sql_type}, or "
                    "they are collated differently: give both the same type and collation."
                )
            elif not dialect.is_exact(here):
                yield (
                    f"{child.table}.{parent} and {mapping.table}.{name} have the collation {here.collation}, to which "
                    "texts that are written differently can be the same: give both utf8mb4_nopad_bin."
                )
