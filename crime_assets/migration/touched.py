"""The set of roots whose rows changed, on disk: one transaction can touch more of them than memory holds."""

from __future__ import annotations

import json
import os
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from crime_assets.migration.progress import Key


class Touched:
    """Each root once, however often it is added. Its file has no name: it is gone with the process."""

    def __init__(self, directory: Path) -> None:
        handle, path = tempfile.mkstemp(prefix="touched-", dir=directory)
        os.close(handle)
        self.all: frozenset[str] = frozenset()
        """Kinds of which all roots are meant, those that are gone too."""
        self._file = sqlite3.connect(path, isolation_level=None)
        # No journal, which would be a file beside it: what is lost with a crash is read again.
        self._file.execute("PRAGMA journal_mode = OFF")
        self._file.execute("PRAGMA synchronous = OFF")
        self._file.execute("CREATE TABLE touched (kind TEXT, key TEXT, PRIMARY KEY (kind, key)) WITHOUT ROWID")
        os.unlink(path)

    def add(self, kind: str, keys: Iterable[Key]) -> None:
        """Some roots of a kind."""
        rows = ((kind, json.dumps(key, ensure_ascii=False)) for key in keys)
        self._file.execute("BEGIN")
        self._file.executemany("INSERT OR IGNORE INTO touched VALUES (?, ?)", rows)
        self._file.execute("COMMIT")

    def add_all(self, kind: str) -> None:
        """All roots of a kind."""
        self.all |= {kind}

    def pieces(self, rows: int) -> Iterator[tuple[str, list[Key]]]:
        """The roots by kind, at most so many at a time. None may be added meanwhile."""
        for (kind,) in self._file.execute("SELECT DISTINCT kind FROM touched ORDER BY kind").fetchall():
            found = self._file.execute("SELECT key FROM touched WHERE kind = ? ORDER BY key", [kind])
            while piece := found.fetchmany(rows):
                yield kind, [tuple(json.loads(key)) for (key,) in piece]

    def __len__(self) -> int:
        return int(self._file.execute("SELECT count(*) FROM touched").fetchone()[0])

    def close(self) -> None:
        """Give the disk back."""
        self._file.close()
