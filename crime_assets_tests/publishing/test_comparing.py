"""What a change means in words: over flags, z, late records and small numbers."""

from __future__ import annotations

import math

import pytest

from crime_assets.publishing.comparing import CHANCE_Z, FEWEST, FLAG_Z, Comparison, in_words


def compared(crimes: int, before: int, late: float | None = 0.0) -> Comparison:
    """As insight_compstat compares them."""
    z = 2 * (math.sqrt(crimes) - math.sqrt(before))
    in_the_end = 2 * (math.sqrt(crimes + (late or 0)) - math.sqrt(before))
    flag = 1 if z >= FLAG_Z else -1 if z <= -FLAG_Z and in_the_end <= -FLAG_Z else 0
    return Comparison(crimes, before, z, flag, late)


@pytest.mark.parametrize(
    ("crimes", "before", "late", "said"),
    [
        (180, 120, 0.0, "more than chance explains"),
        (120, 180, 0.0, "fewer than chance explains"),
        (120, 180, 5.0, "fewer than chance explains"),
        (120, 180, 40.0, "fewer so far; late records may close the gap"),
        (120, 180, 70.0, "fewer so far; late records may close the gap"),
        (150, 180, 20.0, "fewer so far; late records may close the gap"),
        (150, 180, 2.0, "somewhat fewer; it may be chance"),
        (150, 180, None, "somewhat fewer; it may be chance"),
        (180, 150, 10.0, "somewhat more; it may be chance"),
        (100, 100, 0.0, "about as before"),
        (100, 104, 30.0, "about as before"),
        (0, 0, 0.0, "too few to tell"),
        (6, 9, None, "too few to tell"),
        (9, 6, 3.0, "too few to tell"),
        (5, 9, 4.0, "fewer so far; late records may close the gap"),
        (3, 0, 0.0, "more, but too few to be sure"),
        (0, 3, 0.0, "fewer, but too few to be sure"),
        (14_015, 14_100, 900.0, "about as before"),
        (14_015, 19_010, 5_200.0, "fewer so far; late records may close the gap"),
    ],
)
def test_what_a_change_means(crimes: int, before: int, late: float | None, said: str) -> None:
    assert in_words(compared(crimes, before, late)) == said


def test_what_cannot_be_compared_says_so() -> None:
    assert in_words(None) == "nothing to compare"


def test_no_fall_is_told_that_late_records_may_close_and_no_flag_is_kept_back() -> None:
    """Over all counts up to a hundred and several late records."""
    for crimes in range(0, 100, 3):
        for before in range(0, 100, 3):
            for late in (None, 0.0, 4.0, 30.0):
                found = compared(crimes, before, late)
                said = in_words(found)
                assert ("than chance explains" in said or "to be sure" in said) == bool(found.flag)
                if "as before" in said:
                    assert abs(found.z) < CHANCE_Z
                if "may close" in said:
                    assert found.z < 0
                    assert late
                if max(crimes, before) >= FEWEST:
                    assert "too few" not in said


def test_fewest_is_where_twice_as_many_stand_out() -> None:
    assert compared(2 * FEWEST, FEWEST).flag == 1
    assert compared(2 * (FEWEST - 1), FEWEST - 1).flag == 0
