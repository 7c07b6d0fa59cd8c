"""What a change means in words: over flags, z, late records and small numbers."""

from __future__ import annotations

import math

import pytest

from crime_assets.publishing.comparing import CHANCE_Z, FEWEST, FLAG_Z, Comparison, in_words


def compared(crimes: int, before: int, basis: str = "seen", margin: int = 0) -> Comparison:
    """As insight_compstat compares them, if the earlier count is right to a margin."""

    def z(earlier: int) -> float:
        return 2 * (math.sqrt(crimes) - math.sqrt(earlier))

    flag = int(z(before + margin) >= FLAG_Z) - int(z(max(0, before - margin)) <= -FLAG_Z)
    return Comparison(crimes, before, z(before), flag, basis)


@pytest.mark.parametrize(
    ("crimes", "before", "basis", "margin", "said"),
    [
        (180, 120, "seen", 0, "more than chance explains"),
        (120, 180, "seen", 0, "fewer than chance explains"),
        (120, 180, "estimated", 5, "fewer than chance explains"),
        (120, 180, "estimated", 40, "fewer, if the estimate of the days before is right"),
        (180, 120, "estimated", 40, "more, if the estimate of the days before is right"),
        (120, 180, "unknown", 60, "fewer so far; late records may close the gap"),
        (150, 180, "unknown", 40, "fewer so far; late records may close the gap"),
        (180, 150, "unknown", 40, "somewhat more so far; it may be chance"),
        (200, 150, "unknown", 60, "more so far, though late records are still to come"),
        (150, 180, "seen", 0, "somewhat fewer; it may be chance"),
        (180, 150, "estimated", 10, "somewhat more; it may be chance"),
        (100, 100, "seen", 0, "about as before"),
        (100, 104, "unknown", 30, "about as many so far; late records may still come"),
        (0, 0, "seen", 0, "too few to tell"),
        (6, 9, "seen", 0, "too few to tell"),
        (9, 6, "estimated", 3, "too few to tell"),
        (5, 9, "unknown", 4, "fewer so far; late records may close the gap"),
        (3, 0, "seen", 0, "more, but too few to be sure"),
        (0, 3, "seen", 0, "fewer, but too few to be sure"),
        (14_015, 14_100, "estimated", 300, "about as before"),
        (14_015, 19_010, "unknown", 5_200, "fewer so far; late records may close the gap"),
    ],
)
def test_what_a_change_means(crimes: int, before: int, basis: str, margin: int, said: str) -> None:
    assert in_words(compared(crimes, before, basis, margin)) == said


def test_what_cannot_be_compared_says_so() -> None:
    assert in_words(None) == "nothing to compare"


def test_every_flag_is_told_and_nothing_else_is_told_like_one() -> None:
    """Over all counts up to a hundred."""
    for crimes in range(0, 100, 3):
        for before in range(0, 100, 3):
            for basis, margin in (("seen", 0), ("estimated", 7), ("unknown", 20)):
                found = compared(crimes, before, basis, margin)
                said = in_words(found)
                assert ("than chance explains" in said or "to be sure" in said) == bool(found.flag)
                if "as before" in said:
                    assert abs(found.z) < CHANCE_Z
                if "may close" in said:
                    assert (found.z < 0, basis) == (True, "unknown")
                if basis == "unknown" and not found.flag and "too few" not in said:
                    assert "so far" in said
                if max(crimes, before) >= FEWEST:
                    assert "too few" not in said


def test_fewest_is_where_twice_as_many_stand_out() -> None:
    assert compared(2 * FEWEST, FEWEST).flag == 1
    assert compared(2 * (FEWEST - 1), FEWEST - 1).flag == 0
