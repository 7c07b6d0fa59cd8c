"""The key figures of a choice, each with its caveat."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

from crime_assets.publishing.dashboard.choice import ALL, CLASSES, NONE
from crime_assets.publishing.dashboard.citing import NOT_CLEARANCE, STILL_COMING, cited, late
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.pictures import period_in_words
from crime_assets.publishing.dashboard.values import NOTHING, Cited, counted, signed


@dataclass(frozen=True)
class Card:
    """A key figure: what it is, its value, a note, its caveat, what a person copies, and its count, if it is shown."""

    what: str
    value: str
    note: str
    caveat: str
    cited: Cited
    count: int | None = None


def cards_of(figures: Figures) -> list[Card]:
    """The figures at the top of the page."""
    choice, about = figures.choice, figures.about
    rows = {row["offense_class"]: row for row in figures.table("classes").to_pylist()}
    caveats = _caveats(figures)
    chosen = rows.get(choice.offense_class, {})
    share = chosen.get("arrest_share")
    shown = NOTHING if share is None else f"{share:.1%}"
    domestic = counted(chosen, "domestic_crimes")

    def count(name: str, what: str, note: str) -> Card:
        row = rows.get(name, {})
        value, caveat = counted(row, "crimes"), caveats.get(name, STILL_COMING)
        of_class = choice.but(offense_class=name)
        return Card(what, value, note, caveat, cited(of_class, about, _records(value), caveat), row.get("crimes"))

    found = [count(choice.offense_class, "Crimes", period_in_words(choice.period, about))]
    if choice.offense_class == ALL:
        found += [count(name, CLASSES[name].split()[0], "by FBI code") for name in ("violent", "property")]
    arrests = cited(choice, about, shown, NOT_CLEARANCE, "Arrest recorded")
    found.append(Card("Arrest recorded", shown, "so far; not clearance", NOT_CLEARANCE, arrests))
    marked = cited(choice, about, _records(domestic), STILL_COMING, "Domestic")
    found.append(
        Card("Domestic", domestic, "as the city marks them", STILL_COMING, marked, chosen.get("domestic_crimes"))
    )
    return found


def on_the_other_day(now: Card, then: Card, day: date) -> str:
    """The same figure on another day, and how many more there are now if both counts are shown."""
    more = ""
    if now.count is not None and then.count is not None:
        more = f" (difference {signed(now.count - then.count)})"
    return f"{day}: {then.value}{more}"


def _caveats(figures: Figures) -> Mapping[str, str]:
    """Class → the caveat about its late records, where they are estimated: for 28 days of a district or the city."""
    choice = figures.choice
    if choice.period != "28d" or choice.beat != ALL:
        return {}
    district = "None" if choice.district == NONE else choice.district
    rows = figures.insight("compstat", period="28d", district=district)
    return {
        str(row["offense_class"]): late(None if row["late_crimes"] is None else float(str(row["late_crimes"])))
        for row in rows
    }


def _records(value: str) -> str:
    return f"{value} record" if value == "1" else f"{value} records" if value[0].isdigit() else value
