"""A lake fed by documents is the lake fed by the portal's export of the same crimes, on real rows.

The export is the independent witness: a rule of values and its inverse could be wrong together.
"""

from __future__ import annotations

import csv
import gzip
import itertools
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.lakehouse.reconciliation.reconcile import compare
from crime_assets.lakehouse.reconciliation.removal import Removal, remove
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.migration import LegacyDatabase, Road
from crime_assets.migration.export import export
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.mappings import ALL
from crime_assets.migration.sample import Filled, create, fill
from crime_assets.migration.stores.sqlite import SqliteStore
from crime_assets.migration.verify import verify
from crime_assets.sources.feeds import Feed
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.legacy import LegacyFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.migration.roads import quiet
from crime_assets_tests.migration.servers import PostgresServer

TODAY = date(2018, 11, 28)
NOW = datetime(2018, 11, 28, 18, tzinfo=UTC)
ROWS = 3_000


def beginning(source: Path, target: Path, rows: int) -> None:
    """The first records of an export."""
    with gzip.open(source, "rt", newline="") as whole, gzip.open(target, "wt", newline="") as part:
        csv.writer(part).writerows(itertools.islice(csv.reader(whole), rows + 1))


def road_to(database: LegacyDatabase, home: Path) -> Road:
    """Out of a database into documents and exports in a directory."""
    store, landing = SqliteStore(home / "documents.db"), DirectoryStore(home / "landing")
    return Road(database, store, landing, ALL, "chicago", home, lambda: NOW)


def exported(road: Road) -> int:
    """The documents as they are now, verified and exported; how many there are."""
    catch_up(road)
    verdict = verify(road, False, quiet)
    assert (verdict.differences, verdict.verified is None) == (0, False)
    return export(road).items


def typed_rows(lake: Lake) -> list[tuple[object, ...]]:
    """Id and digest of the typed columns of every crime in a lake."""
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    paths = [local_path(file.file_path) for file in tables.data_files(table)]
    sql = """
        SELECT id, md5(CAST(crime AS VARCHAR))
        FROM (SELECT * EXCLUDE (record_md5, ingested_at) FROM read_parquet($1, hive_partitioning = false)) AS crime
        ORDER BY id
    """
    return duckdb.execute(sql, [paths]).fetchall()


def lake_of(feed: Feed, home: Path) -> Lake:
    """A lake with all that the feed has."""
    lake = Lake(home)
    load_history(lake, CHICAGO, feed, TODAY, "run")
    return lake


@pytest.mark.slow
def test_a_part_of_2016_is_the_same_lake(shared_data: Path, tmp_path: Path, postgres_legacy: PostgresServer) -> None:
    source = tmp_path / "part.csv.gz"
    beginning(shared_data / "chicago" / "Crimes_-_2016.csv.gz", source, ROWS)
    feed = ExportFeed(CHICAGO, str(source), cache=tmp_path / "cache", today=TODAY)
    wanted = typed_rows(lake_of(feed, tmp_path / "export"))
    assert len(wanted) == ROWS
    with postgres_legacy.department() as department:
        with closing(department.connect()) as connection:
            create(connection, "postgresql")
            assert fill(connection, "postgresql", CHICAGO, feed, TODAY) == Filled(ROWS, 0)
        road = road_to(department.open(*ALL), tmp_path)
        load(road, quiet)
        assert exported(road) > ROWS
        legacy = LegacyFeed(CHICAGO, road.landing, cache=tmp_path / "legacy", today=TODAY)
        assert (legacy.total(), legacy.undated()) == (feed.total(), feed.undated())
        lake = lake_of(legacy, tmp_path / "documents")
        assert typed_rows(lake) == wanted

        # What is deleted there is deleted here after the next export.
        gone = sorted(int(str(row[0])) for row in wanted[:: ROWS // 3])
        department.run(f"DELETE FROM crimes WHERE id IN ({', '.join(map(str, gone))})")
        exported(road)
    until = TODAY - timedelta(days=1)
    compared = compare(lake, CHICAGO, legacy, until, Limits())
    assert (sorted(one.id for one in compared.gone), len(compared.missing)) == (gone, 0)
    assert remove(lake, CHICAGO, Removal(compared.gone, until, NOW), {}) == len(gone)
    assert typed_rows(lake) == [row for row in wanted if row[0] not in gone]
