"""Only what was proven equal is exported, whole or not at all."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, StoreBusy, StoreError
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.lakehouse.reconciliation.reconcile import compare
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.migration import Items, Quarantined, Road
from crime_assets.migration import export as export_module
from crime_assets.migration.export import export
from crime_assets.migration.progress import Position, Progress, State, Verified
from crime_assets.migration.rendering import Renderer
from crime_assets.migration.stores import EMPTY, in_pieces
from crime_assets.sources.feeds.dynamodb_export import SUMMARY, place
from crime_assets.sources.feeds.legacy import LegacyFeed
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.migration.tiny import BOTH, CASE, TinyDatabase
from crime_assets_tests.migration.tiny_store import TinyStore
from crime_assets_tests.sources.feeds.legacy_exports import crime_line

NOW = datetime(2026, 11, 30, 18, tzinfo=UTC)
TODAY = date(2024, 2, 1)
PREFIX = place("chicago")
STAGES = ["started", "data", "files", "summary", "kept"]


class Stopped(Exception):
    pass


class Place:
    """A road whose documents are crimes, and a clock that goes on by a second at a time."""

    def __init__(self, home: Path) -> None:
        self.now = NOW
        self.store = TinyStore()
        self.landing = DirectoryStore(home / "landing")
        self.road = Road(TinyDatabase(), self.store, self.landing, BOTH, "chicago", home, self.clock)
        self.feed = LegacyFeed(CHICAGO, self.landing, cache=home / "cache", today=TODAY)
        self._position = 0

    def clock(self) -> datetime:
        self.now += timedelta(seconds=1)
        return self.now

    def verified(self, *numbers: int) -> None:
        """The store has these crimes, and a verification of them has found no difference."""
        rows = []
        for number in numbers:
            text = crime_line(record(number, f"2024-01-{number % 28 + 1:02}")).decode()
            rows.append((f"crime#{number}", "-", text.removeprefix('{"Item":').removesuffix("}")))
        items = next(in_pieces(rows), EMPTY)
        self._position += 1
        at = Position(self._position)
        with self.store.hold() as known:
            gone = sorted({name for name, _ in self.store.items})
            proven = Verified(at, len(rows), seal_of(items), len(rows), len(rows), NOW)
            changed = replace(known, state=State.FOLLOWING, position=at, verified=proven)
            self.store.replace(gone + [row[0] for row in rows], items, changed)

    def change(self, **changed: object) -> None:
        assert self.store.known
        self.store.known = replace(self.store.known, **changed)

    def written(self) -> list[str]:
        return [one.key.removeprefix(PREFIX) for one in self.landing.list(PREFIX)]

    def crimes(self) -> list[int]:
        return sorted(int(str(one["id"])) for one in self.feed.changes(date(2000, 1, 1), TODAY))


def seal_of(items: Items) -> int:
    renderer = Renderer(CASE)
    try:
        return renderer.seal(items)
    finally:
        renderer.close()


@pytest.fixture
def there(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_an_export_has_dynamodbs_layout(there: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(export_module, "_ITEMS", 100)
    there.verified(*range(1, 251))
    made = export(there.road)
    begun = int((NOW + timedelta(seconds=1)).timestamp() * 1000)
    assert made.export.partition("-")[0] == str(begun)
    assert (made.items, made.files) == (250, 3)
    keys = [key.removeprefix(f"{made.export}/") for key in there.written()]
    data = [key for key in keys if key.startswith("data/")]
    assert sorted({*keys} - {*data}) == [
        "_started",
        "manifest-files.checksum",
        "manifest-files.json",
        "manifest-summary.checksum",
        "manifest-summary.json",
    ]
    below = f"{PREFIX}{made.export}/"
    manifest = there.landing.read(f"{below}manifest-files.json") or b""
    lines = [json.loads(line) for line in manifest.splitlines()]
    held: list[bytes] = []
    for line in lines:
        content = there.landing.read(line["dataFileS3Key"]) or b""
        assert base64.b64decode(line["md5Checksum"]) == hashlib.md5(content).digest() == bytes.fromhex(line["etag"])
        found = gzip.decompress(content).splitlines()
        assert len(found) == line["itemCount"]
        held += found
    assert sorted(held) == sorted(b'{"Item":' + text.encode() + b"}" for text in there.store.items.values())
    summary = there.landing.read(below + SUMMARY) or b""
    told = json.loads(summary)
    assert {name: told[name] for name in ("version", "itemCount", "outputFormat", "exportType", "exportTime")} == {
        "version": "2020-06-30",
        "itemCount": 250,
        "outputFormat": "DYNAMODB_JSON",
        "exportType": "FULL_EXPORT",
        "exportTime": "2026-11-30T18:00:00.000Z",
    }
    assert told["manifestFilesS3Key"] == f"{below}manifest-files.json"
    for name, content in (("files", manifest), ("summary", summary)):
        checksum = there.landing.read(f"{below}manifest-{name}.checksum") or b""
        assert base64.b64decode(checksum) == hashlib.md5(content).digest()
    assert there.store.known
    assert there.store.known.exported == made.export
    assert there.crimes() == [*range(1, 251)]


def _unverified(there: Place) -> None:
    there.change(verified=None)


def _followed(there: Place) -> None:
    there.change(position=Position(9))


def _loading(there: Place) -> None:
    there.change(state=State.LOADING)


def _forgotten(there: Place) -> None:
    there.change(state=State.FORGOTTEN)


def _aside(there: Place) -> None:
    there.store.set_aside([Quarantined("crime#9", "its id is too long", "{}")])


def _new(there: Place) -> None:
    there.store.known = Progress()


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (_unverified, "not verified as they are now: run `crime-assets legacy verify`"),
        (_followed, "not verified as they are now"),
        (_loading, "run `crime-assets legacy load`"),
        (_new, "run `crime-assets legacy load`"),
        (_forgotten, "run `crime-assets legacy verify --repair`"),
        (_aside, "1 rows are set aside, such as crime#9, because its id is too long"),
    ],
)
def test_what_is_not_proven_is_not_exported(there: Place, harm: Callable[[Place], None], told: str) -> None:
    there.verified(1, 2, 3)
    harm(there)
    with pytest.raises(StoreError) as caught:
        export(there.road)
    assert told in str(caught.value)
    assert there.written() == []


def _edited(there: Place) -> None:
    name = ("crime#2", "-")
    there.store.items[name] = there.store.items[name].replace("THEFT", "theft")


def _lost(there: Place) -> None:
    del there.store.items["crime#2", "-"]


def _added(there: Place) -> None:
    there.store.items["crime#2", "notes#000001"] = '{"id":{"S":"crime#2"},"part":{"S":"notes#000001"}}'


def _swapped(there: Place) -> None:
    items = there.store.items
    items["crime#1", "-"], items["crime#2", "-"] = items["crime#2", "-"], items["crime#1", "-"]


@pytest.mark.parametrize("harm", [_edited, _lost, _added, _swapped])
def test_what_changed_since_it_was_verified_is_not_exported(there: Place, harm: Callable[[Place], None]) -> None:
    there.verified(1, 2, 3)
    harm(there)
    with pytest.raises(StoreError, match="changed since they were verified: run `crime-assets legacy verify --repair`"):
        export(there.road)
    assert there.written() == []
    assert there.store.known
    assert there.store.known.exported == ""


@pytest.mark.parametrize("at", STAGES)
def test_one_that_is_killed_is_seen_whole_or_not_at_all(there: Place, at: str) -> None:
    there.verified(1, 2, 3)

    def stop(stage: str) -> None:
        if stage == at:
            raise Stopped

    with pytest.raises(Stopped):
        export(there.road, stop)
    if at in ("summary", "kept"):
        assert there.crimes() == [1, 2, 3]
    else:
        with pytest.raises(FeedError, match="no whole export"):
            there.crimes()
    there.verified(1, 2, 3, 4)
    export(there.road)
    assert there.crimes() == [1, 2, 3, 4]


def test_all_stages_were_tried(there: Place) -> None:
    there.verified(1)
    found: list[str] = []
    export(there.road, found.append)
    assert found == STAGES


def test_older_exports_are_removed_and_one_that_another_writes_is_not(there: Place) -> None:
    there.verified(1)
    there.landing.write(f"{PREFIX}1764000000000-dead0000/_started", b"")
    there.landing.write(f"{PREFIX}large/keep", b"")
    # Objects were written just now by the system's clock; ours is let run from there.
    there.now = datetime.now(UTC)
    made = [export(there.road).export for _ in range(4)]
    assert sorted({key.partition("/")[0] for key in there.written()}) == ["1764000000000-dead0000", *made[2:], "large"]
    there.now += timedelta(days=2)
    made.append(export(there.road).export)
    assert sorted({key.partition("/")[0] for key in there.written()}) == [*made[3:], "large"]


def test_two_at_once_are_two_exports_and_each_is_whole(there: Place, tmp_path: Path) -> None:
    other = Place(tmp_path)
    there.verified(1, 2)
    other.verified(1, 2, 3)
    made = []

    def meanwhile(stage: str) -> None:
        if stage == "data":
            with pytest.raises(StoreBusy):
                export(there.road)
            made.append(export(other.road))

    made.append(export(there.road, meanwhile))
    assert [one.items for one in made] == [3, 2]
    for one in made:
        (summary,) = (name for name in there.written() if name == f"{one.export}/{SUMMARY}")
        told = json.loads(there.landing.read(PREFIX + summary) or b"")
        assert (told["itemCount"], told["exportArn"].rpartition("/")[2]) == (one.items, one.export)
    # The one that began later is the newest.
    assert there.crimes() == [1, 2, 3]


def test_a_clock_that_was_set_back_makes_no_export_older(there: Place) -> None:
    there.verified(1)
    first = export(there.road).export
    there.now -= timedelta(days=400)
    there.verified(1, 2)
    second = export(there.road).export
    assert second > first
    assert there.crimes() == [1, 2]


def test_an_empty_store_is_an_export_without_items(there: Place) -> None:
    there.verified()
    made = export(there.road)
    assert (made.items, made.files) == (0, 1)
    with pytest.raises(FeedError, match="has no items"):
        there.crimes()


def test_a_crime_that_is_no_longer_exported_is_found_gone(there: Place, tmp_path: Path) -> None:
    there.verified(*range(1, 41))
    export(there.road)
    lake = Lake(tmp_path / "lake")
    load_history(lake, CHICAGO, there.feed, TODAY, "run")
    assert compare(lake, CHICAGO, there.feed, TODAY, Limits()).gone == []
    there.verified(*range(1, 7), *range(8, 41))
    export(there.road)
    found = compare(lake, CHICAGO, there.feed, TODAY, Limits())
    assert [one.id for one in found.gone] == [7]
    assert (found.rows, sum(month.source for month in found.months)) == (40, 39)
