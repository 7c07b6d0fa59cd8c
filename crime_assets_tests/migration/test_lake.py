"""A lake fed by documents is the lake fed by the portal's export of the same crimes, on real rows.

The export is the independent witness: a rule of values and its inverse could be wrong together.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb
import pytest

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.migration import Chunk, Road
from crime_assets.migration.export import export
from crime_assets.migration.mappings import ALL, CRIME
from crime_assets.migration.progress import Position, State, Verified
from crime_assets.migration.rendering import Renderer
from crime_assets.migration.sample import _records
from crime_assets.migration.stores import EMPTY
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.sources.feeds import Feed
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.legacy import LegacyFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.migration.tiny import TinyDatabase, table_of

TODAY = date(2018, 11, 28)
NOW = datetime(2018, 11, 28, 18, tzinfo=UTC)
_CHUNK = 5_000


def beginning(source: Path, target: Path, rows: int) -> None:
    """The first records of an export."""
    with gzip.open(source, "rt", newline="") as whole, gzip.open(target, "wt", newline="") as part:
        csv.writer(part).writerows(itertools.islice(csv.reader(whole), rows + 1))


def chunks(feed: Feed) -> Iterator[Chunk]:
    """Crimes as a database would give them, without children."""
    names = [column.name for column in CRIME.columns]
    nothing = {
        child.table: table_of([], [*child.parent, *(column.name for column in child.columns)])
        for child in CRIME.children
    }
    for rows, skipped in _records(CHICAGO, feed, TODAY):
        assert skipped == 0
        for start in range(0, len(rows), _CHUNK):
            roots = table_of([dict(zip(names, row, strict=True)) for row in rows[start : start + _CHUNK]], names)
            yield Chunk(roots, nothing, None)


def exported(feed: Feed, home: Path) -> DirectoryStore:
    """Its crimes as documents, verified and exported."""
    store, landing, renderer = SqliteStore(home / "documents.db"), DirectoryStore(home / "landing"), Renderer(CRIME)
    seal = roots = 0
    with store.hold() as known:
        for chunk in chunks(feed):
            made = renderer.checked(chunk)
            assert made.unmappable == []
            store.put(made.items, None)
            seal, roots = seal ^ renderer.seal(made.items), roots + chunk.roots.num_rows
        proven = Verified(Position(1), roots, seal, roots, roots, NOW)
        store.put(EMPTY, replace(known, state=State.FOLLOWING, position=Position(1), verified=proven))
    assert export(Road(TinyDatabase(), store, landing, ALL, "chicago", home, lambda: NOW)).items == roots
    return landing


def typed_rows(feed: Feed, home: Path) -> list[tuple[object, ...]]:
    """Id and digest of the typed columns of every crime in a lake fed by it."""
    lake = Lake(home)
    load_history(lake, CHICAGO, feed, TODAY, "run")
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    paths = [local_path(file.file_path) for file in tables.data_files(table)]
    sql = """
        SELECT id, md5(CAST(crime AS VARCHAR))
        FROM (SELECT * EXCLUDE (record_md5, ingested_at) FROM read_parquet($1, hive_partitioning = false)) AS crime
        ORDER BY id
    """
    return duckdb.execute(sql, [paths]).fetchall()


def same_lake(source: Path, home: Path) -> int:
    """Both lakes' rows are the same; their number."""
    feed = ExportFeed(CHICAGO, str(source), cache=home / "cache", today=TODAY)
    landing = exported(feed, home)
    wanted = typed_rows(feed, home / "export")
    legacy = LegacyFeed(CHICAGO, landing, cache=home / "legacy", today=TODAY)
    assert (legacy.total(), legacy.undated()) == (feed.total(), feed.undated())
    assert typed_rows(legacy, home / "documents") == wanted
    return len(wanted)


@pytest.mark.slow
def test_a_part_of_2016_is_the_same_lake(shared_data: Path, tmp_path: Path) -> None:
    source = tmp_path / "part.csv.gz"
    beginning(shared_data / "chicago" / "Crimes_-_2016.csv.gz", source, 5_000)
    assert same_lake(source, tmp_path) == 5_000


@pytest.mark.stress
def test_all_of_2016_is_the_same_lake(shared_data: Path, tmp_path: Path, thrown: Callable[[str, object], None]) -> None:
    rows = same_lake(shared_data / "chicago" / "Crimes_-_2016.csv.gz", tmp_path)
    assert rows > 260_000
    thrown("crimes of 2016 whose lake out of documents is that of the portal's export", rows)
