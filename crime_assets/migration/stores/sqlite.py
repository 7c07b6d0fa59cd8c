"""Documents of the local profile, in one SQLite file: documents and progress are kept in the same transaction.

Items are kept as DynamoDB's JSON, so that the same text is compared and exported.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

from crime_assets.core.errors import DiskFull, StoreBusy, StoreError
from crime_assets.migration import Census, Items, Quarantined
from crime_assets.migration.progress import Progress, State
from crime_assets.migration.stores import in_pieces, rows_of
from crime_assets.migration.stores.lock import held

_VERSION = 1
_IDS = 5_000

# Pages of 16 KB hold some twenty documents: a third less work than with 4 KB.
_CREATE = f"""
    BEGIN IMMEDIATE;
    CREATE TABLE documents(id TEXT, part TEXT, item TEXT NOT NULL, PRIMARY KEY(id, part)) WITHOUT ROWID, STRICT;
    CREATE TABLE progress(one INTEGER PRIMARY KEY CHECK (one = 1), token INTEGER NOT NULL, told TEXT NOT NULL);
    CREATE TABLE aside(id TEXT PRIMARY KEY, reason TEXT NOT NULL, row TEXT NOT NULL) WITHOUT ROWID;
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
# Somebody may have written bytes that are no text: they differ, and are not repeated in an error.
_text = partial(str, encoding="utf-8", errors="replace")
# Behind every text.
_LAST = b""
# Of one kind: from `kind#` up to, without, `kind$`, the sign that follows.
_IN = "SELECT DISTINCT id FROM documents WHERE id >= ? AND id < ?"


class SqliteStore:
    """See DocumentStore. Threads may use it, one at a time."""

    def __init__(self, path: Path) -> None:
        """`path` is the file; its directory also has its lock."""
        self.name = str(path)
        self._path = path.absolute()
        self._held: sqlite3.Connection | None = None
        self._token = 0

    @contextmanager
    def hold(self) -> Iterator[Progress]:
        """See DocumentStore. Makes the file if it is not there."""
        with held(self._path.with_suffix(".lock")):
            with self._explained():
                connection = self._opened()
            with closing(connection):
                with self._explained():
                    known = _taken(connection)
                self._held, self._token = connection, known.token
                try:
                    # What the caller's own work raises is not explained as ours.
                    yield known
                finally:
                    self._held = None

    def put(self, items: Items, progress: Progress | None) -> None:
        """See DocumentStore: all of it together, or nothing."""
        # After a power cut the end of a load may be missing, with its progress: it is read again. The database was not
        # told yet that it may forget anything.
        sure = progress is not None and progress.state is not State.LOADING
        with self._writing(progress, sure) as connection:
            _insert(connection, items)

    def replace(self, ids: Sequence[str], items: Items, progress: Progress | None) -> None:
        """See DocumentStore: all of it together, or nothing."""
        with self._writing(progress, progress is not None) as connection:
            # One by one: SQLite's JSON ends a text at its first NUL.
            connection.executemany("DELETE FROM documents WHERE id = ?", [(name,) for name in ids])
            _insert(connection, items)

    def scan(self) -> Iterator[Items]:
        """See DocumentStore. In the order of ids and parts, as they were when it began."""
        with self._explained(), self._read_only() as connection:
            if connection is not None:
                yield from in_pieces(connection.execute("SELECT id, part, item FROM documents ORDER BY id, part"))

    def get(self, ids: Sequence[str]) -> dict[str, dict[str, str]]:
        """See DocumentStore."""
        found: dict[str, dict[str, str]] = {}
        with self._reading() as connection:
            if connection is None:
                return {}
            sql = "SELECT id, part, item FROM documents WHERE id IN (SELECT value FROM json_each(?))"
            for name, part, item in connection.execute(sql, [_listed(ids)]):
                found.setdefault(name, {})[part] = item
        return found

    def ids(self, kind: str) -> Iterator[list[str]]:
        """See DocumentStore. In order; what is deleted meanwhile does not disturb it."""
        first, end = _bounds(kind)
        while True:
            with self._reading() as connection:
                if connection is None:
                    return
                found = [name for (name,) in connection.execute(f"{_IN} ORDER BY id LIMIT ?", [first, end, _IDS])]
            if not found:
                return
            yield found
            # The least that follows it.
            first = found[-1] + "\0"

    def census(self, kinds: Sequence[str]) -> Census:
        """See DocumentStore."""
        with self._reading() as connection:
            if connection is None:
                return Census(dict.fromkeys(kinds, 0), ())
            count = f"SELECT count(*) FROM ({_IN})"  # noqa: S608
            counts = {kind: int(connection.execute(count, _bounds(kind)).fetchone()[0]) for kind in kinds}
            # What lies before, between and behind the kinds.
            ends = ["", *(end for kind in sorted(kinds, key=_bounds) for end in _bounds(kind)), _LAST]
            gaps = zip(ends[::2], ends[1::2], strict=True)
            return Census(counts, [name for gap in gaps for (name,) in connection.execute(_IN, gap)])

    def set_aside(self, found: Sequence[Quarantined]) -> None:
        """See DocumentStore."""
        with self._writing(None, False) as connection:
            rows = [(one.id, one.reason, one.row) for one in found]
            connection.executemany("INSERT OR REPLACE INTO aside VALUES (?, ?, ?)", rows)

    def aside(self) -> list[Quarantined]:
        """See DocumentStore."""
        with self._reading() as connection:
            if connection is None:
                return []
            return [Quarantined(*row) for row in connection.execute("SELECT id, reason, row FROM aside ORDER BY id")]

    def release(self, ids: Sequence[str]) -> None:
        """See DocumentStore."""
        with self._writing(None, False) as connection:
            connection.execute("DELETE FROM aside WHERE id IN (SELECT value FROM json_each(?))", [_listed(ids)])

    def progress(self) -> Progress | None:
        """See DocumentStore."""
        with self._reading() as connection:
            return None if connection is None else _progress(connection)

    def _opened(self) -> sqlite3.Connection:
        connection = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False)
        connection.text_factory = _text
        try:
            connection.execute("PRAGMA page_size = 16384")
            connection.execute("PRAGMA journal_mode = WAL")
            if _is_new(connection):
                connection.executescript(_CREATE)
            _check(connection, self.name)
        except BaseException:
            connection.close()
            raise
        return connection

    @contextmanager
    def _writing(self, progress: Progress | None, sure: bool) -> Iterator[sqlite3.Connection]:
        """A transaction, ended with `progress`; `sure`: a power cut cannot undo it, or what came before."""
        connection = self._held
        if connection is None or (progress is not None and progress.token != self._token):
            raise StoreBusy(f"{self.name} is not held: run the command again.")
        with self._explained():
            connection.execute(f"PRAGMA synchronous = {'FULL' if sure else 'NORMAL'}")
            connection.execute("BEGIN IMMEDIATE")
            try:
                if connection.execute("SELECT token FROM progress").fetchone() != (self._token,):
                    raise StoreBusy(f"Another process has taken {self.name}: let it finish, and run again.")
                yield connection
                if progress is not None:
                    _keep(connection, progress)
                connection.execute("COMMIT")
            except BaseException:
                # A full disk has rolled back already.
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection | None]:
        """A connection; None if there is no file, or nothing in it."""
        with self._explained():
            if self._held is not None:
                yield self._held
                return
            with self._read_only() as connection:
                yield connection

    @contextmanager
    def _read_only(self) -> Iterator[sqlite3.Connection | None]:
        """A connection that reads alone, whoever writes beside it."""
        if not self._path.exists():
            yield None
            return
        address = f"{self._path.as_uri()}?mode=ro"
        # It may be closed by another thread: a generator that is not read to its end is closed where it is forgotten.
        opened = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
        opened.text_factory = _text
        with closing(opened) as connection:
            if _is_new(connection):
                yield None
                return
            _check(connection, self.name)
            yield connection

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turns SQLite's errors into a sentence that says what to do."""
        try:
            yield
        except sqlite3.Error as error:
            if getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_FULL:
                raise DiskFull(
                    f"There is no space left for {self.name}: make some and run again; nothing was half-written."
                ) from error
            raise StoreError(
                f"The store of documents {self.name} cannot be used ({error}): restore it from a backup, or remove it "
                "and load anew."
            ) from error


def _progress(connection: sqlite3.Connection) -> Progress | None:
    row = connection.execute("SELECT told FROM progress").fetchone()
    return Progress.load(row[0]) if row else None


def _taken(connection: sqlite3.Connection) -> Progress:
    """What is known, with the token of a new holder."""
    connection.execute("BEGIN IMMEDIATE")
    known = _progress(connection) or Progress()
    known = replace(known, token=known.token + 1)
    _keep(connection, known)
    connection.execute("COMMIT")
    return known


def _keep(connection: sqlite3.Connection, progress: Progress) -> None:
    connection.execute("INSERT OR REPLACE INTO progress VALUES (1, ?, ?)", [progress.token, progress.dump()])


def _insert(connection: sqlite3.Connection, items: Items) -> None:
    connection.executemany("INSERT OR REPLACE INTO documents VALUES (?, ?, ?)", rows_of(items))


def _is_new(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute("SELECT count(*) = 0 FROM sqlite_schema").fetchone()[0])


def _check(connection: sqlite3.Connection, name: str) -> None:
    if connection.execute("PRAGMA user_version").fetchone() != (_VERSION,):
        raise StoreError(f"{name} is no store of documents of this release: remove it, or use the release it is of.")


def _bounds(kind: str) -> list[str]:
    return [f"{kind}#", f"{kind}$"]


def _listed(ids: Sequence[str]) -> str:
    return json.dumps([*ids])
