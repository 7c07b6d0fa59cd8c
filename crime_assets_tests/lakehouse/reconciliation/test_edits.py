"""Edits that were missed are seen by the stamps of a month; what the source went back on is told and left alone."""

from __future__ import annotations

import random
from datetime import date, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.reconcile import MonthCounts, SpooledRecords
from crime_assets_tests.build import record
from crime_assets_tests.lakehouse.reconciliation.test_reconcile import JANUARY, Source, crimes, fill, reconcile


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


@pytest.mark.parametrize(
    "stamp",
    ["2024-01-10T15:40:01", "2024-01-10T15:41:00", "2024-01-10T16:00:00", "2024-01-11T15:40:00", "2024-01-11T01:00:00"],
)
def test_one_edit_is_enough_whichever_part_of_its_stamp_moved(lake: Lake, stamp: str) -> None:
    held = crimes(1, 6)
    fill(lake, *held, *crimes(6, 9, "2023-12-05"))
    edited = record(2, stamp, arrest=True)
    source = Source(held[0], edited, *held[2:], *crimes(6, 9, "2023-12-05"))

    found = reconcile(lake, source)

    assert found.differing == [MonthCounts(JANUARY, 5, 5, restamped=True)]
    assert (list(found.missing), found.gone, found.newer_here) == ([edited], [], 0)
    assert source.asked == [{JANUARY}], "the other month is not read, and no id is asked for"


@pytest.mark.parametrize("seed", range(10))
def test_missed_edits_never_make_up_for_one_another(lake: Lake, seed: int) -> None:
    chance = random.Random(seed)
    held = crimes(1, 40)
    fill(lake, *held)
    edited = {}
    for crime in chance.sample(held, chance.randint(1, 12)):
        day = date(2024, 1, 10) + timedelta(days=chance.randint(0, 10))
        hour = chance.randint(16, 23) if day == date(2024, 1, 10) else chance.randint(0, 23)
        edited[crime["id"]] = {**crime, "updated_on": f"{day}T{hour:02}:{chance.randint(0, 59):02}:07.000"}

    found = reconcile(lake, Source(*(edited.get(crime["id"], crime) for crime in held)))

    assert sorted(str(one["id"]) for one in found.missing) == sorted(map(str, edited))


def test_an_edit_that_cannot_be_typed_is_known_once_it_is_in_quarantine(lake: Lake) -> None:
    held = crimes(1, 4)
    bad = record(2, "2024-01-15", ward="somewhere")
    fill(lake, *held, bad)
    assert reconcile(lake, Source(held[0], bad, held[2])).differing == []


def test_a_source_that_went_back_is_told_and_the_newer_version_stays(lake: Lake) -> None:
    held = [record(n, "2024-01-15") for n in range(1, 5)]
    fill(lake, *held)
    older = record(3, "2024-01-12")

    found = reconcile(lake, Source(*held[:2], older, held[3]))

    assert found.differing == [MonthCounts(JANUARY, 4, 4, restamped=True)]
    assert (list(found.missing), found.gone, found.newer_here) == ([], [], 1)
    # An export may hold an old copy beside the present one.
    assert reconcile(lake, Source(*held, older)).newer_here == 0


def test_edits_after_the_day_compared_are_not_counted_as_gone_back(lake: Lake) -> None:
    held = crimes(1, 7)
    fill(lake, *held)
    later = [record(n, "2024-01-21") for n in range(1, 4)]
    found = reconcile(lake, Source(*later, *held[3:]))
    assert (list(found.missing), found.gone, found.newer_here) == ([], [], 0)


def test_a_bulk_restamp_that_was_missed_is_refused_with_a_number_that_lets_it_in(lake: Lake) -> None:
    fill(lake, *crimes(1, 31), *crimes(31, 61, "2023-12-05"))
    source = Source(*(record(n, "2024-01-19", "2024-01-05") for n in range(1, 31)), *crimes(31, 61, "2023-12-05"))

    with pytest.raises(FeedError, match=r"has 30 or more records .*`crime-assets run`.*--most-pulled 30`"):
        reconcile(lake, source, most_pulled=10)

    assert len(reconcile(lake, source, most_pulled=30).missing) == 30


def test_records_on_disk_come_back_as_they_were_and_leave_nothing_behind(tmp_path: Path) -> None:
    odd = [record(1, "2024-01-10", block="\ud800 line\nbreak \u2028 é", domestic=None, extra={"a": [1, None]})] * 2
    spooled = SpooledRecords(tmp_path / "staging")
    for one in odd:
        spooled.add(one)
    assert (list(spooled), list(spooled), len(spooled)) == (odd, odd, 2)
    assert list((tmp_path / "staging").iterdir()) == []
