"""The rows of "What changed": what is hidden, what is estimated, and what a person copies of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Any, cast

import pyarrow as pa
import pytest

from crime_assets.publishing.dashboard.changed import as_of_today, changes_of, earlier
from crime_assets.publishing.dashboard.choice import Choice
from crime_assets.publishing.dashboard.citing import late
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.values import Cell, counted, percent, shown, signed
from crime_assets.publishing.extract import FORMAT, About

DAY, LAST = date(2024, 1, 31), date(2024, 1, 23)
CHOICE = Choice("chicago", DAY)
ABOUT = About(FORMAT, "chicago", "Chicago", DAY, LAST, None, None, 9, {}, "", "")


@dataclass
class _Changes:
    """Stands for Figures that have one row of changes."""

    row: dict[str, Any]
    choice: Choice = CHOICE
    about: About = ABOUT

    def has(self, _: str) -> bool:
        return True

    def table(self, _: str) -> pa.Table:
        return pa.Table.from_pylist([self.row])


def row(crimes: int | None = 180, before: int | None = 150, basis: str | None = "seen", **other: Any) -> dict[str, Any]:
    """A row of the statement `changes`, whose year is like its 28 days."""
    margin = 9 if basis == "estimated" else 0
    of_28_days = {
        "crimes": crimes,
        "crimes_before": before,
        "before_basis": basis,
        "crimes_before_low": None if before is None else before - margin,
        "crimes_before_high": None if before is None else before + margin,
        "change": None if crimes is None or before is None else crimes - before,
        "z_before": None if crimes is None or before is None else 2 * (crimes**0.5 - before**0.5),
        "flag": 0,
        "late_crimes": 1.2,
    }
    return {
        "first_day": date(2023, 12, 27),
        "last_day": LAST,
        "year_first_day": date(2024, 1, 1),
        "district": "011",
        "offense_class": "all",
        "five_years_position": None,
        "hidden": None,
        **of_28_days,
        **{f"year_{name}": value for name, value in of_28_days.items()},
        **other,
    }


def cells(of: dict[str, Any]) -> dict[str, Cell]:
    (found,) = changes_of(cast(Figures, _Changes(of)))
    return found


def texts(of: dict[str, Any]) -> dict[str, str]:
    return {name: cell.text for name, cell in cells(of).items()}


def copied(of: dict[str, Any]) -> str | None:
    cited = cells(of)["Meaning"].cited
    return cited and cited.text


def test_records_of_no_known_class_have_a_name_but_no_page_to_share() -> None:
    shown = _Changes(row(offense_class="unmapped"), Choice("chicago", DAY, district="011"))
    (found,) = changes_of(cast(Figures, shown))
    assert (found["Class"].text, found["28 days"].text) == ("Offenses of no known class", "180")
    assert found["Meaning"].cited is None
    assert copied(row()) is not None


def test_a_value_is_shown_or_hidden_or_there_is_none() -> None:
    found = {"change": None, "share": 0.125, "position": None, "hidden": "crimes, change"}
    assert shown(found, "change", signed) == "not shown"
    assert shown(found, "position", str) == "\N{EN DASH}"
    assert shown(found, "share", percent) == "12.5%"
    assert counted(found, "crimes") == "not shown"
    assert [signed(1_234), signed(-3), signed(0), signed(-2.04, 1)] == ["+1,234", "-3", "+0", "-2.0"]


def test_whatever_is_computed_from_a_hidden_count_is_said_to_be_hidden() -> None:
    compared = ("crimes", "change", "z_before", "flag", "five_years_position")
    names = [f"{of}{name}" for of in ("", "year_") for name in compared[:-1]] + ["five_years_position"]
    found = row(None, 0, "estimated", hidden=", ".join(names))
    assert texts(found) == {
        "District": "011",
        **dict.fromkeys(("28 days", "Change", "Meaning", "Five years"), "not shown"),
        **dict.fromkeys(("Year to date", "Change to date", "Meaning to date"), "not shown"),
        "28 before": "about 0",
        "Last year": "about 0",
    }


def test_an_earlier_count_says_how_it_is_known() -> None:
    assert earlier(row()) == "150"
    assert earlier(row(before=1_044, basis="estimated")) == "about 1,044"
    assert earlier(row(before=1_044, basis="unknown")) == "by now 1,044"
    assert earlier(row(before=0, basis="estimated", crimes_before_low=0, crimes_before_high=0)) == "0"
    assert earlier(row(before=None, basis=None)) == "\N{EN DASH}"
    assert earlier(row(before=None, basis="unknown", hidden="crimes_before, change")) == "not shown"
    assert texts(row(year_before_basis="unknown"))["Last year"] == "by now 150"


def test_what_cannot_be_compared_is_a_dash() -> None:
    found = texts(row(before=None, basis="unknown"))
    assert [found[name] for name in ("28 before", "Change", "Five years")] == ["\N{EN DASH}"] * 3
    assert found["Meaning"] == "nothing to compare"


@pytest.mark.parametrize(
    ("crimes", "before", "basis", "said"),
    [
        (
            180,
            150,
            "seen",
            "180 records {}, 150 in the 28 before as they were known when they were as old: somewhat more",
        ),
        (
            *(180, 150, "estimated"),
            "180 records {}, about 150 in the 28 before, estimated as known when they were as old: somewhat more",
        ),
        (
            *(150, 180, "unknown"),
            "150 records {}, 180 in the 28 before as they are known by now, with more time to come: fewer so far",
        ),
        (1, 0, "seen", "1 record {}, 0 in the 28 before as they were known when they were as old: too few to tell"),
        (7, None, "unknown", "7 records {}: nothing to compare."),
    ],
)
def test_a_copied_row_says_no_more_than_is_known(crimes: int, before: int | None, basis: str, said: str) -> None:
    days = "in the 28 days from 2023-12-27 to 2024-01-23 as known on 2024-01-31"
    text = str(copied(row(crimes, before, basis)))
    assert text.startswith(f"All offenses, district 011: {said.format(days)}")
    assert text.endswith(". About 1 late record may still come.")


@pytest.mark.parametrize("hidden", ["crimes, change, z_before, flag", "crimes_before, change, z_before, flag"])
def test_what_is_hidden_is_not_offered_to_be_copied(hidden: str) -> None:
    assert copied(row(**dict.fromkeys(hidden.split(", ")), hidden=hidden)) is None
    assert copied(row()) is not None


@pytest.mark.parametrize(
    ("records", "said"),
    [
        (0.4, "Few may still come."),
        (1.2, "About 1 late record may still come."),
        (1_234.0, "About 1,234 late records may still come."),
    ],
)
def test_late_records_are_counted_in_words(records: float, said: str) -> None:
    assert late(records) == said


@pytest.mark.parametrize(
    ("basis", "said"), [("seen", ""), ("estimated", ""), ("unknown", " as known by now"), (None, "")]
)
def test_a_change_in_a_sentence_says_if_it_is_against_what_is_known_today(basis: str | None, said: str) -> None:
    assert as_of_today(row(basis=basis)) == said
