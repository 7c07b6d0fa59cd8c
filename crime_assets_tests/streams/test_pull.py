"""The pull: 200 records a batch, one delivery a version, and a manifest that is true."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import load_manifest
from crime_assets.core.digests import record_digest
from crime_assets.core.errors import FeedError
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.pull import LOOK_BACK, DayPull, change_day, days_between
from crime_assets_tests import build
from crime_assets_tests.streams.pulling import (
    AFTER,
    BEFORE,
    COLUMNS,
    DAY,
    ONE,
    Recorder,
    complete,
    contents,
    delivered,
    ids,
    promised,
    pull_days,
    records,
)


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


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
