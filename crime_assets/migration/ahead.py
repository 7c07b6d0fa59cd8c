"""Makes the next piece while the last one is used, such as a chunk that becomes documents: one ahead, never more."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import Generic, Self, TypeVar

After = TypeVar("After")
Piece = TypeVar("Piece")


class Ahead(Generic[After, Piece]):
    """One thread that makes pieces. Leaving it waits for what it is at, which nobody sees then."""

    def __init__(self, make: Callable[[After], Piece], after: After) -> None:
        """Begin with the piece after `after`."""
        self._make = make
        self._thread = ThreadPoolExecutor(1)
        self._next: Future[Piece]
        self.begin(after)

    def begin(self, after: After) -> None:
        """Make the piece after `after` from now on."""
        self._next = self._thread.submit(self._make, after)

    def take(self) -> Piece:
        """The piece that was begun last; an error of making it is raised here."""
        return self._next.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._thread.shutdown()
