"""The pull: 200 records a batch, one delivery a version whatever crashed before, and a manifest that is true."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.digests import record_digest
from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import FeedError
from crime_assets.streams.deliveries import read_delivery
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventory
from crime_assets.streams.local import LocalStream
from crime_assets.streams.pull import LOOK_BACK, DayPull, change_day, days_between, pull
from crime_assets_tests import build

DAY, ONE = date(2024, 1, 20), timedelta(days=1)
BEFORE, AFTER = DAY - ONE, DAY + ONE
COLUMNS = frozenset(build.CHICAGO.source_columns)
Record = Mapping[str, object]


class Crash(BaseException):
    """A power cut."""


class CrashingStream(LocalStream):
    """Writes an object for each batch, and crashes when it should write the one numbered `at`."""

    def __init__(self, store: DirectoryStore, at: int) -> None:
        super().__init__(store, "chicago", build.clock_at("2024-01-21T08:00:00"))
        self.left = at

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        super().put(day, batch)
        if not self.left:
            raise Crash
        self.left -= 1
        self._write(day)


class Recorder(LocalStream):
    """Remembers the batches it was given."""

    def __init__(self, store: DirectoryStore) -> None:
        super().__init__(store, "chicago", build.clock_at("2024-01-21T08:00:00"))
        self.batches: list[tuple[date, list[bytes]]] = []

    def put(self, day: date, batch: Sequence[bytes]) -> None:
        self.batches.append((day, list(batch)))
        super().put(day, batch)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def records(count: int, day: date = DAY, start: int = 1) -> list[dict[str, object]]:
    return [build.record(id, day.isoformat()) for id in range(start, start + count)]


def pull_days(
    store: DirectoryStore,
    found: Iterable[Record],
    first: date = DAY,
    last: date | None = None,
    *,
    stream: LocalStream | None = None,
    hour: int = 8,
) -> dict[date, DayPull]:
    at = datetime(2024, 1, 25, hour, tzinfo=UTC)
    stream = stream or LocalStream(store, "chicago", lambda: at)
    return pull(found, COLUMNS, build.CHICAGO, first, last or first, store, stream, at)


def delivered(store: DirectoryStore, day: date) -> list[Envelope]:
    """Every envelope of a day's objects; nothing else may lie there."""
    found = []
    for item in store.list(keys.deliveries_prefix("chicago", day)):
        for line in read_delivery(store, item.key, "chicago"):
            assert isinstance(line, Envelope)
            found.append(line)
    return found


def ids(store: DirectoryStore, day: date = DAY) -> list[int]:
    return sorted(int(str(line.record["id"])) for line in delivered(store, day))


def contents(store: DirectoryStore) -> dict[str, bytes | None]:
    """The whole store, byte for byte."""
    return {found.key: store.read(found.key) for found in store.list("")}


def promised(store: DirectoryStore, day: date = DAY) -> int:
    content = store.read(keys.manifest("chicago", day))
    assert content is not None
    return sum(entry.records for entry in load_manifest(content).batches.values())


def complete(store: DirectoryStore, day: date = DAY) -> bool:
    found = take_inventory(store, "chicago", day)
    return found.promised_batches is not None and not found.missing_batches


class TestOneDay:
    def test_records_are_delivered_as_they_came(self, store: DirectoryStore) -> None:
        given = records(3)
        result = pull_days(store, given)[DAY]
        lines = delivered(store, DAY)
        assert [line.record for line in lines] == given
        assert [line.md5 for line in lines] == [record_digest(record) for record in given]
        assert {(line.city, line.change_day, line.pulled_at) for line in lines} == {
            ("chicago", DAY, datetime(2024, 1, 25, 8, tzinfo=UTC))
        }
        assert (result.pulled, result.repeated, result.landed_before, result.new) == (3, 0, 0, 3)

    @pytest.mark.parametrize(
        ("count", "sizes"), [(0, []), (1, [1]), (199, [199]), (200, [200]), (201, [200, 1]), (1000, [200] * 5)]
    )
    def test_batches_hold_200_records(self, store: DirectoryStore, count: int, sizes: list[int]) -> None:
        stream = Recorder(store)
        result = pull_days(store, records(count), stream=stream)[DAY]
        assert [len(batch) for _, batch in stream.batches] == sizes
        by_batch = Counter(line.batch for line in delivered(store, DAY))
        assert list(by_batch.values()) == sizes
        assert {name: len(digests) for name, digests in result.batches.items()} == by_batch
        assert ids(store) == list(range(1, count + 1))

    def test_the_manifest_promises_exactly_what_was_put(self, store: DirectoryStore) -> None:
        result = pull_days(store, records(450))[DAY]
        content = store.read(keys.manifest("chicago", DAY))
        assert content is not None
        manifest = load_manifest(content)
        assert manifest.columns == COLUMNS
        assert {name: found.records for name, found in manifest.batches.items()} == {
            name: len(digests) for name, digests in result.batches.items()
        }
        assert complete(store)

    def test_a_day_without_changes_has_an_empty_promise(self, store: DirectoryStore) -> None:
        assert pull_days(store, [])[DAY] == DayPull()
        assert list(store.list("raw/")) == []
        assert promised(store) == 0
        assert complete(store)

    def test_what_the_source_repeats_is_delivered_once(self, store: DirectoryStore) -> None:
        one, two = records(2)
        turned = dict(reversed(one.items()))
        result = pull_days(store, [one, two, turned, {**one, "ward": None, "x": None}, one, two])[DAY]
        # A field that is null and one that is absent are the same; ward was given, so that one is another version.
        assert (result.pulled, result.repeated, result.new) == (6, 3, 3)
        assert ids(store) == [1, 1, 2]

    def test_versions_of_one_record_are_all_delivered(self, store: DirectoryStore) -> None:
        versions = [build.record(1, "2024-01-20T10:00:00.000"), build.record(1, "2024-01-20T11:00:00.000", arrest=True)]
        assert pull_days(store, versions)[DAY].new == 2
        assert [line.record["arrest"] for line in delivered(store, DAY)] == [False, True]

    def test_records_without_id_or_stamp_are_delivered_too(self, store: DirectoryStore) -> None:
        broken: list[dict[str, object]] = [
            {name: value for name, value in build.record(1, "2024-01-20").items() if name != "id"},
            build.record(2, "2024-01-20", updated_on=None),
            build.record(3, "2024-01-20", updated_on="Tuesday T"),
            {"nothing": "known"},
            {},
        ]
        assert pull_days(store, broken)[DAY].new == 5
        assert [line.record for line in delivered(store, DAY)] == broken
        assert complete(store)

    def test_a_reserved_name_stops_the_pull(self, store: DirectoryStore) -> None:
        with pytest.raises(FeedError, match="_md5, which is reserved"):
            pull_days(store, [{"id": "1", "_md5": "x"}])
        assert contents(store) == {}


class TestPullingAgain:
    def test_writes_nothing(self, store: DirectoryStore) -> None:
        pull_days(store, records(450))
        before = contents(store)
        etags = [found.etag for found in store.list("")]
        result = pull_days(store, records(450), hour=9)[DAY]
        assert (result.pulled, result.landed_before, result.new) == (450, 450, 0)
        assert contents(store) == before
        assert [found.etag for found in store.list("")] == etags

    def test_adds_only_what_is_new(self, store: DirectoryStore) -> None:
        pull_days(store, records(250))
        before = contents(store)
        result = pull_days(store, [*records(260), build.record(7, "2024-01-20", arrest=True)], hour=9)[DAY]
        assert (result.landed_before, result.new) == (250, 11)
        assert Counter(ids(store)) == Counter([*range(1, 261), 7])
        after = contents(store)
        assert {key: after[key] for key in before if key.startswith("raw/")}.items() <= before.items()
        assert promised(store) == 261
        assert complete(store)

    def test_what_the_source_lost_meanwhile_stays_delivered(self, store: DirectoryStore) -> None:
        pull_days(store, records(3))
        pull_days(store, records(1), hour=9)
        assert ids(store) == [1, 2, 3]
        assert promised(store) == 3

    @pytest.mark.parametrize("seed", range(5))
    def test_in_any_order_and_portions_each_version_lands_once(self, store: DirectoryStore, seed: int) -> None:
        chance = random.Random(seed)
        given = records(700)
        for hour in range(8, 14):
            chance.shuffle(given)
            pull_days(store, given[: chance.randrange(701)], hour=hour)
        pull_days(store, given, hour=15)
        assert ids(store) == list(range(1, 701))
        assert promised(store) == 700
        assert complete(store)


class TestCrashes:
    @pytest.mark.parametrize("at", [0, 1, 2, 4])
    def test_in_the_middle_of_the_objects(self, store: DirectoryStore, at: int) -> None:
        with pytest.raises(Crash):
            pull_days(store, records(900), stream=CrashingStream(store, at))
        assert len(ids(store)) == 200 * at
        assert store.read(keys.manifest("chicago", DAY)) is None
        result = pull_days(store, records(900), hour=9)[DAY]
        assert (result.landed_before, result.new) == (200 * at, 900 - 200 * at)
        assert ids(store) == list(range(1, 901))
        assert promised(store) == 900
        assert complete(store)

    def test_between_the_objects_and_the_manifest(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        write = DirectoryStore.write

        def crash(self: DirectoryStore, key: str, content: bytes) -> None:
            if key.startswith("manifests/"):
                raise Crash
            write(self, key, content)

        with monkeypatch.context() as patched:
            patched.setattr(DirectoryStore, "write", crash)
            with pytest.raises(Crash):
                pull_days(store, records(450))
        landed = contents(store)
        assert ids(store) == list(range(1, 451))
        assert pull_days(store, records(450), hour=9)[DAY].new == 0
        assert contents(store).items() > landed.items()
        assert set(contents(store)) - set(landed) == {keys.manifest("chicago", DAY)}
        assert promised(store) == 450
        assert complete(store)

    def test_between_the_manifests_of_two_days(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        given = [*records(10), *records(10, AFTER, start=100)]
        write = DirectoryStore.write

        def crash(self: DirectoryStore, key: str, content: bytes) -> None:
            if key == keys.manifest("chicago", AFTER):
                raise Crash
            write(self, key, content)

        with monkeypatch.context() as patched:
            patched.setattr(DirectoryStore, "write", crash)
            with pytest.raises(Crash):
                pull_days(store, given, DAY, AFTER)
        assert complete(store, DAY)
        assert not complete(store, AFTER)
        pull_days(store, given, DAY, AFTER, hour=9)
        assert (promised(store, DAY), promised(store, AFTER)) == (10, 10)
        assert complete(store, AFTER)
        assert ids(store, AFTER) == list(range(100, 110))

    def test_the_source_fails_in_the_middle(self, store: DirectoryStore) -> None:
        def failing() -> Iterable[Record]:
            yield from records(450)
            raise FeedError("The network is gone.")

        with pytest.raises(FeedError, match="network"):
            pull_days(store, failing())
        assert store.read(keys.manifest("chicago", DAY)) is None
        pull_days(store, records(450), hour=9)
        assert ids(store) == list(range(1, 451))

    def test_a_promise_made_before_the_crash_is_not_kept_by_half(self, store: DirectoryStore) -> None:
        pull_days(store, records(100))
        with pytest.raises(Crash):
            pull_days(store, records(700), stream=CrashingStream(store, 1), hour=9)
        assert complete(store)
        assert promised(store) == 100
        pull_days(store, records(700), hour=10)
        assert promised(store) == 700
        assert ids(store) == list(range(1, 701))


class TestLostAndDamagedObjects:
    def test_a_lost_object_is_delivered_again(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(300))
        pull_days(store, records(320), hour=9)
        lost = next(found.key for found in store.list("raw/") if found.size == max(o.size for o in store.list("raw/")))
        (tmp_path / "landing" / lost).unlink()
        assert not complete(store)
        result = pull_days(store, records(320), hour=10)[DAY]
        assert (result.landed_before, result.new) == (20, 300)
        assert ids(store) == list(range(1, 321))
        assert promised(store) == 320
        assert complete(store)

    def test_a_damaged_object_is_made_good_for(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(300))
        (found,) = store.list("raw/")
        path = tmp_path / "landing" / found.key
        path.write_bytes(path.read_bytes()[: found.size // 2])
        assert not complete(store)
        result = pull_days(store, records(300), hour=9)[DAY]
        assert 0 < result.landed_before < 300
        assert result.new == 300 - result.landed_before
        inventory = take_inventory(store, "chicago", DAY)
        assert inventory.missing_batches == []
        assert inventory.distinct == 300
        assert [item.damage is not None for item in inventory.items] == [True, False]
        assert pull_days(store, records(300), hour=10)[DAY].new == 0

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"\xff"])
    def test_a_damaged_manifest_is_written_anew(self, store: DirectoryStore, content: bytes) -> None:
        pull_days(store, records(300))
        whole = store.read(keys.manifest("chicago", DAY))
        store.write(keys.manifest("chicago", DAY), content)
        assert pull_days(store, records(300), hour=9)[DAY].new == 0
        assert store.read(keys.manifest("chicago", DAY)) == whole

    def test_what_the_source_no_longer_has_is_promised_no_longer(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(3))
        (found,) = store.list("raw/")
        (tmp_path / "landing" / found.key).unlink()
        pull_days(store, records(1), hour=9)
        assert ids(store) == [1]
        assert complete(store)

    def test_a_new_column_at_the_source_is_noted(self, store: DirectoryStore) -> None:
        pull_days(store, records(3))
        at = datetime(2024, 1, 25, 9, tzinfo=UTC)
        stream = LocalStream(store, "chicago", lambda: at)
        pull(records(3), COLUMNS | {"new"}, build.CHICAGO, DAY, DAY, store, stream, at)
        content = store.read(keys.manifest("chicago", DAY))
        assert content is not None
        assert load_manifest(content).columns == COLUMNS | {"new"}
        assert ids(store) == [1, 2, 3]


class TestDays:
    def test_a_range_gives_each_record_to_its_day(self, store: DirectoryStore) -> None:
        given = [*records(5, AFTER, start=20), *records(4, BEFORE, start=1), *records(250, DAY, start=100)]
        results = pull_days(store, given, BEFORE, AFTER)
        assert {day: result.new for day, result in results.items()} == {BEFORE: 4, DAY: 250, AFTER: 5}
        assert ids(store, BEFORE) == [1, 2, 3, 4]
        assert ids(store, DAY) == list(range(100, 350))
        assert ids(store, AFTER) == [20, 21, 22, 23, 24]
        for day in (BEFORE, DAY, AFTER):
            assert {line.change_day for line in delivered(store, day)} == {day}
            assert {line.batch[:10] for line in delivered(store, day)} == {day.isoformat()}
            assert complete(store, day)

    def test_midnight_divides_days_on_the_citys_clock(self, store: DirectoryStore) -> None:
        given = [build.record(1, "2024-01-19T23:59:59.999"), build.record(2, "2024-01-20T00:00:00.000")]
        pull_days(store, given, BEFORE, DAY)
        assert (ids(store, BEFORE), ids(store, DAY)) == ([1], [2])

    def test_what_has_no_stamp_goes_to_the_last_day(self, store: DirectoryStore) -> None:
        pull_days(store, [build.record(1, "2024-01-20", updated_on=None)], BEFORE, AFTER)
        assert [ids(store, day) for day in (BEFORE, DAY, AFTER)] == [[], [], [1]]

    def test_days_pulled_out_of_order_come_to_the_same(self, store: DirectoryStore, tmp_path: Path) -> None:
        by_day = {day: records(30, day, start=1 + 100 * n) for n, day in enumerate(days_between(DAY, DAY + 4 * ONE))}

        def window(day: date) -> list[dict[str, object]]:
            return [record for back in days_between(day - LOOK_BACK, day) for record in by_day.get(back, [])]

        days = list(by_day)
        orders = {"forwards": days, "backwards": days[::-1], "mixed": random.Random(3).sample(days, 5)}
        for name, order in orders.items():
            lake = DirectoryStore(tmp_path / name)
            for hour, day in enumerate([*order, *order]):
                pull_days(lake, window(day), day, hour=hour)
            everything = {id for day in by_day for id in ids(lake, day)}
            assert everything == {int(str(record["id"])) for found in by_day.values() for record in found}
            assert all(complete(lake, day) for day in by_day)
            # Nothing lies anywhere more than once for each pull that could see it, and nothing twice on one day.
            assert all(max(Counter(ids(lake, day)).values(), default=0) <= 1 for day in by_day)

    def test_forwards_each_version_is_delivered_once_in_all(self, store: DirectoryStore) -> None:
        days = days_between(DAY, DAY + 6 * ONE)
        by_day = {day: records(30, day, start=1 + 100 * n) for n, day in enumerate(days)}
        for day in days:
            found = [record for back in days_between(day - LOOK_BACK, day) for record in by_day.get(back, [])]
            pull_days(store, found, day)
            assert sorted(ids(store, day)) == sorted(int(str(record["id"])) for record in by_day[day])


class TestLookBack:
    def test_a_stamp_that_appears_late_arrives_with_the_next_day(self, store: DirectoryStore) -> None:
        first, late = records(3, BEFORE), records(2, BEFORE, start=50)
        pull_days(store, first, BEFORE)
        result = pull_days(store, [*first, *late, *records(4, DAY, start=100)], DAY, hour=9)[DAY]
        assert (result.pulled, result.landed_before, result.new) == (9, 3, 6)
        assert ids(store, BEFORE) == [1, 2, 3]
        assert ids(store, DAY) == [50, 51, 100, 101, 102, 103]
        assert {line.change_day for line in delivered(store, DAY)} == {DAY}

    def test_what_landed_in_the_two_days_before_is_not_delivered_again(self, store: DirectoryStore) -> None:
        earlier = {day: records(5, day, start=1 + 10 * n) for n, day in enumerate(days_between(DAY - 3 * ONE, BEFORE))}
        for day, found in earlier.items():
            pull_days(store, found, day)
        window = [record for day, found in earlier.items() if day >= DAY - LOOK_BACK for record in found]
        result = pull_days(store, window, DAY)[DAY]
        assert (result.landed_before, result.new) == (10, 0)
        assert ids(store, DAY) == []
        assert complete(store, DAY)

    def test_an_edit_of_what_landed_before_is_another_version(self, store: DirectoryStore) -> None:
        pull_days(store, records(2, BEFORE), BEFORE)
        result = pull_days(store, [*records(1, BEFORE), build.record(2, "2024-01-20", arrest=True)], DAY)[DAY]
        assert (result.landed_before, result.new) == (1, 1)
        assert ids(store, DAY) == [2]

    def test_what_is_older_than_the_first_day_of_a_range_goes_to_it(self, store: DirectoryStore) -> None:
        pull_days(store, [*records(1, BEFORE), *records(1, AFTER, start=2)], DAY, AFTER)
        assert (ids(store, DAY), ids(store, AFTER)) == ([1], [2])

    def test_an_object_lost_two_days_ago_is_made_good_for(self, store: DirectoryStore, tmp_path: Path) -> None:
        pull_days(store, records(3, BEFORE), BEFORE)
        (found,) = store.list(keys.deliveries_prefix("chicago", BEFORE))
        (tmp_path / "landing" / found.key).unlink()
        assert pull_days(store, records(3, BEFORE), DAY)[DAY].new == 3
        assert ids(store, DAY) == [1, 2, 3]


class TestChangeDay:
    @pytest.mark.parametrize(
        "stamp",
        [
            "2024-01-20T15:40:00.000",
            "2024-01-20T15:40:00",
            "2024-01-20 15:40:00",
            "01/20/2024 03:40:00 PM",
            "01/20/2024 15:40:00",
            "01/20/2024 15:40",
            "  2024-01-20T15:40:00.000 ",
        ],
    )
    def test_of_every_format_of_the_city(self, stamp: str) -> None:
        assert change_day(build.CHICAGO, {"updated_on": stamp}) == DAY

    @pytest.mark.parametrize("stamp", [None, "", "2024-13-01T00:00:00", "#VALUE!", 5, ["2024-01-20"], "x" * 10_000])
    def test_none_where_it_cannot_be_read(self, stamp: object) -> None:
        assert change_day(build.CHICAGO, {"updated_on": stamp}) is None

    def test_none_where_there_is_none(self) -> None:
        assert change_day(build.CHICAGO, {}) is None


def test_days_between_has_both_ends() -> None:
    assert days_between(date(2024, 2, 28), date(2024, 3, 1)) == [date(2024, 2, 28), date(2024, 2, 29), date(2024, 3, 1)]
    assert days_between(DAY, DAY) == [DAY]
    assert days_between(DAY, BEFORE) == []
