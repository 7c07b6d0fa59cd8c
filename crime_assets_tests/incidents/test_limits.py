"""The limits of rules, against whole numbers."""

from __future__ import annotations

from functools import cache
from math import comb

import pytest

from crime_assets.incidents.limits import BEFORE, LIMITS, PERIODS, most_by_chance


def is_alarm(chance: int, periods: int, before: int, now: int) -> bool:
    """Whether so many or more, of now + before, come at most once in 10 ** chance times: exactly."""
    reports = now + before
    at_least = sum(comb(reports, more) * periods ** (reports - more) for more in range(now, reports + 1))
    return at_least * 10**chance <= (periods + 1) ** reports


@cache
def most() -> dict[tuple[int, int], int]:
    table = most_by_chance()
    return {(row["periods"], row["before_reports"]): row["most"] for row in table.to_pylist()}


def test_has_one_row_for_each_number_of_periods_and_reports():
    table = most_by_chance()
    assert table.schema == LIMITS
    assert table["chance"].unique().to_pylist() == [4]
    assert set(most()) == {(periods, before) for periods in range(1, PERIODS + 1) for before in range(BEFORE + 1)}
    assert table.num_rows == len(most())


@pytest.mark.parametrize("periods", range(1, PERIODS + 1))
def test_is_what_whole_numbers_say(periods: int):
    for before in (*range(61), 100, 333, 1_000):
        limit = most()[periods, before]
        assert is_alarm(4, periods, before, limit + 1), before
        assert not is_alarm(4, periods, before, limit), before


@pytest.mark.parametrize("chance", [1, 2, 3, 5, 6])
def test_is_what_whole_numbers_say_for_other_chances(chance: int):
    for row in most_by_chance(chance, 9, 20).to_pylist():
        periods, before, limit = row["periods"], row["before_reports"], row["most"]
        assert is_alarm(chance, periods, before, limit + 1)
        assert not is_alarm(chance, periods, before, limit)


def test_takes_a_chance_that_is_met_exactly_for_an_alarm():
    # Four of four in the tenth period: once in exactly 10,000 times.
    assert most()[9, 0] == 3


def test_grows_with_reports_and_falls_with_periods():
    for (periods, before), limit in most().items():
        assert limit >= most().get((periods, before - 1), 0)
        assert limit <= most().get((periods - 1, before), limit)


def test_is_below_twice_as_many_where_the_table_ends():
    assert all(most()[periods, BEFORE] < 2 * BEFORE for periods in range(1, PERIODS + 1))
