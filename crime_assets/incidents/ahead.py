"""Reading ahead: while a tick is taken, a thread reads and types what comes next, as most of a tick holds no lock.

What is read ahead is nothing yet: whoever has the positions commits them with what was made of the records, and after
a crash it is read again. As long as nobody takes it, more is added to it, so it is as new as if it was read just then.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import NamedTuple, Self

import pyarrow as pa

from crime_assets.incidents.contract import Quarantined, Record
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources import Batch, Position, Source

_AT_ONCE = 2_000
"""Records that are read before they are typed. Of many more, Python would look for cycles again and again."""
_MOST_BYTES = 32 << 20
"""Bytes of records beyond which no more are read ahead: they can be long."""
_WAIT = 0.05
"""Seconds for which a record is waited for."""
_PAUSE = 0.02
"""Seconds between two looks at the source while what was read waits to be taken."""


class Taken(NamedTuple):
    """What was read, its reports, as ARRIVED has them, and its other messages."""

    batch: Batch
    arrived: pa.Table
    bad: list[Quarantined]


class Ahead:
    """Reads an open source as long as its context lasts: nobody else uses the source, nor the reader, meanwhile."""

    def __init__(self, source: Source, reader: Reader, most: int, stage: Callable[[str], None]) -> None:
        """`most` are records that are held. `stage` is called with what was just done, in the thread that reads."""
        self._source, self._reader, self._most, self._stage = source, reader, most, stage
        self._parts: list[Taken] = []
        self._count = self._bytes = 0
        self._positions: Mapping[str, Position] = {}
        self._failure: BaseException | None = None
        self._is_stopped = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="reading ahead", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()
        self._thread.join()

    def take(self) -> Taken:
        """All that was read by now, or else what the next look at the source gives.

        Raises what reading has raised, when all that was read before that is taken.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._parts or self._failure)
            parts, self._parts = self._parts, []
            self._count = self._bytes = 0
            if not parts and self._failure is not None:
                raise self._failure
            self._changed.notify_all()
        return _joined(parts)

    def committed(self, positions: Mapping[str, Position]) -> None:
        """These are kept for good, so the children of shards that have ended may begin: from the next look on."""
        with self._changed:
            self._positions = positions

    def _run(self) -> None:
        try:
            while room := self._room():
                if not self._read(min(room, _AT_ONCE)):
                    self._pause()
        except BaseException as failure:  # Whoever takes is told, whatever it is.
            with self._changed:
                self._failure = failure
                self._changed.notify_all()

    def _room(self) -> int:
        """How many records may be read now, after a wait until there are any; 0 if reading is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or (self._count < self._most and self._bytes < _MOST_BYTES))
            return 0 if self._is_stopped else self._most - self._count

    def _read(self, most: int) -> bool:
        """Whether there were so many records that there may be more."""
        with self._changed:
            positions, self._positions = self._positions, {}
        self._source.committed(positions)
        batch = self._source.take(most, _WAIT)
        self._stage("read")
        arrived, bad = self._reader.read(batch.records)
        self._stage("typed")
        with self._changed:
            self._parts.append(Taken(batch, arrived, bad))
            self._count += len(batch.records)
            self._bytes += sum([len(record.data) for record in batch.records])
            self._changed.notify_all()
        return len(batch.records) == most

    def _pause(self) -> None:
        """Let some records gather, unless somebody waits for them."""
        with self._changed:
            self._changed.wait_for(lambda: self._is_stopped or not self._parts, _PAUSE)


def _joined(parts: list[Taken]) -> Taken:
    """As if it was read at once."""
    records: list[Record] = []
    positions: dict[str, Position] = {}
    progress: dict[str, float] = {}
    for part in parts:
        records += part.batch.records
        positions |= part.batch.positions
        progress |= part.batch.progress
    bad = [one for part in parts for one in part.bad]
    return Taken(Batch(records, positions, progress), pa.concat_tables([part.arrived for part in parts]), bad)
