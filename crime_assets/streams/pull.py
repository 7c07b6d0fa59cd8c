"""The pull of change days: records become envelopes in batches on a stream, and a manifest lists what was promised.

A record version is delivered once: what an earlier pull of the same days has landed is left out, so pulling again,
even after a crash, adds only what is missing.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from functools import lru_cache

from crime_assets.core import keys
from crime_assets.core.batches import (
    BATCH_SIZE,
    BatchEntry,
    Manifest,
    dump_manifest,
    entry,
    landed_entry,
    load_manifest,
)
from crime_assets.core.digests import record_digest
from crime_assets.core.envelopes import seal
from crime_assets.core.errors import LandingError
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore, Stream
from crime_assets.streams.deliveries import delivered_batches
from crime_assets.streams.writing import write_all

LOOK_BACK = timedelta(days=2)
"""Records can still appear with a change stamp of a day already pulled; each pull looks back this far."""


@dataclass
class DayPull:
    """The result of pulling one change day, in records; `batches` maps new batch names to record digests."""

    pulled: int = 0
    repeated: int = 0
    landed_before: int = 0
    batches: dict[str, set[str]] = field(default_factory=dict)

    @property
    def new(self) -> int:
        """Records put to the stream."""
        return sum(len(digests) for digests in self.batches.values())


def pull(  # noqa: PLR0913, PLR0917 - the pull joins this many different parts
    records: Iterable[Mapping[str, object]],
    columns: frozenset[str],
    city: City,
    first: date,
    last: date,
    landing: LandingStore,
    stream: Stream,
    pulled_at: datetime,
    undated: int = 0,
    complete_to: date = date.max,
) -> dict[date, DayPull]:
    """Put the records of the days from `first` to `last`, with those of the look-back, to the stream.

    `records` are those changed from `first` less the look-back to `last`; the older ones go to `first`. Records without
    change stamps are what the lake lacks: they go to `last`, even if the like landed before. `columns` are
    the source's columns, `undated` is how much of it belongs to no change day, `complete_to` is the last day that it
    has completed; the manifests keep all three.
    """
    landed = {day: delivered_batches(landing, city.name, day) for day in days_between(first - LOOK_BACK, last)}
    landed_before = {digest for batches in landed.values() for digests in batches.values() for digest in digests}
    # A record without a stamp may go back to what it was: that looks like the version that landed first.
    before = landed_before if city.change_field is not None else frozenset[str]()
    pulls = {day: DayPull() for day in days_between(first, last)}
    batcher = _Batcher(city, stream, pulled_at, pulls)
    seen: set[str] = set()
    for record in records:
        digest = record_digest(record)
        day = min(max(change_day(city, record) or last, first), last)
        pulls[day].pulled += 1
        if digest in seen:
            pulls[day].repeated += 1
        elif digest in before:
            pulls[day].landed_before += 1
        else:
            batcher.add(day, record, digest)
        seen.add(digest)
    batcher.flush()
    stream.close()
    sources = {day: Manifest({}, columns, undated, complete=day <= complete_to) for day in pulls}
    write_all(landing, _manifests(landing, city, pulls, landed, sources))
    return pulls


def change_day(city: City, record: Mapping[str, object]) -> date | None:
    """The day of a record's change stamp; None where it cannot be read, or records have none."""
    if city.change_field is None:
        return None
    return _stamp_day(str(record.get(city.change_field, "")).strip(), city.timestamp_formats)


# The records of a day share a handful of stamps.
@lru_cache(maxsize=4096)
def _stamp_day(text: str, formats: tuple[str, ...]) -> date | None:
    for pattern in formats:
        try:
            return datetime.strptime(text, pattern).date()
        except ValueError:
            continue
    return None


def days_between(first: date, last: date) -> list[date]:
    """All days from first to last, both included."""
    return [first + timedelta(days=n) for n in range((last - first).days + 1)]


class _Batcher:
    """Seals the records of each day and puts them to the stream, 200 at a time."""

    def __init__(self, city: City, stream: Stream, pulled_at: datetime, pulls: dict[date, DayPull]) -> None:
        self._city = city
        self._stream = stream
        self._pulled_at = pulled_at
        self._pulls = pulls
        self._name = f"{pulled_at:%Y%m%dT%H%M%SZ}-{secrets.token_hex(4)}"
        self._open: dict[date, _Batch] = {}

    def add(self, day: date, record: Mapping[str, object], digest: str) -> None:
        batch = self._open.get(day)
        if batch is None:
            batch = self._open[day] = _Batch(f"{day}-{self._name}-{len(self._pulls[day].batches):05d}")
        batch.digests.add(digest)
        batch.lines.append(seal(record, self._city.name, day, batch.name, self._pulled_at, digest))
        if len(batch.lines) == BATCH_SIZE:
            self._put(day)

    def flush(self) -> None:
        for day in sorted(self._open):
            self._put(day)

    def _put(self, day: date) -> None:
        batch = self._open.pop(day)
        self._stream.put(day, batch.lines)
        self._pulls[day].batches[batch.name] = batch.digests


@dataclass(frozen=True)
class _Batch:
    name: str
    digests: set[str] = field(default_factory=set)
    lines: list[bytes] = field(default_factory=list)


def _manifests(
    landing: LandingStore,
    city: City,
    pulls: Mapping[date, DayPull],
    landed: Mapping[date, Mapping[str, set[str]]],
    sources: Mapping[date, Manifest],
) -> Iterator[tuple[str, bytes]]:
    """Keys and contents of the manifests that change: what had landed before the pull, and what it put to the stream.

    `sources` are manifests that describe the source and promise no batches yet.
    """
    for day, result in pulls.items():
        key = keys.manifest(city.name, day)
        content = landing.read(key)
        batches = _landed_entries(landed[day], content) | {
            name: entry(digests) for name, digests in result.batches.items()
        }
        changed = dump_manifest(city.name, day, replace(sources[day], batches=batches))
        if changed != content:
            yield key, changed


def _landed_entries(landed: Mapping[str, set[str]], content: bytes | None) -> dict[str, BatchEntry]:
    """The entries of what had landed before the pull; `content` is the day's manifest as it was.

    A batch that it promised but that never landed is no longer promised: its records, as the source has them now, are
    among the new ones. Neither is the rest of a batch that landed in part, though it may still come.
    """
    try:
        promised = load_manifest(content).batches if content is not None else {}
    except LandingError:
        promised = {}  # It is written anew.
    return {name: landed_entry(digests, promised.get(name)) for name, digests in landed.items()}
