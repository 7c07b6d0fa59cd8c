"""Pulls of given records, and what of them lies in the store."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.envelopes import Envelope
from crime_assets.streams.deliveries import read_delivery
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventory
from crime_assets.streams.local import LocalStream
from crime_assets.streams.pull import DayPull, pull
from crime_assets_tests import build

DAY, ONE = date(2024, 1, 20), timedelta(days=1)
BEFORE, AFTER = DAY - ONE, DAY + ONE
COLUMNS = frozenset(build.CHICAGO.source_columns)
Record = Mapping[str, object]


class Crash(BaseException):
    """A power cut."""


class CrashingStream(LocalStream):
    """Writes an object for each batch, and crashes when it should write the one numbered `at`."""

    def __init__(self, store: DirectoryStore, at: int) -> None:
        super().__init__(store, "chicago", build.clock_at("2024-01-21T08:00:00"))
        self.left = at

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        super().put(day, batch)
        if not self.left:
            raise Crash
        self.left -= 1
        self._write(day)


class Recorder(LocalStream):
    """Remembers the batches it was given."""

    def __init__(self, store: DirectoryStore) -> None:
        super().__init__(store, "chicago", build.clock_at("2024-01-21T08:00:00"))
        self.batches: list[tuple[date, list[bytes]]] = []

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        self.batches.append((day, list(batch)))
        super().put(day, batch)


def records(count: int, day: date = DAY, start: int = 1) -> list[dict[str, object]]:
    return [build.record(id, day.isoformat()) for id in range(start, start + count)]


def pull_days(
    store: DirectoryStore,
    found: Iterable[Record],
    first: date = DAY,
    last: date | None = None,
    *,
    stream: LocalStream | None = None,
    hour: int = 8,
) -> dict[date, DayPull]:
    at = datetime(2024, 1, 25, hour, tzinfo=UTC)
    stream = stream or LocalStream(store, "chicago", lambda: at)
    return pull(found, COLUMNS, build.CHICAGO, first, last or first, store, stream, at)


def delivered(store: DirectoryStore, day: date) -> list[Envelope]:
    """Every envelope of a day's objects; nothing else may lie there."""
    found = []
    for item in store.list(keys.deliveries_prefix("chicago", day)):
        for line in read_delivery(store, item.key, "chicago"):
            assert isinstance(line, Envelope)
            found.append(line)
    return found


def ids(store: DirectoryStore, day: date = DAY) -> list[int]:
    return sorted(int(str(line.record["id"])) for line in delivered(store, day))


def contents(store: DirectoryStore) -> dict[str, bytes | None]:
    """The whole store, byte for byte."""
    return {found.key: store.read(found.key) for found in store.list("")}


def promised(store: DirectoryStore, day: date = DAY) -> int:
    content = store.read(keys.manifest("chicago", day))
    assert content is not None
    return sum(entry.records for entry in load_manifest(content).batches.values())


def complete(store: DirectoryStore, day: date = DAY) -> bool:
    found = take_inventory(store, "chicago", day)
    return found.promised_batches is not None and not found.missing_batches
