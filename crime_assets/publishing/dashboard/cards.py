"""The key figures of a choice, each with its caveat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from crime_assets.publishing.dashboard.choice import ALL, CLASSES, NONE
from crime_assets.publishing.dashboard.citing import NOT_CLEARANCE, STILL_COMING, cited, late, records
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.pictures import period_in_words
from crime_assets.publishing.dashboard.values import Cited, counted, percent, shown, signed


@dataclass(frozen=True)
class Card:
    """A key figure: what it is, its value, a note, its caveat; what a person copies and its count, if it is shown."""

    what: str
    value: str
    note: str
    caveat: str
    cited: Cited | None
    count: int | None = None


def cards_of(figures: Figures) -> list[Card]:
    """The figures at the top of the page."""
    choice, about = figures.choice, figures.about
    rows = {row["offense_class"]: row for row in figures.table("classes").to_pylist()}
    caveats = _caveats(figures)
    chosen = rows.get(choice.offense_class, {})

    def count(name: str, what: str, note: str) -> Card:
        row = rows.get(name, {})
        value, caveat, crimes = counted(row, "crimes"), caveats.get(name, STILL_COMING), row.get("crimes")
        of_class = choice.but(offense_class=name)
        text = None if crimes is None else cited(of_class, about, records(value), caveat)
        return Card(what, value, note, caveat, text, crimes)

    found = [count(choice.offense_class, "Crimes", period_in_words(choice.period, about))]
    if choice.offense_class == ALL:
        found += [
            count(name, CLASSES[name].split()[0], f"by {figures.published.codes} code")
            for name in ("violent", "property")
        ]
    found += [_arrests(figures, chosen)] if figures.published.has("arrest") else []
    return found + ([_domestic(figures, chosen)] if figures.published.has("domestic") else [])


def _arrests(figures: Figures, row: Mapping[str, Any]) -> Card:
    what, value = "Arrest recorded", shown(row, "arrest_share", percent)
    text = None
    if row.get("arrest_share") is not None:
        text = cited(figures.choice, figures.about, value, NOT_CLEARANCE, what)
    return Card(what, value, "so far; not clearance", NOT_CLEARANCE, text)


def _domestic(figures: Figures, row: Mapping[str, Any]) -> Card:
    what, value, count = "Domestic", counted(row, "domestic_crimes"), row.get("domestic_crimes")
    text = None if count is None else cited(figures.choice, figures.about, records(value), STILL_COMING, what)
    return Card(what, value, "as the city marks them", STILL_COMING, text, count)


def on_the_other_day(now: Card, then: Card, day: date) -> str:
    """The same figure on another day, and how many more there are now if both counts are shown."""
    more = ""
    if now.count is not None and then.count is not None:
        more = f" (difference {signed(now.count - then.count)})"
    return f"{day}: {then.value}{more}"


def _caveats(figures: Figures) -> Mapping[str, str]:
    """Class → the caveat about its late records, where they are estimated: for 28 days of a district or the city."""
    choice = figures.choice
    if choice.period != "28d" or choice.beat != ALL or not figures.published.has("change_day"):
        return {}
    district = "None" if choice.district == NONE else choice.district
    rows = figures.insight("compstat", period="28d", district=district)
    return {
        str(row["offense_class"]): late(None if row["late_crimes"] is None else float(str(row["late_crimes"])))
        for row in rows
    }
