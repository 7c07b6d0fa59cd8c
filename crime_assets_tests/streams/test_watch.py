"""Watching the landing store: every day comes round, and nothing that lies there unmerged is overlooked."""

import os
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.core.batches import Manifest, dump_manifest
from crime_assets.core.envelopes import seal
from crime_assets.streams import LandingStore
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import record_merged, take_inventory
from crime_assets.streams.pull import days_between
from crime_assets.streams.watch import AT_ONCE, RECENT_DAYS, SWEPT_DAYS, Watch, unmerged
from crime_assets_tests import build
from crime_assets_tests.streams.landings import Landing

DAY, ONE = date(2024, 1, 20), timedelta(days=1)
AT = datetime(2024, 1, 21, 8, tzinfo=UTC)


@pytest.fixture
def store(landing: Landing) -> LandingStore:
    return landing.store


def key(name: str, day: date = DAY) -> str:
    return keys.deliveries_prefix("chicago", day) + name


def put(store: LandingStore, name: str, *ids: int, day: date = DAY) -> None:
    lines = [seal(build.record(id, "2024-01-20"), "chicago", day, "b", AT) for id in ids]
    store.write(keys.deliveries_prefix("chicago", day) + name, b"".join(lines))


def merge(store: LandingStore, day: date = DAY) -> None:
    record_merged(store, "chicago", {day: take_inventory(store, "chicago", day)})


def waiting(store: LandingStore, *days: date) -> list[date]:
    return [found.day for found in unmerged(store, "chicago", days or (DAY,))]


def state(store: LandingStore, day: date = DAY) -> str:
    (found,) = unmerged(store, "chicago", [day])
    return found.state


def tick(first: date, last: date, swept_to: date | None) -> tuple[list[date], date | None]:
    """The days of a tick that is not late, and what the next one is told."""
    watch = Watch(first, last, swept_to, lambda: False)
    return list(watch), watch.swept_to()


class TestWatch:
    def test_a_young_lake_is_watched_whole(self) -> None:
        for age in range(RECENT_DAYS):
            days, swept_to = tick(DAY - age * ONE, DAY, None)
            assert days == days_between(DAY - age * ONE, DAY)[::-1]
            assert swept_to is None

    def test_a_lake_that_begins_tomorrow_has_no_days(self) -> None:
        assert tick(DAY + ONE, DAY, None) == ([], None)
        assert tick(DAY + ONE, DAY, DAY) == ([], None)

    def test_recent_days_each_time_and_older_ones_in_turn(self) -> None:
        first = DAY - 100 * ONE
        newest_old = DAY - RECENT_DAYS * ONE
        days, swept_to = tick(first, DAY, None)
        assert days[:RECENT_DAYS] == days_between(newest_old + ONE, DAY)[::-1]
        assert days[RECENT_DAYS:] == days_between(newest_old - (SWEPT_DAYS - 1) * ONE, newest_old)[::-1]
        days, again = tick(first, DAY, swept_to)
        assert days[:RECENT_DAYS] == days_between(newest_old + ONE, DAY)[::-1]
        assert days[RECENT_DAYS:] == days_between(first, newest_old - SWEPT_DAYS * ONE)[::-1]
        assert again == first
        assert tick(first, DAY, again) == tick(first, DAY, None)

    @pytest.mark.parametrize("cursor", [DAY + ONE, DAY, DAY - 13 * ONE, DAY - 100 * ONE, DAY - 500 * ONE, date.min])
    def test_a_cursor_from_elsewhere_begins_a_new_round(self, cursor: date) -> None:
        first = DAY - 100 * ONE
        assert tick(first, DAY, cursor) == tick(first, DAY, None)

    @pytest.mark.parametrize("seed", range(20))
    def test_every_old_day_comes_round_while_time_goes_on(self, seed: int) -> None:
        chance = random.Random(seed)
        first = date(2001, 1, 1)
        last = first + chance.randrange(9_000) * ONE
        swept_to = None
        looked_at: dict[date, int] = {}
        ticks = 3 * (((last - first).days // SWEPT_DAYS) + 2)
        for number in range(ticks):
            days, swept_to = tick(first, last, swept_to)
            assert len(days) == len(set(days)) <= RECENT_DAYS + SWEPT_DAYS
            assert all(first <= day <= last for day in days)
            assert set(days) >= set(days_between(max(first, last - (RECENT_DAYS - 1) * ONE), last))
            looked_at.update(dict.fromkeys(days, number))
            if chance.random() < 0.02:
                last += ONE
        assert looked_at.keys() == set(days_between(first, last))
        # A round is as long as it takes; no day waits longer than one round and the one begun before it.
        assert ticks - min(looked_at.values()) <= 2 * (((last - first).days // SWEPT_DAYS) + 2)

    @pytest.mark.parametrize("seed", range(10))
    def test_a_tick_that_is_late_or_stopped_goes_on_where_it_was(self, seed: int) -> None:
        chance = random.Random(seed)
        first, last = date(2023, 1, 1), date(2023, 12, 31)
        swept_to, swept = None, []
        while swept[-1:] != [first]:
            late_from = chance.randrange(RECENT_DAYS + SWEPT_DAYS)
            used: list[date] = []
            watch = Watch(first, last, swept_to, lambda at=late_from, used=used: len(used) >= at)
            for day in watch:
                used.append(day)
            assert len(used) >= RECENT_DAYS + AT_ONCE or used[-1] == first, "some old days on every tick"
            assert len(used) <= max(late_from, RECENT_DAYS + AT_ONCE)
            # Of what was looked at ahead of a stop, the next tick must not think that it was made use of.
            stop = chance.choice([None, *range(len(used))])
            used = used if stop is None else used[: stop + 1]
            swept_to = watch.swept_to(None if stop is None else used[-1])
            swept += used[RECENT_DAYS:]
        assert swept == days_between(first, last - RECENT_DAYS * ONE)[::-1], "each old day once, in turn"


class TestUnmerged:
    def test_nothing_there_is_nothing_to_merge(self, store: LandingStore) -> None:
        assert waiting(store, DAY, DAY + ONE) == []
        merge(store)
        assert waiting(store) == []

    def test_what_was_never_merged(self, store: LandingStore) -> None:
        put(store, "1", 1)
        assert waiting(store, DAY + ONE, DAY, DAY - ONE) == [DAY]
        merge(store)
        assert waiting(store, DAY + ONE, DAY, DAY - ONE) == []

    def test_looking_at_deliveries_is_not_merging_them(self, store: LandingStore) -> None:
        put(store, "1", 1)
        take_inventory(store, "chicago", DAY)
        assert waiting(store) == [DAY]

    def test_a_second_object_of_the_same_second(self, store: LandingStore) -> None:
        put(store, "b", 1)
        merge(store)
        put(store, "a", 2)
        assert waiting(store) == [DAY]
        merge(store)
        assert waiting(store) == []

    def test_an_object_older_than_what_was_merged(self, tmp_path: Path) -> None:
        store = DirectoryStore(tmp_path)
        put(store, "b", 1)
        merge(store)
        put(store, "a", 2)
        os.utime(tmp_path / key("a"), (0, 0))
        assert waiting(store) == [DAY]

    def test_a_rewritten_object_even_of_the_same_size(self, store: LandingStore) -> None:
        put(store, "1", 1)
        merge(store)
        put(store, "1", 2)
        assert waiting(store) == [DAY]
        merge(store)
        assert waiting(store) == []

    def test_a_deleted_object_leaves_nothing_to_merge(self, landing: Landing, store: LandingStore) -> None:
        put(store, "1", 1)
        put(store, "2", 2)
        merge(store)
        landing.delete(key("1"))
        assert waiting(store) == []
        put(store, "3", 3)
        assert waiting(store) == [DAY]

    def test_an_object_put_back_under_its_key(self, landing: Landing, store: LandingStore) -> None:
        put(store, "1", 1)
        merge(store)
        landing.delete(key("1"))
        put(store, "1", 2)
        assert waiting(store) == [DAY]

    def test_a_late_object_of_a_day_long_past(self, store: LandingStore) -> None:
        old = DAY - 400 * ONE
        for day in (old, DAY):
            put(store, "1", 1, day=day)
            merge(store, day)
        put(store, "2", 2, day=old)
        swept_to, found = None, []
        for _ in range(9):
            days, swept_to = tick(DAY - 420 * ONE, DAY, swept_to)
            found += waiting(store, *days)
        assert found == [old]

    def test_damage_that_was_merged_as_it_is_does_not_wait_forever(self, store: LandingStore) -> None:
        store.write(keys.deliveries_prefix("chicago", DAY) + "1", b"\x1f\x8b garbage")
        assert waiting(store) == [DAY]
        merge(store)
        assert waiting(store) == []

    def test_a_record_of_a_merge_that_cannot_be_read_is_none(self, store: LandingStore) -> None:
        put(store, "1", 1)
        merge(store)
        store.write(keys.merged("chicago", DAY), b"{")
        assert waiting(store, DAY, DAY + ONE) == [DAY]
        merge(store)
        assert waiting(store) == []

    def test_days_that_wait_come_in_the_order_they_were_asked_for(self, store: LandingStore) -> None:
        days = [DAY - n * ONE for n in range(40)]
        for day in days[::3]:
            put(store, "1", 1, day=day)
        assert waiting(store, *days) == days[::3]
        for day in days[::2]:
            merge(store, day)
        assert waiting(store, *days) == [day for day in days[::3] if day not in days[::2]]

    def test_no_more_days_are_looked_at_ahead_than_at_once(self, store: LandingStore) -> None:
        for n in range(40):
            put(store, "1", 1, day=DAY - n * ONE)
        days = (DAY - n * ONE for n in range(40))
        found = unmerged(store, "chicago", days)
        assert next(found).day == DAY
        found.close()
        assert next(days) == DAY - AT_ONCE * ONE

    def test_another_city_is_not_looked_at(self, store: LandingStore) -> None:
        store.write("raw/city=gotham/change_day=2024-01-20/1", b"x")
        assert waiting(store) == []


class TestState:
    def test_stays_while_nothing_changes(self, store: LandingStore) -> None:
        put(store, "1", 1)
        put(store, "2", 2)
        assert state(store) == state(store)

    def test_changes_with_every_object(self, landing: Landing, store: LandingStore) -> None:
        put(store, "1", 1)
        states = [state(store)]
        put(store, "2", 2)
        states.append(state(store))
        put(store, "2", 3)
        states.append(state(store))
        landing.delete(key("1"))
        states.append(state(store))
        assert len(set(states)) == 4

    def test_changes_with_the_manifest(self, store: LandingStore) -> None:
        put(store, "1", 1)
        states = [state(store)]
        for columns in ({"id"}, {"id", "new"}):
            manifest = dump_manifest("chicago", DAY, Manifest({}, frozenset(columns)))
            store.write(keys.manifest("chicago", DAY), manifest)
            states.append(state(store))
        store.write(keys.manifest("chicago", DAY), b"\xff\xfe")
        states.append(state(store))
        assert len(set(states)) == 4

    def test_is_short_whatever_lies_there(self, store: LandingStore) -> None:
        for number in range(30):
            put(store, str(number), number)
        assert len(state(store)) == 32
