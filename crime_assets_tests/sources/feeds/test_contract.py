"""The contract of `Feed`, held against all feeds over one and the same city.

The sample city's records are also written as a portal export and as documents, and served by a portal, so all must tell
the same.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from crime_assets.core.digests import COMPUTED_REGION
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.sources.feeds import DAMAGE, RAW, Feed, Record
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.legacy import LegacyFeed
from crime_assets.sources.feeds.sample import SampleFeed
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, write_export
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.legacy_exports import write_legacy_export
from crime_assets_tests.sources.feeds.soda_server import SodaServer

ORIGIN = date(2025, 9, 1)
TODAY = date(2025, 9, 11)
LATEST = TODAY - timedelta(days=1)
EVER = date(2000, 1, 1)
ROWS = 4_000
FEEDS = ("sample", "export", "socrata", "legacy")


def sample() -> SampleFeed:
    return SampleFeed(CHICAGO, origin=ORIGIN, today=TODAY, rows=ROWS, seed=3)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(sample().changes(EVER, LATEST))


@pytest.fixture(scope="module")
def feeds(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Feed]]:
    place = tmp_path_factory.mktemp("feeds")
    write_export(place / "export.csv.gz", records)
    landing = DirectoryStore(place / "landing")
    write_legacy_export(landing, records)
    with SodaServer(records, seed=5) as server:
        yield {
            "sample": sample(),
            "export": ExportFeed(CHICAGO, str(place / "*.csv.gz"), cache=place / "cache", today=TODAY),
            "legacy": LegacyFeed(CHICAGO, landing, cache=place / "cache", today=TODAY),
            "socrata": SocrataFeed(
                server.city(CHICAGO),
                scheme="http",
                page_size=700,
                now=lambda: datetime(TODAY.year, TODAY.month, TODAY.day, 18, tzinfo=UTC),
            ),
        }


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, feeds: dict[str, Feed]) -> Feed:
    return feeds[request.param]


def ids(found: list[Record]) -> list[str]:
    return sorted(str(record["id"]) for record in found)


def test_columns_are_those_the_city_is_known_for(feed: Feed) -> None:
    assert feed.columns() == frozenset(CHICAGO.source_columns)


def test_the_latest_day_is_the_last_complete_one(feed: Feed) -> None:
    assert feed.latest_day() == LATEST


def test_its_name_is_what_crime_feed_calls_it(feeds: dict[str, Feed]) -> None:
    assert {name: feed.name for name, feed in feeds.items()} == {name: name for name in FEEDS}


@pytest.mark.parametrize("before", [ORIGIN, ORIGIN + timedelta(days=4), TODAY])
def test_history_and_changes_hold_each_record_once(feed: Feed, records: list[Record], before: date) -> None:
    history = read_history(feed, before).to_pylist()
    changes = list(feed.changes(before, LATEST))
    assert ids(history + changes) == ids(records)
    assert len(changes) == sum(str(r["updated_on"])[:10] >= str(before) for r in records)


def test_days_are_inclusive_and_do_not_overlap(feed: Feed, records: list[Record]) -> None:
    days = [ORIGIN + timedelta(days=n) for n in range(10)]
    by_day = [ids(list(feed.changes(day, day))) for day in days]
    assert all(by_day)
    assert sorted(id for found in by_day for id in found) == ids(list(feed.changes(days[0], days[-1])))
    assert [feed.count(day, day) for day in days] == [len(found) for found in by_day]
    for day, found in zip(days, by_day, strict=True):
        assert found == ids([r for r in records if str(r["updated_on"])[:10] == str(day)])


def test_records_are_the_sources_own_fields_and_no_nulls(feed: Feed) -> None:
    for record in feed.changes(LATEST, LATEST):
        assert record.keys() <= CHICAGO.source_columns.keys()
        assert None not in record.values()
        assert "" not in record.values()
        assert not any(name.startswith((":", "_", COMPUTED_REGION)) for name in record)


def test_history_has_a_column_for_each_field_and_two_for_damage(feed: Feed) -> None:
    table = read_history(feed, ORIGIN)
    assert set(table.schema.names) == {*CHICAGO.source_columns, DAMAGE, RAW}
    assert all(pa.types.is_string(field.type) or pa.types.is_boolean(field.type) for field in table.schema)
    assert table.column(DAMAGE).null_count == table.column(RAW).null_count == table.num_rows > 3_000


def test_a_history_is_given_in_parts_that_can_be_read_again(feed: Feed) -> None:
    with feed.history(ORIGIN) as history:
        first = {part: ids(history.read(part).to_pylist()) for part in history.parts}
        again = {part: ids(history.read(part).to_pylist()) for part in history.parts}
        assert len(first) == len(history.parts) > 0
    assert first == again


def test_the_parts_of_a_source_are_the_same_next_time_and_another_days_are_not(feed: Feed) -> None:
    with feed.history(ORIGIN) as history:
        source, parts = history.source, set(history.parts)
    with feed.history(ORIGIN) as history:
        assert (history.source, set(history.parts)) == (source, parts)
    with feed.history(TODAY) as history:
        assert history.source != source


def test_every_record_of_this_city_belongs_to_a_day(feed: Feed) -> None:
    assert feed.undated() == 0


def test_a_day_without_changes_is_empty(feed: Feed) -> None:
    assert list(feed.changes(EVER, EVER)) == []
    assert feed.count(EVER, EVER) == 0


@pytest.mark.slow
def test_all_feeds_end_in_the_same_typed_rows(feeds: dict[str, Feed], tmp_path: Path) -> None:
    found = {}
    for name, feed in feeds.items():
        lake = Lake(tmp_path / name)
        load_history(lake, CHICAGO, feed, TODAY, "run")
        table = tables.load(lake, "chicago", "crimes")
        assert table is not None
        paths = [local_path(file.file_path) for file in tables.data_files(table)]
        sql = "SELECT * EXCLUDE (record_md5, ingested_at) FROM read_parquet(?, hive_partitioning = false) ORDER BY id"
        found[name] = duckdb.execute(sql, [paths]).fetchall()
    assert len(found["sample"]) > 4_000
    assert found["export"] == found["sample"]
    assert found["legacy"] == found["sample"]
    assert found["socrata"] == found["sample"]
