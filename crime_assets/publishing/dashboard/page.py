"""What is on the page of a choice: the values for its template."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.dashboard.cards import Card, cards_of, on_the_other_day
from crime_assets.publishing.dashboard.changed import changes_of, days_compared
from crime_assets.publishing.dashboard.choice import ALL, MAPS, PERIODS, UNMAPPED, Choice, Choices, classes_of
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.pictures import (
    WEEKDAYS,
    Pictures,
    described,
    hot_cells,
    hotspots_described,
    period_in_words,
)
from crime_assets.publishing.dashboard.two_days import MEANING, Compared, compared, days_of_both
from crime_assets.publishing.dashboard.values import Cell, counted, percent, shown, signed
from crime_assets.publishing.quality import Said

_ROWS = 30
"""Most rows of a table that a page shows; its file has them all."""
_FRESH_DAYS = 2
"""Most days since the newest change day, if every day is pulled in the following night."""


@dataclass(frozen=True)
class ShownTable:
    """A table on a page; `days` says from which day to which, `more` is how many rows are not shown."""

    name: str
    title: str
    days: str
    meaning: str
    head: list[str]
    rows: list[list[Cell]]
    more: int


@dataclass(frozen=True)
class Panel:
    """A picture with its table, what it means, and where to download both."""

    name: str
    title: str
    meaning: str
    picture: str
    table: ShownTable


@dataclass(frozen=True)
class Beside:
    """What is known besides the extract.

    `said` are the latest results of the checks, `newest_merged` is the newest change day of the lake, `today` the
    current day in the city, `briefings` the file types that exist for the day's briefing.
    """

    said: list[Said]
    newest_merged: date | None
    today: date
    briefings: frozenset[str]


def page_of(
    choice: Choice,
    choices: Choices,
    figures: Figures,
    pictures: Pictures,
    beside: Beside,
    then: Figures | None,
) -> dict[str, Any]:
    """The values of the page; `then` are the figures of the day to compare with, if one is chosen."""
    newest, about = beside.newest_merged, figures.about
    cards = cards_of(figures)
    return {
        "choice": choice,
        "choices": choices,
        "about": about,
        "completeness": completeness(figures),
        "said": described(choice, about),
        "failing": [one for one in beside.said if not one.is_passed],
        "checks": len(beside.said),
        "newest_merged": newest if newest and newest > choice.day else None,
        "days_old": _days_old(choice, choices, beside.today),
        "briefings": beside.briefings,
        "cards": cards,
        "cards_then": _cards_then(cards, then),
        "changes": _table(figures, "changes", days_compared(figures), changes_of(figures)),
        "panels": [_panel(name, table, figures, pictures) for name, table in _PANELS if figures.has(table)],
        "blocks": _table(figures, "blocks", _days(figures), _blocks(figures)),
        "warnings": list(_warnings(figures, choices.beats)),
        "days_watched": period_in_words("28d", about),
        "names": {"period": PERIODS, "offense_class": classes_of(choice.city)},
        "published": figures.published,
        "unmapped": unmapped(figures),
        "two_days": None if then is None else _two_days(figures, then),
        "crumbs": list(_crumbs(choice)),
        "number": number,
    }


def _cards_then(cards: list[Card], then: Figures | None) -> list[str]:
    """Each card on the day to compare with; the same choice has the same cards."""
    if then is None:
        return []
    day = then.choice.day
    return [on_the_other_day(now, other, day) for now, other in zip(cards, cards_of(then), strict=True)]


def _two_days(now: Figures, then: Figures) -> dict[str, Any]:
    """The tables of both days."""
    days = [f"{figures.choice.day}" for figures in (now, then)]
    return {
        "title": f"{days[0]} beside {days[1]}",
        "days": days_of_both(now, then),
        "meaning": MEANING,
        "tables": [_side_by_side(name, found, days) for name, found in compared(now, then).items()],
    }


def _side_by_side(name: str, found: Compared, days: list[str]) -> ShownTable:
    def cell(text: str | None) -> Cell:
        return Cell(NOT_SHOWN if text is None else text, is_number=True)

    rows = [
        {
            found.first: Cell(pair.name),
            days[0]: cell(None if pair.now is None else number(pair.now)),
            days[1]: cell(None if pair.then is None else number(pair.then)),
            "Difference": cell(None if pair.difference is None else signed(pair.difference)),
        }
        for pair in found.pairs
    ]
    return _table_of(name, found.title, " beside ".join(days), "", rows)


def _days_old(choice: Choice, choices: Choices, today: date) -> int | None:
    """How old the newest figures are, if they are shown and are older than daily pulls explain."""
    days = (today - choice.day).days
    return days if choice.day == choices.days[0] and days > _FRESH_DAYS else None


_HOT = (
    "Cells of about a tenth of a square kilometer in which, with their neighbors, more crimes lie together than chance "
    "explains, corrected for the number of cells (Getis-Ord Gi*). Colors count crimes; the rest of the city is pale."
)
_COLUMNS = {
    "first_day": "First day",
    "last_day": "Last day",
    "hour": "Hour",
    "iso_weekday": "Weekday",
    "primary_type": "Category",
    "crimes": "Crimes",
    "expected_crimes": "Expected crimes",
    "unsettled": "Still filling up",
    "arrests": "Arrests recorded",
    "arrest_share": "Share with an arrest",
}
"""Column → its word on the page."""
_COUNTS = {"crimes": "Crimes", "arrests": "Arrests recorded", "domestic_crimes": "Domestic"}
"""The same of the counts of areas and blocks."""
_FORMS: Mapping[str, Callable[[Any], str]] = {
    "first_day": str,
    "last_day": str,
    "iso_weekday": lambda day: WEEKDAYS[day - 1],
    "primary_type": lambda name: name or "not recorded",
    "unsettled": lambda is_unsettled: "yes" if is_unsettled else "no",
}
"""Column that counts nothing → how its values are written."""
_PANELS = (("map", "areas"), ("trend", "trend"), ("hours", "hours"), ("types", "types"))


def _panel(name: str, table: str, figures: Figures, pictures: Pictures) -> Panel:
    if name == "map" and figures.choice.map == "hotspots":
        days = hotspots_described(figures.choice, figures.about)
        found = _table_of("hotspots", "Hot spots", days, _HOT, _hot_cells(figures))
    elif name == "map":
        meaning = figures.shown("areas").meaning
        found = _table_of("areas", MAPS[figures.choice.map], _days(figures), meaning, _areas(figures))
    elif name == "trend":
        found = _table(figures, table, f"as known on {figures.choice.day}", _plain(figures, table))
    else:
        found = _table(figures, table, _days(figures), _plain(figures, table))
    return Panel(name, found.title, found.meaning, pictures.draw(name), found)


def _areas(figures: Figures) -> list[dict[str, Cell]]:
    choice = figures.choice
    level = choice.map if choice.map != "hotspots" else "district"
    links = figures.links(level)
    rows = []
    for row in figures.table("areas").to_pylist():
        area = row["area"]
        counts = {word: _counted(row, key) for key, word in _COUNTS.items() if key in row}
        rows.append({MAPS[level].removesuffix("s"): Cell(area or "not recorded", link=links.get(area)), **counts})
    return rows


def _blocks(figures: Figures) -> list[dict[str, Cell]]:
    if figures.choice.district == ALL or not figures.has("blocks"):
        return []
    return [
        {
            "Block": Cell(row["block"] or "not recorded"),
            **{word: _counted(row, key) for key, word in _COUNTS.items() if key in row},
            "Last": Cell(shown(row, "last_crime_on", str)),
        }
        for row in figures.table("blocks").slice(0, _ROWS + 1).to_pylist()
    ]


def _plain(figures: Figures, name: str) -> list[dict[str, Cell]]:
    """A table with the columns that have a word."""
    rows = figures.table(name).to_pylist()
    return [{_COLUMNS[key]: _plain_cell(row, key) for key in row if key in _COLUMNS} for row in rows]


def _plain_cell(row: Mapping[str, Any], key: str) -> Cell:
    if key in _FORMS:
        return Cell(_FORMS[key](row[key]))
    return Cell(shown(row, key, percent), is_number=True) if key == "arrest_share" else _counted(row, key)


def _hot_cells(figures: Figures) -> list[dict[str, Cell]]:
    return [
        {
            "Cell": Cell(str(row["cell"])),
            "Crimes": _counted(row, "crimes"),
            "Latitude": Cell(str(row["latitude"]), is_number=True),
            "Longitude": Cell(str(row["longitude"]), is_number=True),
        }
        for row in hot_cells(figures)
    ]


def _warnings(figures: Figures, beats: list[str]) -> Iterator[tuple[str, str]]:
    """(what, how) for everything out of line, the most notable first; in a district, for its beats."""
    alarms = [row for row in figures.insight("early_warning") if row["alarm"] in (1, -1)]
    if figures.choice.district != ALL:
        alarms = [row for row in alarms if row["unit_kind"] == "beat" and row["unit"] in beats]
    for row in sorted(alarms, key=lambda row: -abs(float(str(row["z_expected"] or 0))))[:8]:
        low, high = number(float(str(row["lower_limit"]))), number(float(str(row["upper_limit"])))
        yield (
            f"{str(row['unit_kind']).capitalize()} {row['unit']}",
            f"{row['crimes']} crimes; its own history suggests {low} to {high}",
        )


def _crumbs(choice: Choice) -> Iterator[tuple[str, str | None]]:
    """Breadcrumbs: the links from the city to the current choice."""
    yield "City", choice.but(district=ALL, map="district").link if choice.district != ALL else None
    if choice.district != ALL:
        yield f"District {choice.district}", choice.but(beat=ALL).link if choice.beat != ALL else None
    if choice.beat != ALL:
        yield f"Beat {choice.beat}", None


def unmapped(figures: Figures) -> str:
    """The sentence that says how many of the chosen records are of no class; empty if none is."""
    row = next((row for row in figures.table("classes").to_pylist() if row["offense_class"] == UNMAPPED), None)
    if row is None:
        return ""
    count = "Some" if row["crimes"] is None else counted(row, "crimes")
    have, codes, they = ("has", "a code", "it counts") if count == "1" else ("have", "codes", "they count")
    records = "record" if count == "1" else "records"
    return f"{count} {records} of the period {have} {codes} of no known class: {they} in all offenses only."


def completeness(figures: Figures) -> str | None:
    """How complete the last complete day is, as far as can be told."""
    day = str(figures.about.last_complete_day)
    found = [row["completeness"] for row in figures.insight("reporting_delay", occurred_on=day)]
    return f"{float(str(found[0])):.0%}" if found and found[0] is not None else None


def _days(figures: Figures) -> str:
    """The chosen period with its days."""
    return period_in_words(figures.choice.period, figures.about)


def _table(figures: Figures, name: str, days: str, rows: list[dict[str, Cell]]) -> ShownTable:
    said = figures.shown(name)
    return _table_of(name, said.title, days, said.meaning, rows)


def _table_of(name: str, title: str, days: str, meaning: str, rows: list[dict[str, Cell]]) -> ShownTable:
    return ShownTable(
        name,
        title,
        days,
        meaning,
        list(rows[0]) if rows else [],
        [list(row.values()) for row in rows[:_ROWS]],
        max(0, len(rows) - _ROWS),
    )


def _counted(row: Mapping[str, object], key: str) -> Cell:
    return Cell(counted(row, key), is_number=True)
