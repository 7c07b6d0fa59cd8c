"""A legacy database in PostgreSQL 14 or later, read in chunks and followed by logical decoding.

A chunk is of one short snapshot. What changes in between is in the slot, which is older than every chunk and is only
advanced over what documents have. Statements are built of the catalogue's names and of literals by psycopg2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import Any

import psycopg2
from psycopg2 import sql
from psycopg2.extensions import ISOLATION_LEVEL_REPEATABLE_READ

from crime_assets.core.errors import LegacyError, SourceForgot, UsageError
from crime_assets.migration import Lag, Snapshot, Touches
from crime_assets.migration.databases import abandoned, slots
from crime_assets.migration.databases.postgresql_changes import Following
from crime_assets.migration.databases.postgresql_chunks import PostgresSnapshot
from crime_assets.migration.databases.postgresql_tables import (
    Table,
    check_tables,
    expected_rows,
    identity_of,
    tables_of,
)
from crime_assets.migration.documents import DocumentMapping
from crime_assets.migration.progress import Position

_SLOT = re.compile(r"[a-z0-9_]{1,50}")
_PATIENCE = 60.0
"""Seconds that the slot may wait for transactions that are open when it is made."""

# Texts of values depend on these. What a policy hides must be an error, not a gap.
_SESSION = {
    "client_encoding": "UTF8",
    "DateStyle": "ISO",
    "TimeZone": "UTC",
    "IntervalStyle": "iso_8601",
    "extra_float_digits": "3",
    "bytea_output": "hex",
    "row_security": "off",
    "lock_timeout": "0",
    "statement_timeout": "10min",
    "idle_in_transaction_session_timeout": "30min",
}


def connecting(**where: object) -> slots.Connect:
    """What opens connections to a server, with sessions that write values as chunks have them."""
    options = " ".join(f"-c {name}={value}" for name, value in _SESSION.items())
    fixed = {"options": options, "application_name": "crime-assets", "connect_timeout": 15}

    def connect(**more: object) -> Any:
        return psycopg2.connect(**where, **fixed, **more)

    return connect


class PostgresDatabase:
    """See `LegacyDatabase`. Threads may use it at once. `slot` is the name of replication slot and publication."""

    def __init__(self, connect: slots.Connect, name: str, slot: str, mappings: Sequence[DocumentMapping]) -> None:
        if not _SLOT.fullmatch(slot):
            raise UsageError(f"{slot!r} is no name of a replication slot: use up to 50 small letters, digits and _.")
        self.name = name
        self._connect = connect
        self._slot = slot
        self._mappings = mappings
        self._idle: list[Any] = []
        """Connections between two uses: a list's append and pop are safe among threads."""

    def check(self) -> list[str]:
        """See the protocol; every reason that forbids it is told at once."""
        with self._session() as connection, connection.cursor() as cursor:
            refused, warned = check_tables(cursor, self._mappings)
            if refused:
                raise LegacyError(" ".join(refused))
            return [*warned, *slots.told_of(connection, self._slot), *abandoned.told_of(cursor, self._slot)]

    def expected(self, mapping: DocumentMapping) -> int | None:
        """As the planner has it."""
        with self._session() as connection, connection.cursor() as cursor:
            return expected_rows(cursor, mapping.table)

    def begin(self) -> Position:
        """Make publication and slot anew: what is committed after they are made is kept."""
        with self._alone() as connection:
            slots.remove(connection, self._slot)
        self.check()
        with self._session() as connection, connection.cursor() as cursor:
            tables = tables_of(cursor, self._mappings)
        named = [(table.schema, table.name) for table in tables.values()]
        with self._told():
            return slots.create(self._connect, self._slot, named, identity_of(tables, self._mappings), _PATIENCE)

    @contextmanager
    def snapshot(self) -> Iterator[Snapshot]:
        """A transaction of one snapshot; tables that are not there are missing in its shape."""
        with self._session() as connection, connection.cursor() as cursor:
            # Names are looked up before the snapshot is taken: what is locked first cannot be rewritten behind it.
            tables = tables_of(cursor, self._mappings)
            connection.rollback()
            _lock(cursor, tables)
            yield PostgresSnapshot(connection, self._mappings, Position(0))

    @contextmanager
    def exact(self, patience: float) -> Iterator[Snapshot]:
        """The snapshot of a slot that is made for it: it shows the commits that lie before its position."""
        with self._alone() as connection:
            slots.kept(connection, self._slot)
        with self._session() as connection, connection.cursor() as cursor:
            connection.rollback()
            with slots.exported(self._connect, self._slot, patience) as (position, name):
                cursor.execute("SET TRANSACTION SNAPSHOT %s", (name,))
                # The first statement takes the snapshot over: from then on it is ours.
                tables = tables_of(cursor, self._mappings)
            # It waits while all changes up to it are read.
            cursor.execute("SET LOCAL idle_in_transaction_session_timeout = %s", (slots.PATIENCE_FOR_CHANGES,))
            _lock(cursor, tables)
            yield PostgresSnapshot(connection, self._mappings, position)

    def touched(self, since: Position, until: Position | None, into: Touches) -> Position:
        """Read what the slot keeps, and leave it there. With `until`, commits that lie before it."""
        with self._session() as connection:
            slot = slots.kept(connection, self._slot)
            with connection.cursor() as cursor:
                tables = tables_of(cursor, self._mappings)
            numbers = [table.number for table in tables.values()]
            slots.check_published(connection, self._slot, numbers, identity_of(tables, self._mappings))
            end, is_whole = slots.horizon(connection)
            if since < slot.confirmed or since > end:
                raise SourceForgot(
                    f"The replication slot {self._slot} was made anew, or the database comes from an older copy: run "
                    "`crime-assets legacy verify --repair`."
                )
            with closing(slots.peek(connection, self._slot)) as messages:
                last = Following(self._mappings, since, until, into).take(messages)
            if until is not None:
                return until
            return max(last, end) if is_whole else last

    def advance(self, position: Position) -> None:
        """The server may remove its log up to the position."""
        with self._alone() as connection:
            slots.advance(connection, self._slot, position)

    def lag(self) -> Lag:
        """Bytes of the server's log that are kept for the slot, and its state: reserved, extended, unreserved, lost."""
        with self._alone() as connection:
            return slots.lag(connection, self._slot)

    def finish(self) -> list[str]:
        """Drop slot and publication."""
        with self._alone() as connection:
            return slots.remove(connection, self._slot)

    @contextmanager
    def _alone(self) -> Iterator[Any]:
        """A connection in autocommit, for what no transaction may do."""
        with self._told(), closing(self._connect()) as connection:
            connection.autocommit = True
            yield connection

    @contextmanager
    def _session(self) -> Iterator[Any]:
        """A connection in a transaction of one snapshot, which is kept for the next use if nothing went wrong."""
        with self._told():
            connection = self._living()
            try:
                yield connection
                connection.rollback()
            except BaseException:
                connection.close()
                raise
        self._idle.append(connection)

    def _living(self) -> Any:
        while self._idle:
            connection = self._idle.pop()
            try:
                with connection.cursor() as cursor:
                    cursor.execute("SELECT 1")
                connection.rollback()
            except psycopg2.Error:
                # The server was started again, or has ended it.
                connection.close()
            else:
                return connection
        connection = self._connect()
        connection.set_session(isolation_level=ISOLATION_LEVEL_REPEATABLE_READ, readonly=True)
        return connection

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except psycopg2.Error as error:
            raise LegacyError(f"{self.name}: {_sentence(error)}") from error


def _lock(cursor: Any, tables: dict[str, Table]) -> None:
    """Keep the tables from being emptied or rewritten while they are read: no snapshot is safe from that."""
    if tables:
        named = sql.SQL(", ").join(sql.Identifier(table.schema, table.name) for table in tables.values())
        cursor.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(named))


def _sentence(error: psycopg2.Error) -> str:
    """Its first line: others can repeat values."""
    first = (error.diag.message_primary or str(error).strip().partition("\n")[0] or "the connection was cut").strip()
    return f"{first.rstrip('.')}: try again when that is mended."
