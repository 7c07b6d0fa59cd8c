"""What feeds tell for a reconciliation, held against all three over one and the same city: months, records, ids."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.digests import record_digest
from crime_assets.core.errors import FeedUnavailable
from crime_assets.sources.feeds import Feed, Record, Stamps
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.sample import SampleFeed, life
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets_tests.build import CHICAGO, record, stamps, write_export
from crime_assets_tests.sources.feeds.soda_server import SodaServer, normal, tampered

ORIGIN, TODAY = date(2025, 8, 8), date(2025, 8, 18)
UNTIL = date(2025, 8, 11)
LAST = date(2025, 9, 4)
"""The same for records that are written down here."""
FEEDS = ("sample", "export", "socrata")
# Of July and August.
ROWS = 1_200


def _sample(today: date = TODAY) -> SampleFeed:
    return SampleFeed(CHICAGO, origin=ORIGIN, today=today, rows=ROWS, seed=3)


def _socrata(server: SodaServer) -> SocrataFeed:
    return SocrataFeed(server.city(CHICAGO), scheme="http", page_size=500, attempts=3, sleep=lambda _: None)


@pytest.fixture(scope="module")
def records() -> list[Record]:
    return list(_sample().changes(date(2000, 1, 1), TODAY))


@pytest.fixture(scope="module")
def feeds(records: list[Record], tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Feed]]:
    place = tmp_path_factory.mktemp("feeds")
    write_export(place / "one.csv.gz", records[::2])
    write_export(place / "two.csv", records[1::2])
    with SodaServer(records, seed=5) as server:
        yield {
            "sample": _sample(),
            "export": ExportFeed(CHICAGO, str(place / "*.csv*"), cache=place / "cache", today=TODAY),
            "socrata": _socrata(server),
        }


@pytest.fixture(params=FEEDS)
def feed(request: pytest.FixtureRequest, feeds: dict[str, Feed]) -> Feed:
    return feeds[request.param]


@pytest.fixture
def portal() -> Iterator[SodaServer]:
    """Crimes of two months, one without a time and two of an impossible one."""
    timeless = record(4, "2025-09-01")
    del timeless["date"]
    rows = [
        record(1, "2025-09-01", "2025-08-01T00:00:00.000"),
        record(2, "2025-09-04T23:59:59.000", "2025-08-31T23:59:59.000"),
        record(3, "2025-09-01", "2025-07-31T23:59:59.000"),
        timeless,
        record(5, "2025-09-01", "0204-08-01"),
        record(6, "2025-09-01", "2101-01-01"),
        record(7, "2025-09-05", "2025-08-01"),
    ]
    stampless = record(8, "2025-09-01", "2025-08-01")
    del stampless["updated_on"]
    with SodaServer([*rows, stampless], seed=1) as server:
        yield server


def _counts(feed: Feed, until: date) -> dict[date | None, int]:
    return {month: found.records for month, found in feed.month_stamps(until).items()}


def _until(records: list[Record], until: date) -> list[Record]:
    return [record for record in records if str(record["updated_on"])[:10] <= str(until)]


def _month(record: Record) -> date:
    return date.fromisoformat(f"{str(record['date'])[:7]}-01")


@pytest.mark.parametrize("until", [UNTIL, TODAY, date(2000, 1, 1)])
def test_months_count_what_was_stamped_up_to_a_day(feed: Feed, records: list[Record], until: date) -> None:
    expected: dict[date | None, Stamps] = {}
    for one in _until(records, until):
        stamped = stamps(datetime.fromisoformat(str(one["updated_on"])))
        expected[_month(one)] = expected.get(_month(one), Stamps()).plus(stamped)
    assert feed.month_stamps(until) == expected


def test_the_records_of_months_are_those_that_are_counted(feed: Feed, records: list[Record]) -> None:
    counts = _counts(feed, UNTIL)
    assert len(counts) > 1
    assert sum(counts.values()) < len(records)
    for months in ([max(counts, key=str)], [*counts], [date(1999, 1, 1), None], []):
        expected = [record for record in _until(records, UNTIL) if _month(record) in months]
        found = list(feed.month_records(months, UNTIL))
        assert sorted(str(record["id"]) for record in found) == sorted(str(record["id"]) for record in expected)


def test_the_records_of_months_are_those_that_changes_give(feed: Feed) -> None:
    """Else what is in quarantine would be pulled again every week."""
    changes = {record_digest(record) for record in feed.changes(date(2000, 1, 1), UNTIL)}
    assert {record_digest(record) for record in feed.month_records([*feed.month_stamps(UNTIL)], UNTIL)} == changes


def test_ids_are_present_whatever_their_stamp(feed: Feed, records: list[Record]) -> None:
    there = {int(str(record["id"])) for record in records}
    absent = {1, max(there) + 1, 10**17, min(there) - 1}
    assert feed.present(there | absent) == there
    assert feed.present(absent) == feed.present([]) == set()
    one = next(iter(there))
    assert feed.present([one]) == {one}


def test_the_sample_city_forgets_what_it_deleted() -> None:
    before, after = _sample(), _sample(TODAY + timedelta(days=120))
    ids = {int(str(record["id"])) for record in before.changes(date(2000, 1, 1), TODAY)}
    assert before.present(ids) == ids
    deleted = set()
    for month in (7, 8):
        lives = life.month(3, 2025, month)
        gone = (lives.deleted >= life.ordinal(TODAY)) & (lives.deleted < life.ordinal(TODAY) + 120)
        deleted |= set((lives.day[gone] * 1_200 + lives.number[gone]).tolist()) & ids
    assert len(deleted) > 1
    assert after.present(ids) == ids - deleted


def test_an_export_counts_every_copy_and_its_damage_may_be_anything(tmp_path: Path) -> None:
    timeless, stampless = record(4, "2025-09-01"), record(5, "2025-09-01")
    rows = [record(1, "2025-09-01", "2025-08-01"), timeless, stampless, record(6, "2025-09-01", "0204-08-01")]
    path = write_export(tmp_path / "crimes.csv", rows)
    lines = path.read_text().splitlines(keepends=True)
    lines[2] = lines[2].replace("01/05/2024 01:00:00 PM", "")
    lines[3] = lines[3].replace("09/01/2025 03:40:00 PM", "")
    assert len({*lines}) == 5
    (tmp_path / "copy.csv").write_text("".join(lines))
    path.write_text("".join([*lines, '77,JH1,"damaged" 78\n']))
    feed = ExportFeed(CHICAGO, str(tmp_path / "*.csv"), cache=tmp_path / "cache", today=TODAY)

    assert _counts(feed, LAST) == {date(2025, 8, 1): 2, None: 4}
    assert [found["id"] for found in feed.month_records([None], LAST)] == ["4", "6"] * 2
    assert feed.present({1, 2, 4, 5, 6, 77, 78, 79}) == {1, 4, 5, 6, 77, 78}


def test_the_portals_times_that_no_crime_can_have_are_no_month(portal: SodaServer) -> None:
    feed = _socrata(portal)
    assert _counts(feed, LAST) == {date(2025, 8, 1): 2, date(2025, 7, 1): 1, None: 3}
    assert [found["id"] for found in feed.month_records([date(2025, 8, 1)], LAST)] == ["1", "2"]
    assert [found["id"] for found in feed.month_records([None, date(2025, 7, 1)], LAST)] == ["4", "5", "6", "3"]
    assert feed.present(range(20)) == set(range(1, 9))


def test_the_portal_is_asked_for_a_few_hundred_ids_at_a_time(portal: SodaServer) -> None:
    assert _socrata(portal).present(range(10**8, 10**8 + 700)) == set()

    asked = [request.params["$where"] for request in portal.requests]
    assert [where.count(",") + 1 for where in asked] == [300, 300, 100]
    assert asked[0].startswith("id IN ('100000000', '100000001', ")


@pytest.mark.parametrize(
    "answer",
    [b'[{"id":"9"}]', b"[{}]", b'[{"id":"1; DROP"}]', b'{"id":"1"}', b"[1]"],
    ids=["not asked for", "no id", "no number", "no list", "no records"],
)
def test_an_answer_about_other_ids_is_asked_for_again(portal: SodaServer, answer: bytes) -> None:
    feed = _socrata(portal)
    portal.queue(tampered(lambda _: answer), normal)
    assert feed.present([1, 2, 20]) == {1, 2}

    portal.queue(*[tampered(lambda _: answer)] * 3)
    with pytest.raises(FeedUnavailable, match="gave no usable answer in 3 attempts"):
        feed.present([1, 2, 20])
