"""Inventories: what lies there, what is missing, what is damaged; and the book of what the lake has merged."""

import gzip
import json
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import Manifest, dump_manifest, entry
from crime_assets.core.digests import record_digest
from crime_assets.core.envelopes import Envelope, seal
from crime_assets.core.errors import LandingError
from crime_assets.streams.deliveries import DamagedLine
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import (
    Inventory,
    InventoryItem,
    PlainObject,
    contents_of,
    merged_days,
    merged_inventory,
    read_inventory,
    record_merged,
    take_inventories,
    take_inventory,
)
from crime_assets_tests import build

DAY, OTHER = date(2024, 1, 20), date(2024, 1, 21)
AT = datetime(2024, 1, 21, 8, tzinfo=UTC)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def sealed(*ids: int, batch: str = "one") -> bytes:
    return b"".join(seal(build.record(id, "2024-01-20"), "chicago", DAY, batch, AT) for id in ids)


def digests(*ids: int) -> set[str]:
    return {record_digest(build.record(id, "2024-01-20")) for id in ids}


def put(store: DirectoryStore, name: str, content: bytes, day: date = DAY) -> None:
    store.write(keys.deliveries_prefix("chicago", day) + name, content)


def promise(store: DirectoryStore, batches: dict[str, set[str]]) -> None:
    manifest = Manifest({name: entry(found) for name, found in batches.items()}, frozenset({"id"}))
    store.write(keys.manifest("chicago", DAY), dump_manifest("chicago", DAY, manifest))


class TestTakeInventory:
    def test_counts_objects_records_and_different_records(self, store: DirectoryStore) -> None:
        put(store, "1.gz", gzip.compress(sealed(1, 2) + sealed(3, batch="two")))
        put(store, "2.gz", gzip.compress(sealed(2)))
        put(store, "3.gz", gzip.compress(b""))
        promise(store, {"one": digests(1, 2), "two": digests(3)})
        found = take_inventory(store, "chicago", DAY)
        listed = list(store.list(keys.deliveries_prefix("chicago", DAY)))
        assert found == Inventory(
            items=[
                InventoryItem(stored.key, stored.etag, stored.size, records, 0, is_plain=True)
                for stored, records in zip(listed, (3, 1, 0), strict=True)
            ],
            distinct=3,
            promised_batches=2,
            missing_batches=[],
            kinds=build.kinds_of([build.envelope(build.record(1, "2024-01-20"))]),
        )
        assert found.records == 4
        assert found.state == {(stored.key, stored.etag) for stored in listed}

    def test_the_same_record_in_two_batches_is_one_record(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1, batch="one") + sealed(1, batch="two"))
        found = take_inventory(store, "chicago", DAY)
        assert (found.records, found.distinct) == (2, 1)

    def test_is_recorded(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1) + b"garbage\n")
        assert read_inventory(store, "chicago", DAY) is None
        found = take_inventory(store, "chicago", DAY)
        assert read_inventory(store, "chicago", DAY) == found
        put(store, "2.gz", sealed(2))
        assert read_inventory(store, "chicago", DAY) == found
        again = take_inventory(store, "chicago", DAY)
        assert again != found
        assert read_inventory(store, "chicago", DAY) == again

    def test_each_of_several_days_is_looked_at_and_recorded(self, store: DirectoryStore) -> None:
        days = [date(2024, 3, day) for day in range(1, 31)]
        for number, day in enumerate(days):
            put(store, "1.gz", sealed(*range(number)), day)
        found = take_inventories(store, "chicago", days)
        assert [found[day].records for day in days] == list(range(30))
        assert {day: read_inventory(store, "chicago", day) for day in days} == found

    def test_batches_that_are_missing_or_not_whole(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1, 2, batch="one") + sealed(3, batch="two") + sealed(9, batch="surplus"))
        promise(store, {"one": digests(1, 2), "two": digests(3, 4), "three": digests(5)})
        found = take_inventory(store, "chicago", DAY)
        assert found.promised_batches == 3
        assert found.missing_batches == ["three", "two"]

    def test_no_manifest_is_not_an_empty_one(self, store: DirectoryStore) -> None:
        assert take_inventory(store, "chicago", DAY) == Inventory([], 0, None, [])
        promise(store, {})
        assert take_inventory(store, "chicago", DAY) == Inventory([], 0, 0, [])

    def test_a_manifest_that_cannot_be_read(self, store: DirectoryStore) -> None:
        store.write(keys.manifest("chicago", DAY), b"{")
        with pytest.raises(LandingError, match="pull its change day again"):
            take_inventory(store, "chicago", DAY)

    def test_damaged_lines_and_objects(self, store: DirectoryStore) -> None:
        whole = gzip.compress(sealed(*range(10, 300)))
        put(store, "1.gz", sealed(1) + b"garbage\n{}\n" + sealed(2))
        put(store, "2.gz", whole[: len(whole) // 2])
        put(store, "3.gz", b"\x1f\x8bnot gzip at all")
        one, two, three = take_inventory(store, "chicago", DAY).items
        assert (one.records, one.damaged_lines, one.damage) == (2, 2, None)
        assert 0 < two.records < 290
        assert two.damage == f"The delivery {two.key} is cut off: deliver its records again."
        assert (three.records, three.damage) == (
            0,
            f"The delivery {three.key} is damaged gzip: deliver its records again.",
        )

    def test_other_days_and_cities_are_not_looked_at(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1), OTHER)
        store.write("raw/city=chicago_heights/change_day=2024-01-20/1.gz", sealed(1))
        assert take_inventory(store, "chicago", DAY).items == []


class TestState:
    def test_equal_contents_have_equal_states_and_a_rewrite_has_not(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1))
        first, second = take_inventory(store, "chicago", DAY), take_inventory(store, "chicago", DAY)
        put(store, "1.gz", sealed(1))
        assert first.state == second.state
        assert take_inventory(store, "chicago", DAY).state != first.state


def contents(store: DirectoryStore, *days: date) -> list[PlainObject | Envelope | DamagedLine]:
    """What the days hold by the inventories that were last taken of them."""
    inventories = {day: read_inventory(store, "chicago", day) for day in days or (DAY,)}
    return list(contents_of(store, "chicago", {day: found for day, found in inventories.items() if found}))


class TestContentsOf:
    def test_every_object_plain_ones_whole_and_others_by_line(self, store: DirectoryStore) -> None:
        put(store, "1.gz", gzip.compress(sealed(1, 2)))
        put(store, "2.gz", sealed(3) + b"garbage\n")
        put(store, "1.gz", sealed(4), OTHER)
        first, _ = (take_inventory(store, "chicago", day) for day in (DAY, OTHER))
        one, three, garbage, four = contents(store, DAY, OTHER)
        assert one == PlainObject(sealed(1, 2), 2, first.kinds)
        assert isinstance(three, Envelope)
        assert three.record["id"] == "3"
        assert garbage == DamagedLine("not JSON", "garbage")
        assert isinstance(four, PlainObject)
        assert four.content == sealed(4)

    @pytest.mark.parametrize("odd", [1, 1.5, ["x"], {"a": 1}, 2**70])
    def test_what_json_readers_could_take_differently_is_read_by_line(self, store: DirectoryStore, odd: object) -> None:
        put(store, "1.gz", sealed(2) + seal(build.record(1, "2024-01-20", block=odd), "chicago", DAY, "one", AT))
        take_inventory(store, "chicago", DAY)
        assert [one.record["id"] for one in contents(store) if isinstance(one, Envelope)] == ["2", "1"]

    def test_an_object_written_anew_since_is_read_by_line(self, store: DirectoryStore) -> None:
        put(store, "1.gz", gzip.compress(sealed(1)))
        take_inventory(store, "chicago", DAY)
        put(store, "1.gz", gzip.compress(sealed(2) + b"garbage"))
        envelope, damaged = contents(store)
        assert isinstance(envelope, Envelope)
        assert envelope.record["id"] == "2"
        assert damaged == DamagedLine("not JSON", "garbage")

    def test_a_large_object_is_read_by_line(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        put(store, "1.gz", sealed(1, 2))
        take_inventory(store, "chicago", DAY)
        monkeypatch.setattr("crime_assets.streams.inventory._LARGEST_WHOLE", len(sealed(1, 2)) - 1)
        assert [type(one) for one in contents(store)] == [Envelope, Envelope]

    def test_an_object_known_to_be_damaged_ends_where_it_breaks_off(self, store: DirectoryStore) -> None:
        whole = gzip.compress(sealed(*range(10, 300)))
        put(store, "1.gz", whole[: len(whole) // 2])
        put(store, "2.gz", sealed(1))
        found = take_inventory(store, "chicago", DAY)
        *lines, last = contents(store)
        ids = [line.record["id"] for line in lines if isinstance(line, Envelope)]
        assert ids == list(map(str, range(10, 10 + found.items[0].records)))
        assert isinstance(last, PlainObject)

    def test_an_object_damaged_since_is_an_error(self, store: DirectoryStore) -> None:
        put(store, "1.gz", gzip.compress(sealed(1)))
        take_inventory(store, "chicago", DAY)
        put(store, "1.gz", gzip.compress(sealed(1))[:-9])
        with pytest.raises(LandingError, match="cut off"):
            contents(store)

    def test_objects_that_came_since_are_left_for_later(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1))
        take_inventory(store, "chicago", DAY)
        put(store, "2.gz", sealed(2))
        assert len(contents(store)) == 1


class TestMerged:
    def test_is_recorded_apart_from_what_was_found(self, store: DirectoryStore) -> None:
        put(store, "1.gz", sealed(1))
        found = take_inventory(store, "chicago", DAY)
        assert merged_inventory(store, "chicago", DAY) is None
        assert merged_days(store, "chicago") == []
        record_merged(store, "chicago", {DAY: found})
        put(store, "2.gz", sealed(2))
        take_inventory(store, "chicago", DAY)
        assert merged_inventory(store, "chicago", DAY) == found
        assert merged_days(store, "chicago") == [DAY]

    def test_recording_the_same_again_writes_nothing(self, store: DirectoryStore) -> None:
        found = take_inventory(store, "chicago", DAY)
        record_merged(store, "chicago", {DAY: found})
        before = list(store.list("merged/"))
        record_merged(store, "chicago", {DAY: found})
        assert list(store.list("merged/")) == before
        put(store, "1.gz", sealed(1))
        record_merged(store, "chicago", {DAY: take_inventory(store, "chicago", DAY)})
        assert list(store.list("merged/")) != before

    def test_days_in_order_of_that_city(self, store: DirectoryStore) -> None:
        days = [date(2024, 1, 2), date(2023, 12, 31), date(2024, 1, 1)]
        for day in days:
            record_merged(store, "chicago", {day: Inventory()})
        record_merged(store, "chicago_heights", {date(2020, 1, 1): Inventory()})
        assert merged_days(store, "chicago") == sorted(days)

    def test_what_else_lies_there_is_no_day(self, store: DirectoryStore) -> None:
        record_merged(store, "chicago", {DAY: Inventory()})
        store.write("merged/city=chicago/notes.txt", b"x")
        store.write("merged/city=chicago/change_day=2024-02-30.json", b"x")
        assert merged_days(store, "chicago") == [DAY]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\x00",
        b'{"items": 1}',
        b'{"items": [1]}',
        b'{"items": [{"key": "x"}]}',
        b'{"items": [], "invented": 1}',
        b"[" * 100_000,
    ],
)
def test_a_book_that_cannot_be_read_is_named_with_what_to_do(store: DirectoryStore, content: bytes) -> None:
    store.write(keys.inventory("chicago", DAY), content)
    store.write(keys.merged("chicago", DAY), content)
    advice = "in the landing store cannot be read: remove it and materialize crime_deliveries and crimes"
    with pytest.raises(LandingError, match=f"^inventories/city=chicago/change_day=2024-01-20.json {advice}"):
        read_inventory(store, "chicago", DAY)
    with pytest.raises(LandingError, match=f"^merged/city=chicago/change_day=2024-01-20.json {advice}"):
        merged_inventory(store, "chicago", DAY)
    found = take_inventory(store, "chicago", DAY)
    record_merged(store, "chicago", {DAY: found})
    assert read_inventory(store, "chicago", DAY) == merged_inventory(store, "chicago", DAY) == found


def test_the_book_is_plain_json(store: DirectoryStore) -> None:
    put(store, "1.gz", sealed(1))
    take_inventory(store, "chicago", DAY)
    document = json.loads(store.read(keys.inventory("chicago", DAY)) or b"")
    assert document["distinct"] == 1
    assert document["items"][0]["key"] == "raw/city=chicago/change_day=2024-01-20/1.gz"
