"""Batches in the making: which shards there are and how far each one has come, for all sources alike."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from crime_assets.incidents.contract import Record
from crime_assets.incidents.sources import SLACK, Batch, Position


class Gathering:
    """What a source says of its shards. It goes on from batch to batch, since progress never goes back."""

    def __init__(self, positions: Mapping[str, Position]) -> None:
        self._positions = dict(positions)
        self._progress: dict[str, float] = {}
        self._new = Batch([], {}, {})

    @property
    def count(self) -> int:
        """Records of the batch so far."""
        return len(self._new.records)

    @property
    def has_news(self) -> bool:
        """Whether there is more to it than progress."""
        return bool(self._new.records or self._new.positions)

    def position(self, shard: str) -> Position:
        """How far a shard was read."""
        return self._positions.get(shard, Position(None, False))

    def progress(self, shard: str) -> float:
        """What is still to come of a shard arrived after this; all of it, if nothing is known."""
        return self._progress.get(shard, float("-inf"))

    def knows(self, shard: str) -> bool:
        """Whether a batch, or whoever opened the source, has named the shard."""
        return shard in self._positions

    def begins(self, shard: str) -> None:
        """There is such a shard."""
        if shard not in self._positions:
            self._is_at(shard, Position(None, False))

    def read(self, shard: str, records: Collection[Record]) -> None:
        """These come next in a shard."""
        if records:
            self._new.records.extend(records)
            self._is_at(shard, Position(self._new.records[-1].sequence, False))
            self.reached(shard, max(record.arrived_at for record in records).timestamp())

    def reached(self, shard: str, arrived: float) -> None:
        """All of a shard that had arrived by then was read, but for what the slack allows."""
        if arrived - SLACK > self.progress(shard):
            self._progress[shard] = self._new.progress[shard] = arrived - SLACK

    def ended(self, shard: str, children: Iterable[str]) -> None:
        """A shard has no more records; what follows it arrived after them."""
        self._is_at(shard, Position(self.position(shard).sequence, True))
        for child in children:
            self.begins(child)
            self.reached(child, self.progress(shard) + SLACK)

    def batch(self) -> Batch:
        """All that was said since the last one."""
        made, self._new = self._new, Batch([], {}, {})
        return made

    def _is_at(self, shard: str, position: Position) -> None:
        self._positions[shard] = self._new.positions[shard] = position
