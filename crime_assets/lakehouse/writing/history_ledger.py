"""What a history load has done so far, written down as it goes, so that an interrupted load can continue."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

_FORMAT = 2
"""Increased when records are typed differently: a load that an older release began then starts over."""


@dataclass(frozen=True)
class PartsDone:
    """Some parts of the history, typed and written. Paths are absolute here, but relative to the lake on disk."""

    parts: list[str]
    records: int
    rejected: int
    undated: int
    files: dict[str, str]
    """Month (its first day) → the data file with its rows."""
    rejects: str | None
    """A Parquet file of the rows that cannot be typed."""


class Ledger:
    """A directory with the source of the load, a line for each group of parts that is done, and the rejected rows.

    Data files are where the table keeps them; before the table's first snapshot no other files are there.
    """

    def __init__(self, directory: Path, data: Path, source: str) -> None:
        self.directory = directory
        self._data = data
        self._begun = directory / "begun.json"
        self._lines = directory / "done.jsonl"
        self._mutex = threading.Lock()
        if not self._goes_on(source):
            self.close()
            directory.mkdir(parents=True)
            self.pulled_at = datetime.now(UTC)
            begun = {"format": _FORMAT, "source": source, "pulled_at": self.pulled_at.isoformat()}
            _write(self._begun, json.dumps(begun))
        self.done = [done for done in self._read() if all(map(os.path.exists, _paths(done)))]
        self._remove_others()

    def add(self, done: PartsDone) -> None:
        """Record these parts as done: their files are complete and on disk."""
        with self._mutex:
            with self._lines.open("a") as file:
                # Starts with a new line, so that it does not run into a truncated one.
                file.write(f"\n{json.dumps(asdict(self._renamed(done, self._relative)))}\n")
                file.flush()
                os.fsync(file.fileno())
            self.done.append(done)

    @property
    def parts(self) -> set[str]:
        """The names of all parts that are done."""
        return {part for done in self.done for part in done.parts}

    def discard(self) -> None:
        """Forget the load and remove what it wrote; files of another writer stay."""
        for path in chain.from_iterable(map(_paths, self.done)):
            Path(path).unlink(missing_ok=True)
        self.close()

    def close(self) -> None:
        """Finish: the load is in the table."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _goes_on(self, source: str) -> bool:
        try:
            begun = json.loads(self._begun.read_text())
            self.pulled_at = datetime.fromisoformat(begun["pulled_at"])
            return bool(begun["format"] == _FORMAT and begun["source"] == source)
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def _read(self) -> Iterator[PartsDone]:
        for line in self._lines.read_text().splitlines() if self._lines.exists() else []:
            try:
                yield self._renamed(PartsDone(**json.loads(line)), self._absolute)
            except ValueError:
                # Empty, or cut off by the interruption.
                continue

    def _renamed(self, done: PartsDone, rename: Callable[[Path, str], str]) -> PartsDone:
        """The same parts with other paths of their files."""
        files = {month: rename(self._data, path) for month, path in done.files.items()}
        return replace(done, files=files, rejects=done.rejects and rename(self.directory, done.rejects))

    @staticmethod
    def _relative(directory: Path, path: str) -> str:
        """Paths are written relative to the lake: a copy of the lake continues with its own files."""
        return Path(path).relative_to(directory).as_posix()

    @staticmethod
    def _absolute(directory: Path, name: str) -> str:
        if (path := directory / name).resolve().is_relative_to(directory.resolve()):
            return str(path)
        raise ValueError("a file outside of the lake")

    def _remove_others(self) -> None:
        listed = {path for done in self.done for path in _paths(done)}
        for path in [*self._data.rglob("*.parquet"), *self.directory.glob("*.parquet")]:
            if str(path) not in listed:
                path.unlink()


def _paths(done: PartsDone) -> list[str]:
    return [*done.files.values(), *([done.rejects] if done.rejects else [])]


def _write(path: Path, text: str) -> None:
    with path.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
