"""The feed over exports of documents: it reads the newest whole one, and no damaged one."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, UsageError
from crime_assets.profiles import Profile, Settings
from crime_assets.sources.feeds.dynamodb_export import FILES, SUMMARY, place
from crime_assets.sources.feeds.legacy import LegacyFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.sources.feeds.legacy_exports import crime_line, write_legacy_export

TODAY = date(2024, 2, 1)
EVER = date(2000, 1, 1)
RECORDS = [record(number, f"2024-01-{number:02}") for number in range(1, 21)]
OLDER, NEWER = "1764525600000-ffffffff", "1764525600001-00000000"


@pytest.fixture
def landing(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


@pytest.fixture
def feed(landing: DirectoryStore, tmp_path: Path) -> LegacyFeed:
    return LegacyFeed(CHICAGO, landing, cache=tmp_path / "cache", today=TODAY)


def ids(feed: LegacyFeed) -> list[int]:
    return sorted(int(str(one["id"])) for one in feed.changes(EVER, TODAY))


def test_the_newest_whole_export_is_read(landing: DirectoryStore, feed: LegacyFeed) -> None:
    with pytest.raises(FeedError, match="no whole export below legacy/city=chicago/AWSDynamoDB/ of the landing store"):
        feed.latest_day()
    write_legacy_export(landing, RECORDS[:5], OLDER)
    assert ids(feed) == [1, 2, 3, 4, 5]
    below = write_legacy_export(landing, RECORDS, NEWER)
    assert (ids(feed), feed.total(), feed.undated()) == ([*range(1, 21)], 20, 0)
    assert feed.latest_day() == date(2024, 1, 20)
    # One that was killed before its summary is not there.
    landing.delete(below + SUMMARY)
    assert ids(feed) == [1, 2, 3, 4, 5]


def test_dynamodbs_own_export_is_read_too(landing: DirectoryStore, feed: LegacyFeed) -> None:
    below = write_legacy_export(
        landing,
        RECORDS[:2],
        "01764525600000-a1b2c3d4",
        more=[b'{"Item":{"id":{"S":"~progress"},"part":{"S":"-"},"told":{"S":"{}"}}}'],
    )
    told = json.loads(landing.read(below + SUMMARY) or b"")
    del told["city"], told["exportType"]
    landing.write(below + SUMMARY, json.dumps(told).encode())
    assert ids(feed) == [1, 2]
    # Its keys begin with the bucket's own prefix.
    files = (landing.read(below + FILES) or b"").replace(b'Key":"', b'Key":"police/landing/')
    landing.write(below + FILES, files)
    assert ids(LegacyFeed(CHICAGO, landing, cache=Path(landing.location("")) / "other", today=TODAY)) == [1, 2]


def test_damaged_lines_are_kept_as_damage(landing: DirectoryStore, feed: LegacyFeed) -> None:
    write_legacy_export(
        landing, RECORDS[:3], more=[b'{"Item":{"a":{"S":"12345"}}}', crime_line(record(4, "2023-01-01"))]
    )
    assert (ids(feed), feed.undated(), feed.total()) == ([1, 2, 3, 4], 1, 5)
    assert feed.present([3, 4, 5, 12345]) == {3, 4, 12345}


def _missing(landing: DirectoryStore, below: str) -> None:
    landing.delete(below + "data/part0.json.gz")


def _cut(landing: DirectoryStore, below: str) -> None:
    landing.write(below + "data/part0.json.gz", (landing.read(below + "data/part0.json.gz") or b"")[:-9])


def _other(landing: DirectoryStore, below: str) -> None:
    content = gzip.compress(b"".join(crime_line(one) + b"\n" for one in RECORDS[:10]), mtime=1)
    landing.write(below + "data/part0.json.gz", content)


def _changed(name: str, old: bytes, new: bytes) -> Callable[[DirectoryStore, str], None]:
    def change(landing: DirectoryStore, below: str) -> None:
        content = landing.read(below + name) or b""
        assert old in content
        landing.write(below + name, content.replace(old, new, 1))

    return change


def _line(landing: DirectoryStore, below: str) -> bytes:
    return (landing.read(below + FILES) or b"").splitlines(keepends=True)[0]


def _twice(landing: DirectoryStore, below: str) -> None:
    landing.write(below + FILES, (landing.read(below + FILES) or b"") + _line(landing, below))
    _changed(SUMMARY, b'"itemCount":20', b'"itemCount":30')(landing, below)


def _cut_manifest(landing: DirectoryStore, below: str) -> None:
    landing.write(below + FILES, _line(landing, below))


def _no_files(landing: DirectoryStore, below: str) -> None:
    landing.delete(below + FILES)


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_missing, "data/part0.json.gz is missing: export the table again"),
        (_cut, "data/part0.json.gz is not what its manifest says, or was cut off"),
        (_other, "data/part0.json.gz is not what its manifest says"),
        (_twice, "names a file twice"),
        (_cut_manifest, "manifest-files.json does not have all 20 items"),
        (_no_files, "manifest-files.json is missing"),
        (_changed(FILES, b'{"itemCount":10', b'{"itemCount":11'), "does not have all 20 items"),
        (_changed(FILES, b"/data/part0", b"/data/../../part0"), "is not what a manifest of a DynamoDB export is"),
        (_changed(FILES, b'"md5Checksum":"', b'"md5Checksum":"x'), "is not what a manifest of a DynamoDB export is"),
        (_changed(FILES, b"{", b"["), "is not what a manifest of a DynamoDB export is"),
        (_changed(SUMMARY, b'"itemCount":20', b'"itemCount":-1'), "is not what a manifest of a DynamoDB export is"),
        (_changed(SUMMARY, b'"itemCount":20', b'"itemCount":true'), "is not what a manifest of a DynamoDB export is"),
        (_changed(SUMMARY, b"DYNAMODB_JSON", b"ION"), "is no full one in DynamoDB JSON"),
        (_changed(SUMMARY, b"FULL_EXPORT", b"INCREMENTAL_EXPORT"), "is no full one in DynamoDB JSON"),
        (_changed(SUMMARY, b'"city":"chicago"', b'"city":"new_york"'), "is of new_york: it is in another city's place"),
        (_changed(SUMMARY, b"table/crimes", b"table/others"), "are of two tables"),
    ],
)
def test_a_damaged_export_is_told_and_no_older_one_read(
    landing: DirectoryStore, feed: LegacyFeed, tmp_path: Path, harm: Callable[[DirectoryStore, str], None], told: str
) -> None:
    write_legacy_export(landing, RECORDS[:5], OLDER)
    below = write_legacy_export(landing, RECORDS, NEWER)
    # In both of the summary's ARNs.
    harm(landing, below)
    if told == "are of two tables":
        harm(landing, below)
    with pytest.raises(FeedError) as caught:
        feed.latest_day()
    assert told in str(caught.value)
    assert NEWER in str(caught.value) or "table/others" in str(caught.value)
    assert not (tmp_path / "cache" / "legacy" / NEWER).exists()
    assert list((tmp_path / "cache").glob("legacy/.partial*")) == []
    # It is read as soon as it is whole.
    write_legacy_export(landing, RECORDS, NEWER)
    assert len(ids(feed)) == 20


def test_a_file_with_another_number_of_items_is_told(landing: DirectoryStore, feed: LegacyFeed) -> None:
    below = write_legacy_export(landing, RECORDS)
    _changed(FILES, b'{"itemCount":10', b'{"itemCount":9')(landing, below)
    _changed(FILES, b'{"itemCount":10', b'{"itemCount":11')(landing, below)
    with pytest.raises(FeedError, match=r"data/part0\.json\.gz has 10 items, and 9 by its manifest"):
        feed.latest_day()


def test_a_damaged_export_before_the_newest_does_not_matter(landing: DirectoryStore, feed: LegacyFeed) -> None:
    landing.write(f"{place('chicago')}{OLDER}/{SUMMARY}", b"{")
    write_legacy_export(landing, RECORDS, NEWER)
    assert len(ids(feed)) == 20


def test_an_export_without_items_is_told(landing: DirectoryStore, feed: LegacyFeed) -> None:
    write_legacy_export(landing, [])
    with pytest.raises(FeedError, match="has no items: load the documents first"):
        feed.latest_day()


def test_two_copies_are_kept(landing: DirectoryStore, feed: LegacyFeed, tmp_path: Path) -> None:
    for number in range(4):
        write_legacy_export(landing, RECORDS[: number + 1], f"176452560000{number}-00000000")
        assert len(ids(feed)) == number + 1
    copies = sorted(path.name for path in (tmp_path / "cache" / "legacy").iterdir())
    assert copies == ["1764525600002-00000000", "1764525600003-00000000"]


def test_the_profile_reads_it_from_the_landing_store(tmp_path: Path) -> None:
    settings = Settings.from_environment({"CRIME_FEED": "legacy", "CRIME_HOME": str(tmp_path / "lake")})
    profile = Profile(settings)
    assert profile.city.serial_ids_from is None
    write_legacy_export(profile.landing, RECORDS)
    assert (profile.feed.name, profile.feed.latest_day()) == ("legacy", date(2024, 1, 20))
    other = Profile(Settings(home=tmp_path / "other", city="new_york", feed="legacy"))
    with pytest.raises(UsageError, match="needs records with a change stamp"):
        assert other.feed
