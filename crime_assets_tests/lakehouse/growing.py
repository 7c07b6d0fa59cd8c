"""A lake that grows day by day, seeded: new crimes, edits of old ones all over its months, now and then a bad record.

Tests of upkeep let it grow, keep it up, and hold what it has against what it should have.
"""

from __future__ import annotations

import random
from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq

from crime_assets.core.insights import Insight, all_insights
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.compaction import compact
from crime_assets.lakehouse.upkeep.expiry import expire
from crime_assets.lakehouse.upkeep.orphans import remove_orphans
from crime_assets.lakehouse.upkeep.sizes import table_sizes
from crime_assets.lakehouse.writing.insights import replace_days, stale_days
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, rows

FIRST = date(2024, 1, 20)
SUMMARY, TYPES = all_insights()[:2]

Row = tuple[str, ...]


class Growing:
    """A lake, what it should hold, and the moment (by the real clock) at which each of its days was merged."""

    def __init__(self, lake: Lake, seed: int = 7, months: int = 24, insights: Iterable[Insight] = (SUMMARY,)) -> None:
        self.lake = lake
        self.insights = tuple(insights)
        self.moments: list[datetime] = []
        self.records: dict[int, dict[str, object]] = {}
        self.bad: set[int] = set()
        self._random = random.Random(seed)
        self._months = months
        self._engine = DuckDBEngine(lake, CHICAGO)

    @property
    def day(self) -> date:
        """The change day that was merged last."""
        return FIRST + timedelta(days=len(self.moments) - 1)

    def begin(self) -> None:
        """The first day: two crimes in each of the months."""
        self.moments.append(datetime.now(UTC))
        for number in range(2 * self._months):
            self._change(number, FIRST - timedelta(days=8 + 30 * (number % self._months)))
        self.merge()

    def next_day(self) -> None:
        """Another day comes, and is not merged yet."""
        self.moments.append(datetime.now(UTC))
        for _ in range(3):
            self._change(len(self.records), self.day - timedelta(days=8))
        for number in self._random.sample(sorted(self.records.keys() - self.bad), 4):
            occurred = date.fromisoformat(str(self.records[number]["date"])[:10])
            self._change(number, occurred + timedelta(days=self._random.choice((0, 0, 0, 31))))
        self._change(bad := len(self.records), self.day, ward="somewhere")
        self.bad.add(bad)

    def merge(self) -> None:
        """Merge all that changed on the last day, and compute its insights."""
        changed = [source for source in self.records.values() if str(source["updated_on"])[:10] == str(self.day)]
        merge(self.lake, *(envelope(source, str(self.day), f"{self.day}T23:00:00") for source in changed))
        self.compute()

    def compute(self) -> None:
        """Compute the insights of the last day, and those that it made stale."""
        for insight in self.insights:
            days = {self.day, *stale_days(self.lake, CHICAGO, insight)}
            results = {day: self._engine.insight(insight, day) for day in sorted(days)}
            replace_days(self.lake, CHICAGO, insight, results)

    def compact(self) -> None:
        compact(self.lake, CHICAGO)

    def expire(self, keep_days: int) -> None:
        """Forget what was replaced more than so many days of the simulation ago."""
        expire(self.lake, CHICAGO, self.insights, self.moments[-min(keep_days, len(self.moments))])

    def remove_orphans(self) -> None:
        """Remove orphans, however young."""
        remove_orphans(self.lake, CHICAGO, datetime.now(UTC) + timedelta(seconds=1))

    def upkeep(self, keep_days: int) -> None:
        """One night's upkeep."""
        self.compact()
        self.expire(keep_days)
        self.remove_orphans()

    def known(self, day: date) -> list[dict[str, object]]:
        """What the engine says was known on a day."""
        return list(self._engine.insight(SUMMARY, day).to_pylist())

    def assert_as_told(self) -> None:
        """The present rows are those of the newest versions; what cannot be typed is in quarantine, once."""
        typed = {number: source for number, source in self.records.items() if number not in self.bad}
        found = {
            row["id"]: (f"{row['occurred_on']:%Y-%m-%d}", f"{row['change_day']:%Y-%m-%d}") for row in rows(self.lake)
        }
        assert found == {
            number: (str(source["date"])[:10], str(source["updated_on"])[:10]) for number, source in typed.items()
        }
        assert sorted(int(row["id"]) for row in rows(self.lake, "crimes_quarantine")) == sorted(self.bad)

    def close(self) -> None:
        self._engine.close()

    def again(self, lake: Lake) -> Growing:
        """The same, as it is now, on a lake that was copied from its own."""
        twin = Growing(lake, months=self._months, insights=self.insights)
        twin.moments, twin.records, twin.bad = list(self.moments), dict(self.records), set(self.bad)
        twin._random.setstate(self._random.getstate())
        return twin

    def _change(self, number: int, occurred: date, **fields: object) -> None:
        fields = {"block": f"{self._random.randrange(999):03}XX N STATE ST", **fields}
        self.records[number] = record(number, str(self.day), str(occurred), **fields)


def contents(lake: Lake) -> dict[tuple[str, int], list[Row]]:
    """The rows of every live snapshot of every table, read from its files."""
    files: dict[str, list[Row]] = {}
    found = {}
    for name, table in tables.every(lake, "chicago").items():
        for snapshot in table.metadata.snapshots:
            held: list[Row] = []
            for file in tables.data_files(table, snapshot.snapshot_id):
                path = local_path(file.file_path)
                if path not in files:
                    files[path] = [tuple(map(str, row.values())) for row in pq.ParquetFile(path).read().to_pylist()]
                held += files[path]
            found[name, snapshot.snapshot_id] = sorted(held)
    return found


def referred(lake: Lake) -> set[str]:
    """Every file that a table's metadata refers to, as pyiceberg's own inspection tells it."""
    found: set[str] = set()
    for table in tables.every(lake, "chicago").values():
        found |= {table.metadata_location, *(entry.metadata_file for entry in table.metadata.metadata_log)}
        found |= {snapshot.manifest_list for snapshot in table.metadata.snapshots}
        found |= set(table.inspect.all_manifests()["path"].to_pylist())
        found |= set(table.inspect.all_files()["file_path"].to_pylist())
    return {local_path(location) for location in found}


def on_disk(lake: Lake) -> set[str]:
    """Every file of the warehouse."""
    return {str(path) for path in Path(lake.home / "warehouse").rglob("*") if path.is_file()}


def assert_bounded(lake: Lake, replaced: int, merged: int) -> None:
    """After an upkeep every `merged` days that keeps what was replaced `replaced` days ago: nothing piles up.

    A day makes one snapshot of a table, an upkeep two at most.
    """
    for name, size in table_sizes(lake, "chicago").items():
        snapshots = (replaced + 1) * (1 + 2 / merged) + 3
        assert size.snapshots <= snapshots, name
        assert size.manifests <= compaction.MOST_MANIFESTS, name
        own = tables.every(lake, "chicago")[name]
        if name in ("crimes_superseded", "crimes_quarantine"):
            assert size.data_files <= compaction.MOST_SMALL_FILES, name
        if name == "crimes":
            assert size.data_files == len({file.partition[0] for file in tables.data_files(own)})
        metadata = Path(local_path(own.location())) / "metadata"
        assert len(list(metadata.glob("*.metadata.json"))) <= 21, name
        assert len(list(metadata.glob("snap-*.avro"))) == size.snapshots, name
        manifests = snapshots * compaction.MOST_MANIFESTS
        assert len(list(metadata.glob("*-m*.avro"))) <= manifests, name
