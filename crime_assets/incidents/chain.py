"""Chains: objects numbered 1, 2, 3 without a gap, each written once. Who has read n asks for n + 1 until it is there.

So pages, Dagster and the teller follow a stream of live reports without listing anything and without its state.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore

ALERTS, DELIVERIES, QUARANTINE, ACKNOWLEDGED = "alerts", "deliveries", "quarantine", "acknowledged"


class Chain:
    """One chain of an epoch: the life of one consumer's state."""

    def __init__(self, store: LandingStore, stream: str, epoch: str, name: str) -> None:
        self._store = store
        self._stream = stream
        self._epoch = epoch
        self._name = name

    def key(self, number: int) -> str:
        """The key of an object."""
        return keys.live_link(self._stream, self._epoch, self._name, number)

    def read(self, number: int) -> bytes | None:
        """The content of an object; None if there is none yet."""
        return self._store.read(self.key(number))

    def after(self, number: int) -> Iterator[tuple[int, bytes]]:
        """All objects that come after this number, with their numbers. After 0 come all that were not removed."""
        for following in count(number + 1 if number else self.begins()):
            content = self.read(following)
            if content is None:
                return
            yield following, content

    def begins(self) -> int:
        """The number of the first object: that after those which were removed because they were old."""
        return int(self._store.read(self._begins) or b"1")

    def begin_at(self, number: int) -> None:
        """Note the number of the first object. To be called before those in front of it are removed."""
        self._store.write(self._begins, str(number).encode())

    def last(self, number: int = 0) -> int:
        """The number of the last object, of which this number is known to be there; found in few steps."""
        known = max(number, self.begins() - 1)
        step = 1
        while self.read(known + step) is not None:
            known, step = known + step, 2 * step
        while step > 1:
            step //= 2
            if self.read(known + step) is not None:
                known += step
        return known

    def write(self, number: int, content: bytes) -> None:
        """Write an object, or find that it is there already. LandingError if another one is there."""
        if not self._store.write_new(self.key(number), content) and self.read(number) != content:
            raise LandingError(
                f"{self.key(number)} has other content than this consumer wrote: stop another one that writes to the "
                "same place; if there is none, the state is an old copy, and docs/recovery.md says what to do."
            )

    @property
    def _begins(self) -> str:
        return keys.live_begins(self._stream, self._epoch, self._name)

    def append(self, content: bytes, after: int = 0) -> int:
        """Write an object behind all others, of which `after` is known to be there; returns its number."""
        for number in count(after + 1):
            if self._store.write_new(self.key(number), content):
                return number
        raise AssertionError
