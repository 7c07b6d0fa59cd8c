"""The rows of "What changed": counts beside earlier ones, and what the changes mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.comparing import Comparison, in_words
from crime_assets.publishing.dashboard.choice import ALL, NONE, TITLES, UNMAPPED, Choice
from crime_assets.publishing.dashboard.citing import cited_change, late
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.values import Cell, Cited, counted, is_hidden, shown, signed

_FLAGS = {1: ("▲ ", "rise"), -1: ("▼ ", "fall")}
_POSITIONS = {"above": "above all", "below": "below all", "within": "within"}
_MARKS = {"estimated": "about ", "unknown": "by now "}
_HOW = {
    "seen": " as they were known when they were as old",
    "estimated": ", estimated as known when they were as old",
    "unknown": " as they are known by now, with more time to come",
}
"""How an earlier count is known, by its basis: in a table, and in a sentence."""


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
                "28 before": Cell(earlier(row), is_number=True),
                "Change": Cell(shown(row, "change", signed), is_number=True),
                "Meaning": _meaning(row, cites=_cited(figures, row)),
                "Year to date": _counted(row, "year_crimes"),
                "Last year": Cell(earlier(row, "year_"), is_number=True),
                "Change to date": Cell(shown(row, "year_change", signed), is_number=True),
                "Meaning to date": _meaning(row, "year_"),
                "Five years": Cell(shown(row, "five_years_position", lambda position: _POSITIONS[position])),
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
        return Cell(TITLES[row["offense_class"]])
    if row["district"] in (None, ALL):
        return Cell("All districts" if row["district"] else "not recorded")
    return Cell(row["district"], link=choice.inside(row["district"]).link)


def earlier(row: Mapping[str, Any], of: str = "") -> str:
    """The earlier count of a comparison, marked if it is not known as it was; `of` begins the names of its columns."""
    mark = _MARKS.get(_basis(row, of), "")
    return shown(row, f"{of}crimes_before", lambda count: f"{mark}{number(count)}")


def as_of_today(row: Mapping[str, Any]) -> str:
    """What must be said of an earlier count of which only the present state is known; nothing of others."""
    return " as known by now" if row.get("before_basis") == "unknown" else ""


def _basis(row: Mapping[str, Any], of: str = "") -> str:
    """How the earlier count is known; an estimate that cannot be wrong is as good as seen."""
    is_certain = row.get(f"{of}crimes_before_low") == row.get(f"{of}crimes_before_high")
    basis = row.get(f"{of}before_basis")
    return "seen" if basis is None or (basis == "estimated" and is_certain) else str(basis)


def _cited(figures: Figures, row: Mapping[str, Any]) -> Cited | None:
    """What a person copies of the row: its 28 days, unless something of them is hidden, or they have no page."""
    if is_hidden(row, "crimes") or is_hidden(row, "change") or row["offense_class"] == UNMAPPED:
        return None
    choice = figures.choice.but(
        district=row["district"] or NONE, offense_class=row["offense_class"], period="28d", beat=ALL
    )
    days = (row["first_day"], row["last_day"])
    before = ""
    if row["crimes_before"] is not None:
        about = "about " if _basis(row) == "estimated" else ""
        before = f", {about}{counted(row, 'crimes_before')} in the 28 before{_HOW[_basis(row)]}"
    counts = cited_change(choice, figures.about, counted(row, "crimes"), days)
    return Cited(f"{counts}{before}: {_meaning(row).text}. {late(row['late_crimes'])}", choice.link)


def _meaning(row: Mapping[str, Any], of: str = "", cites: Cited | None = None) -> Cell:
    """What a change means, marked if it is flagged; `of` begins the names of its columns."""
    if is_hidden(row, f"{of}change"):
        return Cell(NOT_SHOWN, cited=cites)
    z, flag = row[f"{of}z_before"], row[f"{of}flag"] or 0
    found = None
    if z is not None:
        found = Comparison(row[f"{of}crimes"], row[f"{of}crimes_before"], z, flag, row[f"{of}before_basis"])
    sign, mark = _FLAGS.get(flag, ("", None))
    return Cell(f"{sign}{in_words(found)}", mark=mark, cited=cites)


def _counted(row: Mapping[str, object], key: str) -> Cell:
    return Cell(counted(row, key), is_number=True)
