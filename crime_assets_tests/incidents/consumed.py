"""A stream in a directory, consumers of it, and what they published."""

from __future__ import annotations

import gzip
import json
from collections import Counter
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest

from crime_assets.incidents import loop as loops
from crime_assets.incidents.chain import ALERTS, DELIVERIES, QUARANTINE, Chain
from crime_assets.incidents.loop import Loop, Totals
from crime_assets.incidents.rules import all_rules
from crime_assets.incidents.sources.directory import DirectorySource
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets.incidents.state import State
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore

NAME, ZONE = "fir", "Asia/Kolkata"
Arrived = tuple[datetime, str, bytes]
"""When a message arrives, its key, and what it is."""


class Consumed:
    """A place with one stream, in `source`, and the home of one consumer."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.store = DirectoryStore(place / "landing")

    def put(self, messages: Iterable[Arrived], *, is_ended: bool = True, shards: int = 2, at_once: int = 5_000) -> None:
        """Put messages into the stream, in order of arrival; a file for those of so many that are of its shard."""
        at = [datetime.now(UTC)]
        producer = DirectoryProducer(
            self.place / "source", lambda: at[0], shards=shards, most=at_once, linger_seconds=1e9
        )
        for arrived_at, key, data in messages:
            at[0] = arrived_at
            producer.put(key, data)
        producer.close()
        if is_ended:
            producer.end()

    def watch(self, listed: Iterable[tuple[str, datetime, datetime]]) -> None:
        """Put vehicles on the watch list: their hash, from when on and before when."""
        rows = [(ref, begins.timestamp(), ends.timestamp(), "") for ref, begins, ends in listed]
        columns = zip(*rows, strict=True)
        names = ("ref", "from_s", "until_s", "why_md5")
        state = self._state(lambda _: None)
        state.watch(pa.table(dict(zip(names, map(list, columns), strict=True))))
        state.close()

    def run(self, *, most: int = 5_000, stage: Callable[[str], None] = lambda _: None) -> Totals:
        """Consume all there is, at most so many records a tick."""
        source, state = DirectorySource(self.place / "source", NAME, is_live=False), self._state(stage)
        try:
            loop = Loop(source, state, self.store, Calendar(ZONE), _now, stage=stage)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(loops, "_MOST", most)
                return loop.run(until_ended=True)
        finally:
            state.close()

    def alerts(self) -> list[dict[str, Any]]:
        """Every line of the chain of alerts."""
        return [json.loads(line) for content in self.objects(ALERTS) for line in content.splitlines()]

    def raised(self) -> Counter[tuple[str, str, int, int]]:
        """Rule, subject, window and revision of every alert → how often it was published."""
        return Counter((a["rule"], a["subject"], a["window_number"], a["revision"]) for a in self.alerts())

    def delivered(self) -> list[dict[str, Any]]:
        """Every line of the deliveries."""
        return [json.loads(line) for one in self.objects(DELIVERIES) for line in gzip.decompress(one).splitlines()]

    def quarantined(self) -> list[dict[str, Any]]:
        """Every line of the quarantine."""
        return [json.loads(line) for content in self.objects(QUARANTINE) for line in content.splitlines()]

    def objects(self, chain: str) -> list[bytes]:
        """The objects of a chain; there is nothing behind its first gap."""
        found = list(Chain(self.store, NAME, self.epoch, chain).after(0))
        prefix = f"live/stream={NAME}/epoch={self.epoch}/{chain}/"
        assert len(found) == len(list(self.store.list(prefix)))
        return [content for _, content in found]

    @property
    def epoch(self) -> str:
        content = self.store.read(f"live/stream={NAME}/epoch.json")
        assert content is not None
        return str(json.loads(content)["epoch"])

    @property
    def status(self) -> dict[str, Any]:
        content = self.store.read(f"live/stream={NAME}/status.json")
        assert content is not None
        found: dict[str, Any] = json.loads(content)
        return found

    def stations(self) -> list[dict[str, Any]]:
        """What the state knows of stations."""
        state = self._state(lambda _: None)
        try:
            return state.stations()
        finally:
            state.close()

    def _state(self, stage: Callable[[str], None]) -> State:
        return State(self.place / "state", NAME, Calendar(ZONE), all_rules(), _now, stage=stage)


def _now() -> datetime:
    return datetime.now(UTC)
