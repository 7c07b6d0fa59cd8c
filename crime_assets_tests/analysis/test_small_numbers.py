"""Small numbers: what is hidden, what stays, and that nobody can work a hidden number out."""

from __future__ import annotations

import itertools
from datetime import date

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.analysis import small_numbers
from crime_assets.analysis.small_numbers import HIDDEN
from crime_assets.core.insights import Count, Counting, Insight, Share, all_insights
from crime_assets_tests.sql.asking import ask, random_crimes, table

DISTRICTS = Counting(counts=(Count("crimes", ("share",)),), adds_up=("district",))
GRID = Counting(counts=(Count("crimes"),), adds_up=("district", "kind"))


def protect(table: pa.Table, counting: Counting, threshold: int = 5) -> pa.Table:
    return small_numbers.protect(table, counting, threshold)


def rows(**columns: list[object]) -> pa.Table:
    length = len(next(iter(columns.values())))
    return pa.table({"as_of_day": [date(2024, 1, 1)] * length, "period": ["28d"] * length, **columns})


def crimes_of(found: pa.Table) -> list[object]:
    return list(found.column("crimes").to_pylist())


def districts(*crimes: int) -> pa.Table:
    return rows(
        district=[f"{number:03}" for number in range(len(crimes))],
        crimes=list(crimes),
        share=[count / sum(crimes) for count in crimes],
    )


@pytest.mark.parametrize(
    ("crimes", "shown"),
    [
        ([10, 20, 30], [10, 20, 30]),
        ([0, 20, 30], [0, 20, 30]),
        # One alone would be the total less the others: the next smallest goes with it.
        ([3, 20, 30], [None, None, 30]),
        ([3, 4, 30], [None, None, 30]),
        # Two hidden ones that are 2 together are 1 each.
        ([1, 1, 30], [None, None, None]),
        ([1, 1, 1, 30, 40], [None, None, None, None, 40]),
        # Five that are 5 together, and six that are as many as six small ones can be.
        ([1, 1, 1, 1, 1, 30, 40], [None] * 6 + [40]),
        ([4, 4, 4, 4, 4, 4, 30, 40], [None] * 7 + [40]),
        ([3, 3, 30, 40], [None, None, 30, 40]),
        ([4, 5, 5, 9], [None, None, 5, 9]),
        # Nothing else to hide: the total is as small.
        ([2, 0, 0], [None, 0, 0]),
    ],
)
def test_small_counts_go_and_what_would_give_them_away(crimes: list[int], shown: list[int | None]) -> None:
    assert crimes_of(protect(districts(*crimes), DISTRICTS)) == shown


@pytest.mark.parametrize(
    ("crimes", "shown"),
    [
        ([10, 20, 30], [10, 20, 30]),
        # Who knows that his own are 2 would know that the other's are 3.
        ([2, 3, 50, 40], [None, None, 50, None]),
        ([3, 20, 30, 40], [None, None, None, 40]),
        # 3 and 4 are enough without the third; 1 and 1 are not.
        ([3, 4, 30, 40], [None, None, None, 40]),
        ([1, 1, 30, 40, 50], [None, None, None, None, 50]),
        ([2, 0, 0], [None, 0, 0]),
        ([2, 3, 0], [None, None, 0]),
        ([2, 3, 9], [None, None, None]),
    ],
)
def test_who_knows_one_row_learns_no_other(crimes: list[int], shown: list[int | None]) -> None:
    found = small_numbers.protect(districts(*crimes), DISTRICTS, 5, insiders=True)
    assert crimes_of(found) == shown


@pytest.mark.parametrize("seed", range(10))
def test_what_is_left_without_ones_own_row_is_not_few(seed: int) -> None:
    rng = np.random.default_rng(seed)
    for _ in range(40):
        counts = rng.poisson(rng.choice([0.3, 2, 8, 40], rng.integers(1, 9))).tolist()
        table = rows(district=[f"{n}" for n in range(len(counts))] + ["all"], crimes=[*counts, sum(counts)])
        found = crimes_of(
            small_numbers.protect(table, Counting((Count("crimes"),), adds_up=("district",)), 5, insiders=True)
        )
        hidden = [count for count, shown in zip(counts, found, strict=False) if shown is None]
        assert all(count == 0 or count >= 5 for count, shown in zip(counts, found, strict=False) if shown is not None)
        for n in range(len(hidden) if found[-1] is not None else 0):
            rest = hidden[:n] + hidden[n + 1 :]
            assert len(rest) >= 2
            assert sum(rest) >= 5
            assert max(rest) >= 5 or len(rest) < sum(rest) < 4 * len(rest)


def test_what_is_computed_from_a_hidden_count_goes_with_it_and_is_named() -> None:
    found = protect(districts(3, 20, 30), DISTRICTS)
    assert found.column("share").to_pylist() == [None, None, 30 / 53]
    assert found.column(HIDDEN).to_pylist() == ["crimes, share", "crimes, share", None]
    assert found.schema.field("crimes").type == pa.int64()


def test_the_order_of_the_rows_does_not_decide_what_is_hidden() -> None:
    """Of two tables of the same counts, one would show what the other hides: here several are the smallest."""
    table = rows(district=list("abcd") * 2, kind=["x"] * 4 + ["y"] * 4, crimes=[3, 9, 9, 9, 9, 9, 9, 9])
    found = {
        tuple(sorted((row["district"], row["kind"]) for row in protect(shuffled, GRID).to_pylist() if row[HIDDEN]))
        for seed in range(20)
        for shuffled in [table.take(np.random.default_rng(seed).permutation(8))]
    }
    assert found == {(("a", "x"), ("a", "y"), ("b", "x"), ("b", "y"))}


def test_what_another_table_hides_is_hidden_with_all_that_is_computed_from_it() -> None:
    table = rows(rank=[1, 2, 3], district=["c", "b", "a"], crimes=[30, 20, 10], share=[0.5, 0.3, 0.2])
    counting = Counting(counts=(Count("crimes", ("share",)),), ranked=("rank",), adds_up=("district",))
    found = small_numbers.protect(table, counting, 5, {"crimes": [1]})
    assert found.column("district").to_pylist() == ["c", "a", "b"]
    assert crimes_of(found) == [30, 10, None]
    assert found.column(HIDDEN).to_pylist() == [None, None, "rank, crimes, share"]


@pytest.mark.parametrize("threshold", [0, 1])
def test_a_person_may_hide_nothing(threshold: int) -> None:
    found = protect(districts(1, 2, 30), DISTRICTS, threshold)
    assert crimes_of(found) == [1, 2, 30]
    assert found.column(HIDDEN).to_pylist() == [None] * 3


def test_another_threshold() -> None:
    assert crimes_of(protect(districts(9, 10, 11), DISTRICTS, 10)) == [None, None, 11]


def test_periods_and_days_are_apart() -> None:
    found = districts(3, 20, 30)
    other = found.set_column(1, "period", pa.array(["365d"] * 3)).set_column(3, "crimes", pa.array([30, 200, 300]))
    assert crimes_of(protect(pa.concat_tables([found, other]), DISTRICTS)) == [None, None, 30, 30, 200, 300]


def test_totals_are_no_part_of_what_adds_up() -> None:
    table = rows(district=["all", "001", "002", "003"], crimes=[53, 3, 20, 30])
    assert crimes_of(protect(table, Counting((Count("crimes"),), adds_up=("district",)))) == [53, None, None, 30]


def test_a_total_that_is_hidden_is_no_sum_of_what_is_shown() -> None:
    """The total of the second kind is hidden for the sake of the first's: one of its parts must be too."""
    table = rows(
        district=["all", "001", "002", "003"] * 2,
        kind=["all"] * 4 + ["x"] * 4,
        crimes=[40, 3, 15, 22, 9, 0, 4, 5],
    )
    found = crimes_of(protect(table, GRID))
    for first in (0, 4):
        assert [found[first + place] is None for place in range(4)].count(True) != 1


def test_a_share_of_a_count_that_is_no_column() -> None:
    table = rows(district=["a", "b", "c", "d"], crimes=[100, 100, 100, 100], part_share=[0.02, 0.0, 0.05, None])
    found = protect(table, Counting((Count("crimes"),), (Share("part_share", "crimes"),), adds_up=("district",)))
    # The part of 2 would be the total of all parts less the 5.
    assert found.column("part_share").to_pylist() == [None, 0.0, None, None]
    assert crimes_of(found) == [100] * 4


def test_the_place_of_a_row_does_not_tell_its_count() -> None:
    table = rows(block_rank=[1, 2, 3, 4], block=["d", "c", "b", "a"], crimes=[30, 20, 4, 3])
    counting = Counting((Count("crimes"),), ranked=("block_rank",), adds_up=("block",))
    found = protect(table, counting)
    assert found.column("block").to_pylist() == ["d", "c", "a", "b"]
    assert found.column("block_rank").to_pylist() == [1, 2, None, None]
    assert crimes_of(found) == [30, 20, None, None]
    assert protect(table, counting, 0).column("block").to_pylist() == ["d", "c", "b", "a"]


def test_what_compares_rows_goes_when_one_of_them_is_hidden() -> None:
    table = rows(month=["a", "b", "c"], crimes=[4, 20, 30], change=[None, 16, 10])
    counting = Counting((Count("crimes"),), across=("change",), adds_up=("month",))
    assert protect(table, counting).column("change").to_pylist() == [None] * 3
    assert protect(table, counting, 3).column("change").to_pylist() == [None, 16, 10]


def test_a_grid_is_protected_along_both_sides() -> None:
    """Row and column totals are known: no hidden cell may be the only one of its row or column."""
    table = rows(
        district=["1", "1", "1", "2", "2", "2", "3", "3", "3"],
        kind=["x", "y", "z"] * 3,
        crimes=[2, 30, 40, 50, 60, 70, 80, 90, 95],
    )
    assert crimes_of(protect(table, GRID)) == [None, None, 40, None, None, 70, 80, 90, 95]


@pytest.mark.parametrize("seed", range(20))
def test_no_total_gives_a_hidden_count_away(seed: int) -> None:
    """In every row and column of random grids the hidden counts are several, and not few together."""
    rng = np.random.default_rng(seed)
    sides = [range(int(rng.integers(2, 6))), range(int(rng.integers(2, 6)))]
    cells = list(itertools.product(*sides))
    counts = rng.poisson(rng.choice([0.3, 2, 8, 40], len(cells))).tolist()
    table = rows(district=[str(one) for one, _ in cells], kind=[str(other) for _, other in cells], crimes=counts)
    found = crimes_of(protect(table, GRID))
    for side in (0, 1):
        for value in sides[side]:
            line = [number for number, cell in enumerate(cells) if cell[side] == value]
            hidden = [counts[number] for number in line if found[number] is None]
            others = [counts[number] for number in line if found[number] is not None]
            assert all(count == 0 or count >= 5 for count in others)
            assert not hidden or any(others) or sum(hidden) == sum(counts[number] for number in line)
            if hidden and any(others):
                assert len(hidden) >= 2
                assert sum(hidden) >= 5


@pytest.mark.parametrize("insight", all_insights(), ids=lambda insight: insight.name)
def test_every_count_of_every_insight_is_declared(insight: Insight) -> None:
    """No BIGINT column is a count that the rule does not know; numbers that count no records are listed here."""
    no_records = {"crime_types", "years", "days", "days_since", "days_since_last", "days_from", "days_to"} | {
        *("change_days", "windows", "permutations", "cells_summed", "distance_from_m", "distance_to_m"),
        *("first_published_in_window", "alarm", "lower_limit", "upper_limit", "is_hot", "is_repeat"),
    }
    found = ask(insight.name, table(random_crimes(7, 300, date(2023, 1, 1), date(2024, 2, 29))), date(2024, 2, 29))
    counted = {count.name for count in insight.counting.counts}
    derived = {name for count in insight.counting.counts for name in count.derived} | set(insight.counting.across)
    keys = {"as_of_day", "period", *insight.counting.adds_up}
    for field in found.schema:
        if field.type == pa.int64() and not field.name.endswith("_rank"):
            assert field.name in counted | derived | keys | no_records, field.name
        if field.name.endswith("share"):
            assert field.name in derived | {share.name for share in insight.counting.shares}, field.name
