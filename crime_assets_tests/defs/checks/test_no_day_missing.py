"""The verdict on holes: what it names, and how much of it."""

from __future__ import annotations

from datetime import date, timedelta

from crime_assets.defs.checks.verdicts import no_day_missing
from crime_assets.streams.pull import days_between

FIRST = date(2024, 1, 1)


def test_passes_where_all_days_were_merged_or_none_yet() -> None:
    found = no_day_missing(FIRST, days_between(FIRST, date(2024, 1, 9)))
    assert (found.passed, found.sentence) == (True, "No change day is missing (merged: 2024-01-01 to 2024-01-09).")
    assert no_day_missing(FIRST, []).passed


def test_fails_for_each_hole_the_one_at_the_beginning_too() -> None:
    found = no_day_missing(FIRST, [date(2024, 1, 3), date(2024, 1, 4), date(2024, 1, 8)])
    assert not found.passed
    assert "never merged: 5 (2024-01-01 to 2024-01-02, 2024-01-05 to 2024-01-07)." in found.sentence
    assert found.figures == {"merged": 3, "missing": 5, "days": "2024-01-01 to 2024-01-02, 2024-01-05 to 2024-01-07"}


def test_names_no_more_than_a_person_reads() -> None:
    found = no_day_missing(FIRST, [FIRST + timedelta(days=2 * number) for number in range(2_000)])
    assert "never merged: 1,999" in found.sentence
    assert len(found.sentence) < 400


def test_days_before_the_first_are_no_business_of_its() -> None:
    assert no_day_missing(FIRST, [FIRST - timedelta(days=9), FIRST]).passed
