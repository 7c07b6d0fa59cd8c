"""How fast a step is: told while it runs, at most once a second."""

from __future__ import annotations

import time
from collections.abc import Callable

from crime_assets.migration import Step

Tell = Callable[[Step], None]
_EVERY = 1.0


class Pace:
    """Counts what a step does."""

    def __init__(self, what: str, of: int | None, tell: Tell, done: int = 0) -> None:
        """`done` is what an earlier run has done: it counts as done, not as fast."""
        self._what, self._of, self._tell = what, of, tell
        self._before = self._done = done
        self._begun = self._told = time.monotonic()

    def add(self, done: int) -> None:
        """So many more, told if it is time."""
        self._done += done
        if time.monotonic() - self._told >= _EVERY:
            self.tell()

    def tell(self) -> None:
        """Tell it now: also what took less than a second is told once, at its end."""
        self._told = time.monotonic()
        spent = max(self._told - self._begun, 0.001)
        self._tell(Step(self._what, self._done, self._of, (self._done - self._before) / spent))
