"""PostgreSQL's replication slot and publication: what keeps changes for us, and what gives an exact snapshot.

Functions over a connection of psycopg2 in autocommit; positions are LSNs as numbers. A slot keeps changes on the
department's disk until they are advanced over, so whatever is made here is also removed here.
"""

from __future__ import annotations

import secrets
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import psycopg2
from psycopg2 import errors, sql
from psycopg2.extras import LogicalReplicationConnection

from crime_assets.core.errors import LegacyError, SourceForgot
from crime_assets.migration import Lag
from crime_assets.migration.databases.pgoutput import Message, read
from crime_assets.migration.progress import Position

Connect = Callable[..., Any]
"""Opens a connection; what it is given goes to psycopg2.connect."""

# Rows fetched at a time: a transaction comes whole, whatever its size.
_FETCHED = 5_000
_PATIENCE_FOR_READERS = 60.0
PATIENCE_FOR_CHANGES = "4h"
"""What the server may take to read all that a slot keeps."""
_REPAIR = "run `crime-assets legacy verify --repair`."
_SLOT = """
SELECT confirmed_flush_lsn - '0/0'::pg_lsn, restart_lsn - '0/0'::pg_lsn, coalesce(wal_status, 'reserved'), active_pid
FROM pg_replication_slots WHERE slot_name = %s AND database = current_database()
"""
# Row filters and lists of columns came with 15.
_PUBLISHED = """
SELECT obj_description(p.oid, 'pg_publication'), p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate,
       ARRAY(SELECT r.prrelid::bigint FROM pg_publication_rel r
             WHERE r.prpubid = p.oid AND to_jsonb(r) ->> 'prqual' IS NULL AND to_jsonb(r) ->> 'prattrs' IS NULL
             ORDER BY 1)
FROM pg_publication p WHERE p.pubname = %s
"""
# Whom it waits for, which everybody may ask; and whose turn would come next, which only some roles see.
_IN_THE_WAY = """
SELECT unnest(pg_blocking_pids(%s)) UNION
SELECT pid FROM pg_stat_activity
WHERE backend_xid IS NOT NULL AND xact_start <= clock_timestamp() - %s * INTERVAL '1 second' ORDER BY 1
"""


@dataclass(frozen=True)
class Slot:
    """A slot as the server shows it; it keeps changes from `confirmed` on."""

    confirmed: Position
    restart: int | None
    status: str
    pid: int | None
    """Who reads it at the moment."""


def slot_of(connection: Any, name: str) -> Slot | None:
    """The slot of this name in the connection's database."""
    with connection.cursor() as cursor:
        cursor.execute(_SLOT, (name,))
        row = cursor.fetchone()
    if row is None:
        return None
    confirmed, restart, status, pid = row
    return Slot(Position(int(confirmed or 0)), None if restart is None else int(restart), status, pid)


def kept(connection: Any, name: str) -> Slot:
    """The slot. SourceForgot if it is gone, or has lost changes."""
    slot = slot_of(connection, name)
    if slot is None:
        raise SourceForgot(f"The replication slot {name} is gone, and changes with it: {_REPAIR}")
    if slot.status == "lost":
        raise SourceForgot(
            f"The replication slot {name} has lost changes, for they were more than max_slot_wal_keep_size: {_REPAIR}"
        )
    return slot


def create(connect: Connect, name: str, tables: Sequence[tuple[str, str]], identity: str, patience: float) -> Position:
    """Make publication and slot; changes after the position are kept. LegacyError after `patience`, in seconds.

    `identity` of the tables, as it was before, is kept as a remark on the publication, for `check_published`.
    """
    with closing(connect()) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            named = sql.SQL(", ").join(sql.Identifier(*table) for table in tables)
            published = sql.Identifier(name)
            cursor.execute(sql.SQL("CREATE PUBLICATION {} FOR TABLE {}").format(published, named))
            cursor.execute(sql.SQL("COMMENT ON PUBLICATION {} IS {}").format(published, sql.Literal(identity)))
            with _patient(connect, connection, patience):
                cursor.execute("SELECT pg_create_logical_replication_slot(%s, 'pgoutput')", (name,))
        return kept(connection, name).confirmed


def check_published(connection: Any, name: str, tables: Sequence[int], identity: str) -> None:
    """SourceForgot if the publication does not tell all changes of these tables, or they are not as they were."""
    with connection.cursor() as cursor:
        cursor.execute(_PUBLISHED, (name,))
        row = cursor.fetchone()
    if row is None:
        raise SourceForgot(f"The publication {name} is gone, and changes with it: {_REPAIR}")
    if row != (identity, True, sorted(tables)):
        raise SourceForgot(
            f"A table was altered or replaced since its changes are kept, or the publication {name} was: no change of "
            f"a row tells what that did to values, so {_REPAIR}"
        )


def remove(connection: Any, name: str) -> list[str]:
    """Drop slot and publication: a sentence for each that was there. LegacyError while another reads the slot."""
    told = []
    if _wait_until_free(connection, name) is not None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_drop_replication_slot(%s)", (name,))
        told.append(f"The replication slot {name} is dropped: the database keeps no more changes for it.")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM pg_publication WHERE pubname = %s", (name,))
        if cursor.fetchone():
            cursor.execute(sql.SQL("DROP PUBLICATION {}").format(sql.Identifier(name)))
            told.append(f"The publication {name} is dropped.")
    return told


def peek(connection: Any, name: str) -> Generator[Message]:
    """Messages of all transactions that the slot keeps and the disk has, in the order of their commits.

    Nothing is taken out. The connection must not be in autocommit: rows come by a cursor of the server.
    """
    _wait_until_free(connection, name)
    with connection.cursor() as cursor:
        # A transaction of a million rows is decoded before its first message comes.
        cursor.execute("SET LOCAL statement_timeout = %s", (PATIENCE_FOR_CHANGES,))
    with connection.cursor(name="changes") as cursor:
        cursor.itersize = _FETCHED
        cursor.execute(
            "SELECT data FROM pg_logical_slot_peek_binary_changes(%s, NULL, NULL, 'proto_version', '1', "
            "'publication_names', %s)",
            (name, f'"{name}"'),
        )
        for (data,) in cursor:
            if (message := read(bytes(data))) is not None:
                yield message


def horizon(connection: Any) -> tuple[Position, bool]:
    """Where the next change will be written, and whether the disk has all before it: then a later peek sees it all."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
        (written,) = cursor.fetchone()
        cursor.execute("SELECT pg_current_wal_flush_lsn() - '0/0'::pg_lsn")
        (flushed,) = cursor.fetchone()
    return Position(int(written)), flushed >= written


def advance(connection: Any, name: str, position: Position) -> None:
    """Let go of what comes before the position. The connection, in autocommit, is for nothing else afterwards."""
    _wait_until_free(connection, name)
    if position > kept(connection, name).confirmed:
        with connection.cursor() as cursor:
            # It reads all of the log in between.
            cursor.execute("SET statement_timeout = %s", (PATIENCE_FOR_CHANGES,))
            cursor.execute("SELECT pg_replication_slot_advance(%s, %s)", (name, _written(position)))


def lag(connection: Any, name: str) -> Lag:
    """Bytes of changes on the department's disk that are there for the slot."""
    slot = slot_of(connection, name)
    if slot is None or slot.restart is None:
        return Lag(None, "lost")
    return Lag(max(0, horizon(connection)[0] - slot.restart), slot.status)


def told_of(connection: Any, name: str) -> list[str]:
    """A warning, if more is kept for the slot than the server plans for."""
    found = lag(connection, name)
    if found.state not in ("extended", "unreserved"):
        return []
    return [
        f"The replication slot {name} keeps {found.bytes:,} bytes of changes, more than max_wal_size (its state is "
        f"{found.state}): run `crime-assets legacy follow`, before the disk is full or changes are lost."
    ]


@contextmanager
def exported(connect: Connect, name: str, patience: float) -> Iterator[tuple[Position, str]]:
    """An exact position, and the name of a snapshot that shows what was committed before it, while this is open.

    `name` is of small letters, digits and _, for it stands in a command that takes no values. LegacyError that names
    the processes that were waited for, after `patience` in seconds.
    """
    with closing(connect(connection_factory=LogicalReplicationConnection)) as connection, connection.cursor() as cursor:
        # A temporary slot goes with its connection; another of ours may not be gone yet.
        temporary = f"{name}_{secrets.token_hex(4)}"
        with _patient(connect, connection, patience):
            cursor.execute(f"CREATE_REPLICATION_SLOT {temporary} TEMPORARY LOGICAL pgoutput (SNAPSHOT 'export')")
        _, position, snapshot, _ = cursor.fetchone()
        yield _number(position), snapshot


@contextmanager
def _patient(connect: Connect, connection: Any, patience: float) -> Iterator[None]:
    """Cancel what the connection does after a time, and say who was waited for."""
    waited_for: list[int] = []
    is_done = threading.Event()

    def stop() -> None:
        # What cannot be asked is not told; the cancelling is what matters.
        with suppress(psycopg2.Error), closing(connect()) as other, other.cursor() as cursor:
            cursor.execute(_IN_THE_WAY, (connection.info.backend_pid, patience))
            waited_for.extend(pid for (pid,) in cursor.fetchall())
        if not is_done.is_set():
            # It may be closed by now.
            with suppress(psycopg2.Error):
                connection.cancel()

    timer = threading.Timer(patience, stop)
    timer.daemon = True
    timer.start()
    try:
        yield
    except errors.QueryCanceled as error:
        who = f"process {', '.join(map(str, waited_for))}" if waited_for else "one that has ended meanwhile"
        raise LegacyError(
            f"Transactions that were open for more than {patience:g} s stand in the way ({who}): wait until "
            "they have ended, or end them, and try again."
        ) from error
    finally:
        is_done.set()
        timer.cancel()


def _wait_until_free(connection: Any, name: str) -> Slot | None:
    """The slot, when nobody reads it: the server notices late that a reader was killed."""
    end = time.monotonic() + _PATIENCE_FOR_READERS
    while (slot := slot_of(connection, name)) is not None and slot.pid is not None:
        if time.monotonic() > end:
            raise LegacyError(f"The replication slot {name} is read by process {slot.pid}: wait until that has ended.")
        time.sleep(0.1)
    return slot


def _number(written: str) -> Position:
    high, _, low = written.partition("/")
    return Position(int(high, 16) << 32 | int(low, 16))


def _written(position: int) -> str:
    return f"{position >> 32:X}/{position & 0xFFFFFFFF:X}"
