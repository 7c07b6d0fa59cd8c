"""Reads the next chunk while the last one becomes documents: one chunk ahead, never more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Self

from crime_assets.migration import Chunk
from crime_assets.migration.progress import Key

Read = Callable[[Key | None], Chunk | None]
"""The chunk after a key."""


class Ahead:
    """One thread that reads. Leaving it waits for what it reads, which nobody sees then."""

    def __init__(self, read: Read, key: Key | None) -> None:
        """Begin with the chunk after a key."""
        self._read = read
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[Chunk | None]
        self.begin(key)

    def begin(self, key: Key | None) -> None:
        """Read the chunk after a key from now on."""
        self._next = self._thread.submit(self._read, key)

    def take(self) -> Chunk | None:
        """The chunk that was begun last; an error of reading is raised here."""
        return self._next.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown()
