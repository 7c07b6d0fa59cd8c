"""Days that the lake misses: which they are, which come next, how they are put together and named."""

from __future__ import annotations

import random
from datetime import date, timedelta

import pytest

from crime_assets.core import keys
from crime_assets.streams import LandingStore
from crime_assets.streams.holes import missing_days, named, next_days, ranges, ranges_to_pull
from crime_assets.streams.inventory import Inventory, record_merged
from crime_assets.streams.pull import days_between
from crime_assets_tests.streams.landings import Landing


def days(*numbers: int) -> list[date]:
    """Days of January 2024."""
    return [date(2024, 1, number) for number in numbers]


@pytest.fixture
def store(landing: Landing) -> LandingStore:
    return landing.store


def test_missing_is_what_is_not_recorded_as_merged(store: LandingStore) -> None:
    first, last = days(1, 9)
    assert missing_days(store, "chicago", first, last) == days_between(first, last)
    record_merged(store, "chicago", dict.fromkeys(days(1, 3, 4, 9), Inventory()))
    record_merged(store, "gotham", dict.fromkeys(days(2), Inventory()))
    assert missing_days(store, "chicago", first, last) == days(2, 5, 6, 7, 8)
    assert missing_days(store, "chicago", last, first) == []


def test_the_oldest_come_first_but_days_never_pulled_before_those_whose_merge_failed(store: LandingStore) -> None:
    missing = days(2, 3, 5, 8, 9)
    assert next_days(store, "chicago", reversed(missing), 3) == days(2, 3, 5)
    for day in days(2, 5):
        store.write(keys.manifest("chicago", day), b"{}")
    store.write(keys.manifest("gotham", days(3)[0]), b"{}")
    assert next_days(store, "chicago", missing, 2) == days(3, 8)
    assert next_days(store, "chicago", missing, 4) == days(2, 3, 8, 9)
    assert next_days(store, "chicago", missing, 99) == missing
    assert next_days(store, "chicago", missing, 0) == next_days(store, "chicago", missing, -3) == []


def test_ranges() -> None:
    assert ranges([]) == []
    assert ranges(days(4, 2, 3, 3, 7)) == [tuple(days(2, 4)), tuple(days(7, 7))]


def test_days_that_a_look_back_reaches_are_taken_along_unless_they_must_not_be() -> None:
    assert ranges_to_pull(days(1, 4, 8)) == [tuple(days(1, 4)), tuple(days(8, 8))]
    assert ranges_to_pull(days(1, 4, 8), apart_from=days(3, 20)) == [tuple(days(1, 1)), *ranges(days(4, 8))]


@pytest.mark.parametrize("seed", range(20))
def test_ranges_cover_all_days_once_and_none_that_is_kept_apart(seed: int) -> None:
    chance = random.Random(seed)
    all_days = days_between(date(2024, 1, 1), date(2024, 4, 1))
    missing, apart = chance.sample(all_days, 30), set(chance.sample(all_days, 5))
    asked = [day for day in missing if day not in apart]

    found = ranges_to_pull(asked, apart_from=apart)

    covered = [day for first, last in found for day in days_between(first, last)]
    assert len(covered) == len(set(covered))
    assert set(asked) <= set(covered)
    assert not apart & set(covered)


def test_days_are_named_in_a_sentence_however_many_there_are() -> None:
    assert named([]) == ""
    assert named(days(1, 2, 3, 9)) == "2024-01-01 to 2024-01-03, 2024-01-09"
    every_other = [date(2001, 1, 1) + timedelta(days=2 * number) for number in range(3_000)]
    text = named(every_other)
    assert text.endswith(f", and 2,990 more ranges up to {every_other[-1]}")
    assert len(text) < 200
