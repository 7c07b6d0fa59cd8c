"""The lake against its source: what is missing, what is gone, and what must not be believed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import date, datetime, timedelta
from functools import reduce

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.reconcile import Limits, MonthCounts
from crime_assets.lakehouse.reconciliation.removal import Gone
from crime_assets.sources.feeds import Record, Stamps
from crime_assets_tests.build import record, stamps
from crime_assets_tests.lakehouse.lakes import snapshots
from crime_assets_tests.lakehouse.reconciliation.comparing import DECEMBER, JANUARY, Source, crimes, fill, reconcile


def test_where_counts_agree_nothing_is_asked(lake: Lake) -> None:
    held = [*crimes(1, 4), *crimes(4, 6, "2023-12-05")]
    fill(lake, *held)
    source = Source(*held)

    found = reconcile(lake, source)

    assert found.months == [MonthCounts(JANUARY, 3, 3), MonthCounts(DECEMBER, 2, 2)]
    assert (found.rows, found.differing, list(found.missing), found.gone, source.asked) == (5, [], [], [], [])


def test_what_either_lacks_is_found_in_the_months_that_differ(lake: Lake) -> None:
    held = [*crimes(1, 5), *crimes(5, 7, "2023-12-05")]
    fill(lake, *held)
    new = [record(10, "2024-01-20", "2023-12-31T23:59:59.000"), record(11, "2024-01-09", "2023-11-30")]
    source = Source(*held[1:], *new)

    found = reconcile(lake, source)

    assert [month.month for month in found.differing] == [JANUARY, DECEMBER, date(2023, 11, 1)]
    assert list(found.missing) == new
    assert found.gone == [Gone(1, datetime(2024, 1, 10, 15, 40))]
    # Only the one id that did not come with its month is asked for.
    assert source.asked == [{JANUARY, DECEMBER, date(2023, 11, 1)}, 1]


def test_changes_after_the_day_compared_are_left_to_their_day(lake: Lake) -> None:
    held = crimes(1, 7)
    fill(lake, *held, record(50, "2024-01-21"))
    source = Source(
        *held[:3],
        record(4, "2024-01-21", arrest=True),
        record(5, "2024-01-21", "2023-12-05"),
        record(6, "2024-01-20T23:59:59.999"),
        record(99, "2024-01-21"),
    )

    found = reconcile(lake, source)

    assert found.differing == [MonthCounts(JANUARY, 4, 6)]
    assert [r["id"] for r in found.missing] == ["6"], "an edit of a day that was merged has been missed"
    assert found.gone == []


def test_a_missed_edit_that_moved_a_crime_to_another_month_is_pulled_and_nothing_removed(lake: Lake) -> None:
    held = crimes(1, 4)
    fill(lake, *held)
    moved = record(3, "2024-01-15", "2023-12-05")

    found = reconcile(lake, Source(*held[:2], moved))

    assert (list(found.missing), found.gone) == ([moved], [])


def test_the_quarantine_is_neither_missing_nor_pulled_again(lake: Lake) -> None:
    nameless = record(24, "2024-01-10")
    del nameless["id"]
    bad = [
        record(20, "2024-01-10", ward="W"),
        {**record(21, "2024-01-10"), "date": "long ago"},
        record(22, "2024-01-11", "0204-01-05"),
        {**record(23, "2024-01-10"), "id": "A-1"},
        nameless,
    ]
    # Of this one an older version is in quarantine and the present one is a row.
    mended = record(25, "2024-01-12", "2023-12-05")
    older = record(20, "2024-01-09", ward="V")
    fill(lake, *crimes(1, 3), older, *bad, record(25, "2024-01-10", "2024-01-05", ward="W"), mended)

    class Portal(Source):
        def month_stamps(self, until: date) -> dict[date | None, Stamps]:
            afternoon = datetime(2024, 1, 10, 15, 40)
            january = reduce(Stamps.plus, 5 * [stamps(afternoon)])
            unknown = stamps(afternoon).plus(stamps(afternoon + timedelta(days=1)))
            return {JANUARY: january, None: unknown, DECEMBER: stamps(afternoon + timedelta(days=2))}

    found = reconcile(lake, Portal(*crimes(1, 3), *bad, mended))
    assert found.differing == []
    assert [(month.month, month.lake) for month in found.months] == [(JANUARY, 5), (DECEMBER, 1), (None, 2)]

    # Compared by id all the same, because a row of each month is new.
    class Moved(Source):
        def month_stamps(self, until: date) -> dict[date | None, Stamps]:
            return {JANUARY: Stamps(6), None: Stamps(3)}

        def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
            return iter(self.records)

    newer = record(20, "2024-01-13", ward="still W")
    found = reconcile(lake, Moved(*crimes(1, 3), *bad, mended, newer))
    assert list(found.missing) == [newer], "only the version that the quarantine does not have"
    assert found.gone == []


def test_ids_are_told_as_numbers_and_a_record_may_come_twice(lake: Lake) -> None:
    fill(lake, {**record(1, "2024-01-10"), "id": "7.0"}, record(2, "2024-01-10"))
    same, new = {**record(1, "2024-01-10"), "id": " 007 "}, record(9, "2024-01-10")

    class Portal(Source):
        def present(self, ids: Collection[int]) -> set[int]:
            return set()

    found = reconcile(lake, Portal(same, new, new), most_removed=1)

    assert (list(found.missing), [gone.id for gone in found.gone]) == ([new], [2])


def test_an_empty_lake_takes_what_the_source_has(lake: Lake) -> None:
    found = reconcile(lake, Source(*crimes(1, 3)))
    assert (found.rows, len(found.missing), found.gone) == (0, 2, [])
    assert reconcile(lake, Source()).months == []


@pytest.mark.parametrize(
    ("rows_compared", "removed", "pulled"),
    [
        (0, 0, 10_000),
        (1, 0, 10_000),
        (2, 0, 10_000),
        (3, 1, 10_000),
        (10, 4, 10_000),
        (201, 100, 10_000),
        (20_000, 100, 10_000),
        (40_000, 200, 10_000),
        (8_200_000, 41_000, 41_000),
    ],
)
def test_limits_follow_the_size_of_the_lake_unless_a_person_says_otherwise(
    rows_compared: int, removed: int, pulled: int
) -> None:
    assert (Limits().removed(rows_compared), Limits().pulled(rows_compared)) == (removed, pulled)
    assert (Limits(7, 9).removed(rows_compared), Limits(7, 9).pulled(rows_compared)) == (7, 9)
    assert Limits(most_removed=0).removed(rows_compared) == 0


@pytest.mark.parametrize("left", [0, 6, 12])
def test_a_source_that_lacks_half_or_all_is_not_believed(lake: Lake, left: int) -> None:
    held = [*crimes(1, 13), *crimes(13, 25, "2023-12-05")]
    fill(lake, *held)
    before = {name: snapshots(lake, name) for name in tables.names(lake, "chicago")}
    source = Source(*held[:left])

    with pytest.raises(FeedError) as raised:
        reconcile(lake, source)

    lacks = 24 - left
    assert str(raised.value) == (
        f"The source of Chicago lacks {lacks} or more of the 24 rows compared, and at most 11 are removed at once, so "
        "nothing was changed: check https://data.cityofchicago.org/d/ijzp-q8t2 and, if it is right, allow this many "
        f"with `crime-assets reconcile --most-removed {lacks}` (in Dagster: the run config most_removed)."
    )
    assert source.asked == [], "nothing need be read to tell"
    assert {name: snapshots(lake, name) for name in tables.names(lake, "chicago")} == before
    assert len(reconcile(lake, source, most_removed=lacks).gone) == lacks
    with pytest.raises(FeedError, match=f"at most {lacks - 1} are removed"):
        reconcile(lake, source, most_removed=lacks - 1)


def test_rows_that_are_missing_in_one_month_are_not_hidden_by_new_ones_in_another(lake: Lake) -> None:
    fill(lake, *crimes(1, 13))

    with pytest.raises(FeedError, match=r"lacks 12 or more of the 12 rows compared.* --most-removed 12`"):
        reconcile(lake, Source(*crimes(101, 150, "2023-12-05")))


def test_all_records_stamped_anew_are_not_gone(lake: Lake) -> None:
    fill(lake, *crimes(1, 13))
    stamped = Source(*(record(n, "2024-01-21") for n in range(1, 13)))

    found = reconcile(lake, stamped)

    assert (list(found.missing), found.gone) == ([], [])


def test_another_dataset_is_not_pulled(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.lakehouse.reconciliation.reconcile._CHUNK", 4)
    fill(lake, *crimes(1, 3))
    read = []

    class Portal(Source):
        def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
            for one in super().month_records(months, until):
                read.append(one)
                yield one

    source = Portal(*crimes(1, 100))
    with pytest.raises(FeedError, match=r"has 6 or more records that the lake lacks.*--most-pulled 99`"):
        reconcile(lake, source, most_pulled=5)

    assert len(read) == 8, "it stops as soon as it is too much"
    assert len(reconcile(lake, source, most_pulled=97).missing) == 97


def test_asking_for_ids_stops_as_soon_as_too_many_are_gone(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crime_assets.lakehouse.reconciliation.reconcile._CHUNK", 4)
    fill(lake, *crimes(1, 41))
    source = Source(*crimes(31, 41), *crimes(101, 132))

    with pytest.raises(FeedError, match=r"lacks 20 or more of the 40 rows.*--most-removed 30`"):
        reconcile(lake, source)

    assert source.asked[1:] == [4, 4, 4, 4, 4]
