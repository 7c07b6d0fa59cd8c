"""Records kept on disk until they are pulled: after a bulk re-stamp there can be a million of them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile

from crime_assets.sources.feeds import Record


class SpooledRecords:
    """Records in the order they were added, in a file of `directory` that vanishes with this object."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._file = TemporaryFile("w+", encoding="utf-8", dir=directory)  # noqa: SIM115 - it closes with the object
        self._records = 0

    def add(self, record: Record) -> None:
        """Add a record; not while the records are being read."""
        self._file.write(json.dumps(record) + "\n")
        self._records += 1

    def __len__(self) -> int:
        return self._records

    def __iter__(self) -> Iterator[Record]:
        self._file.seek(0)
        return map(json.loads, self._file)
