"""Turns: nobody has more than a few requests answered at once. The others wait without a thread, some of them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from weakref import WeakValueDictionary

import anyio

from crime_assets.core.errors import UsageError

_MOST_WAITING = 32


class Turns:
    """Turns by name, for one event loop."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._known: WeakValueDictionary[str, anyio.Semaphore] = WeakValueDictionary()

    @asynccontextmanager
    async def turn(self, name: str) -> AsyncIterator[None]:
        """Wait for one. UsageError if too many wait already."""
        found = self._known.get(name)
        if found is None:
            self._known[name] = found = anyio.Semaphore(self._at_once)
        if found.statistics().tasks_waiting >= _MOST_WAITING:
            raise UsageError("Too much is asked for at once: ask again when that is answered.")
        async with found:
            yield
