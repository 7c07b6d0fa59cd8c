"""The rows of "What changed": counts beside earlier ones, and what the changes mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.comparing import Comparison, in_words
from crime_assets.publishing.dashboard.choice import ALL, CLASSES, NONE, Choice
from crime_assets.publishing.dashboard.citing import cited_change, late
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.values import NOTHING, Cell, Cited, counted, signed
from crime_assets.publishing.small_numbers import HIDDEN

_FLAGS = {1: ("▲ ", "rise"), -1: ("▼ ", "fall")}
_POSITIONS = {"above": "above all", "below": "below all", "within": "within"}


def changes_of(figures: Figures) -> list[dict[str, Cell]]:
    """The rows: districts of the chosen class, or classes of the chosen district."""
    choice = figures.choice
    rows: list[dict[str, Cell]] = []
    if not figures.has("changes"):
        return rows
    for row in figures.table("changes").to_pylist():
        rows.append(
            {
                "District" if choice.district == ALL else "Class": _name(choice, row),
                "28 days": _counted(row, "crimes"),
                "28 before": _before(row),
                "Change": Cell(signed(row["change"]), is_number=True),
                "Meaning": _meaning(row, cites=_cited(figures, row)),
                "Year to date": _counted(row, "year_crimes"),
                "Last year": _before(row, "year_"),
                "Change to date": Cell(signed(row["year_change"]), is_number=True),
                "Meaning to date": _meaning(row, "year_"),
                "Five years": Cell(_POSITIONS.get(row["five_years_position"], NOTHING)),
            }
        )
    return rows


def days_compared(figures: Figures) -> str:
    """The days of the two periods that are compared with earlier ones."""
    rows = figures.table("changes").slice(0, 1).to_pylist() if figures.has("changes") else []
    return "".join(
        f"28 days from {row['first_day']} and the year from {row['year_first_day']}, both to {row['last_day']}"
        for row in rows
    )


def _name(choice: Choice, row: Mapping[str, Any]) -> Cell:
    if choice.district != ALL:
        return Cell(CLASSES[row["offense_class"]])
    if row["district"] in (None, ALL):
        return Cell(row["district"] or "not recorded")
    return Cell(row["district"], link=choice.but(district=row["district"], map="beat").link)


def _cited(figures: Figures, row: Mapping[str, Any]) -> Cited:
    """What a person copies of the row: its 28 days."""
    choice = figures.choice.but(
        district=row["district"] or NONE, offense_class=row["offense_class"], period="28d", beat=ALL
    )
    days = (row["first_day"], row["last_day"])
    counts = cited_change(choice, figures.about, counted(row, "crimes"), _before(row).text, days)
    how = "" if row["before_basis"] in ("unknown", None) else " as they were known when they were as old"
    return Cited(f"{counts}{how}: {_meaning(row).text}. {late(row['late_crimes'])}", choice.link)


def _meaning(row: Mapping[str, Any], of: str = "", cites: Cited | None = None) -> Cell:
    """What a change means, marked if it is flagged; `of` begins the names of its columns."""
    if f"{of}change" in str(row[HIDDEN] or "").split(", "):
        return Cell(NOT_SHOWN, cited=cites)
    z, flag = row[f"{of}z_before"], row[f"{of}flag"] or 0
    found = None
    if z is not None:
        found = Comparison(row[f"{of}crimes"], row[f"{of}crimes_before"], z, flag, row[f"{of}before_basis"])
    sign, mark = _FLAGS.get(flag, ("", None))
    return Cell(f"{sign}{in_words(found)}", mark=mark, cited=cites)


def _before(row: Mapping[str, Any], of: str = "") -> Cell:
    """The earlier count; an estimate is marked as such."""
    count = counted(row, f"{of}crimes_before")
    is_estimate = row[f"{of}before_basis"] == "estimated" and row[f"{of}crimes_before"] is not None
    return Cell(f"about {count}" if is_estimate else count, is_number=True)


def _counted(row: Mapping[str, object], key: str) -> Cell:
    return Cell(counted(row, key), is_number=True)
