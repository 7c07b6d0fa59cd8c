"""The local stream: gathers batches of a change day and writes them as gzip objects, as Firehose would."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime

from crime_assets.core import keys
from crime_assets.streams import LandingStore

_OBJECT_BYTES = 5 << 20


class LocalStream:
    """Writes to a landing store, an object for every 5 MiB of lines of a day, the rest at `close`."""

    name = "local"

    def __init__(
        self, store: LandingStore, city: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._city = city
        self._clock = clock
        self._buffers: dict[date, bytearray] = {}

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        """Hand over one batch of NDJSON lines of a change day."""
        buffer = self._buffers.setdefault(day, bytearray())
        for line in batch:
            buffer += line
        if len(buffer) >= _OBJECT_BYTES:
            self._write(day)

    def close(self) -> None:
        """Write what is left."""
        for day in sorted(self._buffers):
            self._write(day)

    def _write(self, day: date) -> None:
        content = gzip.compress(bytes(self._buffers.pop(day)), compresslevel=4, mtime=0)
        self._store.write(keys.delivery(self._city, day, self.name, self._clock()), content)
