"""Two lakes that are given the same, one by DuckDB and one by Spark, and what differs between them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crime_assets.core import keys
from crime_assets.core.envelopes import seal
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, remove
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.lakehouse.writers import EmbeddedWriter, Writer
from crime_assets.lakehouse.writing.history import HistoryResult
from crime_assets.lakehouse.writing.merge import MergeResult
from crime_assets.sources.feeds import Feed
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import Inventory, take_inventories
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.lakehouse.lakes import properties

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
            expected, found = (contents(one.lake, name) for one in self.both)
            told += difference(name, expected, found)
            if len(expected):
                expected_marks, found_marks = (properties(one.lake, name) for one in self.both)
                if expected_marks != found_marks:
                    told.append(f"{name}: the snapshot says {found_marks} by Spark, {expected_marks} by DuckDB")
        return "\n".join(told)


def difference(what: str, expected: pa.Table, found: pa.Table) -> list[str]:
    """Columns that differ, or rows that only one has, a few of each."""
    schemas = [table.schema.remove_metadata() for table in (found, expected)]
    if schemas[0] != schemas[1]:
        return [f"{what}: columns {schemas[0]} by Spark, {schemas[1]} by DuckDB"]
    told: list[str] = []
    with duckdb.connect() as con:
        con.register("expected", expected)
        con.register("found", found)
        for by, rows in (
            ("Spark", "FROM found EXCEPT ALL FROM expected"),
            ("DuckDB", "FROM expected EXCEPT ALL FROM found"),
        ):
            only = con.sql(f"FROM ({rows}) ORDER BY ALL LIMIT {_MOST_TOLD}").to_arrow_table().to_pylist()
            told += [f"{what}: only by {by} {row}" for row in only]
    return told


def line(source: Mapping[str, object], day: date, pulled: str = "2024-01-21T08:00:00") -> bytes:
    """A record as it is delivered."""
    return seal(source, "chicago", day, "batch", datetime.fromisoformat(pulled).replace(tzinfo=UTC))


def _without(result: object, *names: str) -> dict[str, object]:
    return {name: value for name, value in vars(result).items() if name not in names}


def contents(lake: Lake, name: str) -> pa.Table:
    """A table's rows without moments that are never the same twice.

    A history is pulled when it is loaded, and a damaged line found when it is read: each lake at its own time.
    """
    table = tables.load(lake, CHICAGO.name, name)
    if table is None:
        return pa.table({"there is no table": pa.nulls(0)})
    now = "true" if "reason" in column_names(table) else "year(ingested_at) > 2024"
    held = rows_of(table, tables.data_files(table))
    with connection(lake.staging) as con:
        return con.sql(f"SELECT * REPLACE (if({now}, NULL, ingested_at) AS ingested_at) FROM ({held})").to_arrow_table()
