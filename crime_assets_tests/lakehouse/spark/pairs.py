"""Two lakes that are given the same, one by DuckDB and one by Spark, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from crime_assets.core import keys
from crime_assets.core.envelopes import seal
from crime_assets.feeds import Feed
from crime_assets.lakehouse.history import HistoryResult
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.merge import MergeResult
from crime_assets.lakehouse.removal import Gone, Removal, remove
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.lakehouse.writers import EmbeddedWriter, Writer
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import Inventory, take_inventories
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.lakes import properties, rows

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

TABLES = ("crimes", "crimes_superseded", "crimes_quarantine", "crimes_removed")
_MOST_TOLD = 5


class One:
    """A lake and its writer."""

    def __init__(self, home: Path, session: SparkSession | None) -> None:
        self.session = session
        self.lake = Lake(home)
        self.landing = DirectoryStore(self.lake.landing)
        self.writer: Writer = (
            SparkWriter(self.lake, CHICAGO, self.landing, lambda: session)
            if session is not None
            else EmbeddedWriter(self.lake, CHICAGO, self.landing)
        )

    def deliver(self, day: date, name: str, lines: Iterable[bytes]) -> None:
        self.landing.write(f"{keys.deliveries_prefix('chicago', day)}{name}", b"".join(lines))

    def close(self) -> None:
        if isinstance(self.writer, SparkWriter):
            self.writer.close()

    def inventories(self, *days: date) -> Mapping[date, Inventory]:
        return take_inventories(self.landing, "chicago", days)


class Pair:
    """The same, twice."""

    def __init__(self, home: Path, session: SparkSession) -> None:
        self.duckdb = One(home / "duckdb", None)
        self.spark = One(home / "spark", session)

    @property
    def both(self) -> tuple[One, One]:
        return self.duckdb, self.spark

    def load(self, feed: Feed, before: date) -> HistoryResult:
        """Load the history; what Spark says of it."""
        expected, found = (one.writer.load_history(feed, before, "run-1") for one in self.both)
        assert found.snapshot_id != expected.snapshot_id or not found.loaded
        assert _without(found, "snapshot_id") == _without(expected, "snapshot_id")
        return found

    def deliver(self, day: date, name: str, lines: Iterable[bytes]) -> None:
        whole = list(lines)
        for one in self.both:
            one.deliver(day, name, whole)

    def merge(self, *days: date) -> MergeResult:
        """Merge these days; what Spark says of it."""
        expected, found = (one.writer.merge(one.inventories(*days), {"run-id": "run-2"}) for one in self.both)
        files = ("files_removed", "files_added", "files_skipped", "bytes_rewritten", "snapshot_id")
        assert _without(found, *files) == _without(expected, *files)
        assert (found.snapshot_id is None) == (expected.snapshot_id is None)
        return found

    def remove(self, gone: list[Gone], on: date) -> None:
        for one in self.both:
            removal = Removal(gone, on, datetime(2024, 2, 1, tzinfo=UTC))
            assert remove(one.lake, CHICAGO, removal, {}) == len(gone)

    def close(self) -> None:
        for one in self.both:
            one.close()

    def differing(self) -> str:
        """What differs, for a person; empty where nothing does."""
        told: list[str] = []
        for name in TABLES:
            expected, found = (_without_moments(rows(one.lake, name)) for one in self.both)
            told += difference(name, expected, found)
            if expected:
                expected_marks, found_marks = (properties(one.lake, name) for one in self.both)
                if expected_marks != found_marks:
                    told.append(f"{name}: the snapshot says {found_marks} by Spark, {expected_marks} by DuckDB")
        return "\n".join(told)


def difference(what: str, expected: list[dict[str, Any]], found: list[dict[str, Any]]) -> list[str]:
    """Rows that only one has, a few of each."""
    ours, theirs = ([repr(sorted(row.items())) for row in some] for some in (found, expected))
    only_ours, only_theirs = sorted(set(ours) - set(theirs)), sorted(set(theirs) - set(ours))
    told = [f"{what}: only by Spark {row}" for row in only_ours[:_MOST_TOLD]]
    told += [f"{what}: only by DuckDB {row}" for row in only_theirs[:_MOST_TOLD]]
    if len(ours) != len(theirs):
        told.append(f"{what}: {len(ours)} rows by Spark, {len(theirs)} by DuckDB")
    return told


def line(source: Mapping[str, object], day: date, pulled: str = "2024-01-21T08:00:00") -> bytes:
    """A record as it is delivered."""
    return seal(source, "chicago", day, "batch", datetime.fromisoformat(pulled).replace(tzinfo=UTC))


def _without(result: object, *names: str) -> dict[str, object]:
    return {name: value for name, value in vars(result).items() if name not in names}


def _without_moments(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A history is pulled when it is loaded, and a damaged line found when it is read: twice, here."""
    return [
        {**row, "ingested_at": None if "reason" in row or row["ingested_at"].year > 2024 else row["ingested_at"]}
        for row in found
    ]
