"""The local stream: gathers batches of a change day and writes them as gzip objects, as Firehose would."""

from __future__ import annotations

import zlib
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, date, datetime

from crime_assets.core import keys
from crime_assets.streams import LandingStore
from crime_assets.streams.writing import write_all

_OBJECT_BYTES = 5 << 20
_BATCHES_WAITING = 32


class LocalStream:
    """Writes to a landing store, an object for every 5 MiB of lines of a day, the rest at `close`."""

    name = "local"
    patience_seconds = 0.0

    def __init__(
        self, store: LandingStore, city: str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._store = store
        self._city = city
        self._clock = clock
        self._open: dict[date, _Packed] = {}
        # Compression releases the interpreter lock: it runs while the caller makes the next batch.
        self._packer = ThreadPoolExecutor(1)
        self._waiting: deque[Future[None]] = deque()

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        """Hand over one batch of NDJSON lines of a change day."""
        packed = self._open.setdefault(day, _Packed())
        lines = b"".join(batch)
        packed.taken += len(lines)
        self._waiting.append(self._packer.submit(packed.add, lines))
        self._wait(_BATCHES_WAITING)
        if packed.taken >= _OBJECT_BYTES:
            self._write(day)

    def close(self) -> None:
        """Write what is left."""
        self._write(*sorted(self._open))

    def _write(self, *days: date) -> None:
        self._wait(0)
        now = self._clock()
        write_all(
            self._store,
            ((keys.delivery(self._city, day, self.name, now), self._open.pop(day).content()) for day in days),
        )

    def _wait(self, most: int) -> None:
        """Wait until at most `most` batches wait to be packed."""
        while len(self._waiting) > most:
            self._waiting.popleft().result()


class _Packed:
    """The lines of the next object, packed as they come."""

    def __init__(self) -> None:
        self.taken = 0
        """Bytes of lines taken so far."""
        self._gzip = zlib.compressobj(4, wbits=31)
        self._content = bytearray()

    def add(self, lines: bytes) -> None:
        self._content += self._gzip.compress(lines)

    def content(self) -> bytes:
        """The whole object; nothing may be added afterwards."""
        return bytes(self._content + self._gzip.flush())
