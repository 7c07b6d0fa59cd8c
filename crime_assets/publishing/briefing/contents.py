"""What is on a briefing: texts, tables and pictures, the same for HTML and PDF."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from crime_assets.publishing.briefing.changes import Told, is_grown, told
from crime_assets.publishing.briefing.tables import Row, Tables
from crime_assets.publishing.cells import ring
from crime_assets.publishing.charts.maps import Area, draw
from crime_assets.publishing.charts.scales import classes, number
from crime_assets.publishing.dashboard.changed import as_of_today, earlier
from crime_assets.publishing.dashboard.choice import ALL, CLASSES, TITLES, Choice
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.dashboard.pictures import Pictures, period_in_words
from crime_assets.publishing.dashboard.values import NOTHING, Cell, counted, percent, shown, signed
from crime_assets.publishing.extract import About
from crime_assets.publishing.published import Published
from crime_assets.publishing.quality import in_words
from crime_assets.publishing.reading import Extract
from crime_assets.publishing.shapes import shapes_of
from crime_assets.streams import LandingStore

_FLAG = "Flag"
_SIGNS = {1: "▲", -1: "▼"}
_MARKS = {1: "rise", -1: "fall"}
_WORDS = {1: "▲ rise", -1: "▼ fall"}


@dataclass(frozen=True)
class Number:
    """A key figure: what it counts, how many there are, and what to know about it."""

    what: str
    value: str
    note: str


@dataclass(frozen=True)
class Grid:
    """A table: its title, header, and rows, whose first cell names the row."""

    title: str
    head: list[str]
    rows: list[list[Cell]]


@dataclass(frozen=True)
class Picture:
    """A picture (SVG): its title, what it shows to those who cannot see it, and how to read it."""

    title: str
    described: str
    svg: str
    meaning: str


@dataclass(frozen=True)
class Failing:
    """A check that fails, whether new figures wait for it, and what it found."""

    name: str
    is_blocking: bool
    sentence: str


@dataclass(frozen=True)
class Contents:
    """Everything on a briefing; None is what is not made for the city."""

    title: str
    day: str
    known: list[str]
    alert: str
    told: Told
    told_title: str
    numbers: list[Number]
    expected: list[str]
    map: Picture | None
    compstat: list[Grid] | None
    compstat_meaning: str
    trend: Picture
    quality: list[str]
    failing: list[Failing]
    meanings: list[str]
    source: str


def contents_of(
    extract: Extract,
    landing: LandingStore,
    tables: Tables,
    threshold: int,
    *,
    expected: Sequence[str] = (),
    insiders: bool = False,
) -> Contents:
    """The briefing of an extract; `tables` are its own, with counts below `threshold` hidden in the same way.

    `expected` are sentences about what comes next.
    """
    about = extract.about
    choice = Choice(about.city, about.as_of_day)
    figures = Figures(extract, choice, threshold, insiders=insiders)
    published = figures.published
    has_stamps = published.has("change_day")
    return Contents(
        title=f"{about.title} crime{': what changed' if has_stamps else ''}",
        day=about.as_of_day.isoformat(),
        known=list(_known(about, tables.reporting_delay)),
        alert=_alert(tables),
        told=told(tables, about.last_complete_day, is_compared=has_stamps),
        told_title="What changed" if has_stamps else "What stands out",
        numbers=list(_numbers(tables, published)),
        expected=list(expected),
        map=_hot_spots(extract, landing, tables.hot_cells) if published.makes("hotspots") else None,
        compstat=list(_compstat(tables.compstat)) if has_stamps else None,
        compstat_meaning="The 28 days that end on the last complete day against the 28 before, and the year to date "
        "against last year, both as they were known when they were as old, so that late records tip neither side. "
        "About marks an estimate of that, and by now a count as of today, which had more time. z is "
        "2(√now - √then): a change of 3 or more either way is flagged ▲ or ▼, if it is one however much was known "
        "then; districts show the flags of every class. Other years says where the count stands among those of the "
        "same days in up to five years before.",
        trend=Picture(
            "Crimes a day",
            f"Line of the crimes of each day, as known on {about.as_of_day}",
            Pictures(figures, extract, landing).draw("trend"),
            "Known so far as a line. In the shaded part records are still coming in: the dashed line is what is "
            "expected when all is known, learned from how late records came before."
            if has_stamps
            else figures.shown("trend").meaning,
        ),
        quality=list(_quality(about, tables)),
        failing=[
            Failing(_words(said.check), said.is_blocking, said.sentence) for said in tables.checks if not said.is_passed
        ],
        meanings=list(_meanings(threshold, published)),
        source=f"Data of the city's open-data portal, as it stood on {about.as_of_day}. {published.licence}".rstrip(),
    )


def _known(about: About, reporting_delay: Sequence[Row]) -> Iterator[str]:
    last = about.last_complete_day
    share = next((row["completeness"] for row in reporting_delay if row["occurred_on"] == last), None)
    yield f"Known: what the city had published up to {about.as_of_day}."
    known = f": about {share:.0%} of its records are known, as far as can be told" if share else ""
    yield f"{last} is the last complete day{known}. 28 days means those that end on it."


def _alert(tables: Tables) -> str:
    """What readers must know before they believe anything."""
    failing = [_words(said.check) for said in tables.checks if not said.is_passed]
    if not failing:
        return ""
    fail = "fails" if len(failing) == 1 else "fail"
    return f"{len(failing)} of {len(tables.checks)} checks {fail}: {', '.join(failing)}."


def _numbers(tables: Tables, published: Published) -> Iterator[Number]:
    compared = [row for row in tables.compstat if row["period"] == "28d" and row["district"] == ALL]
    city = {row["offense_class"]: row for row in compared or tables.recent}
    for name, what in CLASSES.items():
        row = city.get(name, {})
        change, late = row.get("change"), row.get("late_crimes")
        note = "in 28 days" if change is None else f"{signed(change)} on the 28 days before{as_of_today(row)}"
        if change is not None and late is not None and round(late):
            note += f"; about {number(round(late))} may still come late"
        yield Number(what, counted(row, "crimes"), note)
    if published.has("arrest"):
        year = next((row for row in tables.classes if row["offense_class"] == ALL), {})
        share = shown(year, "arrest_share", percent)
        yield Number("Arrest recorded", share, "of 365 days' crimes so far; not clearance")


def _hot_spots(extract: Extract, landing: LandingStore, cells: Sequence[Row]) -> Picture:
    days = period_in_words("28d", extract.about)
    return Picture(
        "Hot spots",
        f"Map of the cells that are hot spots of all offenses, {days}",
        _map(extract, landing, cells),
        f"Cells with too many crimes in and around them to be chance, {days}; numbers are districts. A dark edge says "
        "new or grown: the cell and those around it have far more of their year's crimes in these days than the city "
        "has. Hot says where records are, not where risk is: many people pass through a center.",
    )


def _map(extract: Extract, landing: LandingStore, cells: Sequence[Row]) -> str:
    """The hot cells of all offenses over the districts."""
    hot = [row for row in cells if row["offense_class"] == ALL]
    shapes, is_outlined = shapes_of(landing, extract, "district")
    districts = [
        Area(f"District {name}", rings, None, is_of_cells=not is_outlined, is_background=True, label=name.lstrip("0"))
        for name, rings in shapes.items()
    ]
    areas = []
    for row in hot:
        grown = is_grown(row)
        name = f"{'New or grown hot' if grown else 'Hot'} cell {row['cell']}"
        areas.append(Area(name, [ring(row["cell"])], row["crimes"], is_marked=grown, is_of_cells=True))
    steps = classes([float(row["crimes"]) for row in hot if row["crimes"]])
    return draw("Hot spots", [*districts, *areas], steps)


def _compstat(rows: Sequence[Row]) -> Iterator[Grid]:
    """The city by class, and the districts with the flags of all their classes."""
    found = {(row["period"], row["district"], row["offense_class"]): row for row in rows}
    districts = {row["district"] for row in rows} - {ALL}

    def pair(district: str | None, offense_class: str) -> tuple[Row, Row]:
        return found.get(("28d", district, offense_class), {}), found.get(("ytd", district, offense_class), {})

    yield _grid(
        "The city, by class",
        "Class",
        [
            (what, *pair(ALL, name), [_said(row.get("flag")) for row in pair(ALL, name)])
            for name, what in TITLES.items()
            if ("28d", ALL, name) in found
        ],
    )
    yield _grid(
        "Districts",
        "District",
        [
            (
                place or "not recorded",
                *pair(place, ALL),
                [_flags([(name, pair(place, name)[part].get("flag")) for name in TITLES]) for part in (0, 1)],
            )
            for place in sorted(districts, key=lambda name: (name is None, name))
        ],
    )


def _grid(title: str, first: str, rows: Sequence[tuple[str, Row, Row, list[Cell]]]) -> Grid:
    head = [first, "28 days", "28 before", "Change", _FLAG, "z", "Other years"]
    head += ["Year to date", "Last year", "Change to date", "Flag to date"]
    cells = [
        [
            Cell(name),
            Cell(counted(now, "crimes"), is_number=True),
            Cell(earlier(now), is_number=True),
            Cell(shown(now, "change", signed), is_number=True),
            flags[0],
            Cell(shown(now, "z_before", lambda z: signed(z, 1)), is_number=True),
            Cell(shown(now, "five_years_position", str)),
            Cell(counted(year, "crimes"), is_number=True),
            Cell(earlier(year), is_number=True),
            Cell(shown(year, "change", signed), is_number=True),
            flags[1],
        ]
        for name, now, year, flags in rows
    ]
    # A young lake has no other years: empty columns would take the room of the others.
    kept = [
        index
        for index, name in enumerate(head)
        if name == _FLAG or any(row[index].text not in ("", NOTHING) for row in cells)
    ]
    return Grid(title, [head[index] for index in kept], [[row[index] for index in kept] for row in cells])


def _flags(found: Sequence[tuple[str, int | None]]) -> Cell:
    """Which classes are flagged; all classes together come first."""
    flagged = {sign: [name for name, flag in found if flag == sign] for sign in _SIGNS}
    text = "; ".join(f"{_SIGNS[sign]} {', '.join(names)}" for sign, names in flagged.items() if names)
    marks = [_MARKS[sign] for sign, names in flagged.items() if names]
    return Cell(text, mark=marks[0] if len(marks) == 1 else None)


def _said(flag: int | None) -> Cell:
    return Cell(_WORDS[flag], mark=_MARKS[flag]) if flag in _WORDS and flag else Cell("")


def _quality(about: About, tables: Tables) -> Iterator[str]:
    """How fresh the figures are, and what is still missing."""
    checks = len(tables.checks)
    passed = [said.check for said in tables.checks if said.is_passed]
    if not checks:
        yield "No check has been run yet."
    else:
        ran = sorted(said.said_at[:10] for said in tables.checks if said.is_passed)
        since = "" if not ran else f", on {ran[0]}" if ran[0] == ran[-1] else f", some as long ago as {ran[0]}"
        part = f"All {checks}" if len(passed) == checks else f"{len(passed)} of {checks}"
        yield f"{part} checks passed when they were last run{since}{': ' if passed else ''}{in_words(passed)}."
    newest = about.newest_crime
    occurred = f"occurred on {newest}" if newest else "is more than two years old"
    in_all = f"{number(about.crimes)} {'is' if about.crimes == 1 else 'are'} known in all"
    yield f"The newest crime known {occurred}; {in_all}."
    silent = sorted(
        row["occurred_on"]
        for row in tables.reporting_delay
        if row["completeness"] == 0 and (newest is None or row["occurred_on"] > newest)
    )
    if silent:
        days = str(silent[0]) if len(silent) == 1 else f"{silent[0]} to {silent[-1]}"
        yield f"The city has published nothing yet of {days}."
    late = [row["still_expected"] for row in tables.reporting_delay if row["completeness"]]
    if late and None not in late and (records := round(sum(late))):
        first = min(row["occurred_on"] for row in tables.reporting_delay)
        things = "record" if records == 1 else "records"
        still = "is" if records == 1 else "are"
        yield f"About {number(records)} {things} of the days from {first} on {still} still expected to come late."


def _meanings(threshold: int, published: Published) -> Iterator[str]:
    yield (
        "These are records of crimes that someone reported or the police saw. More records can mean more crime, more "
        "trust in the police, or another way of recording."
    )
    if published.lacking:
        yield f"{published.lacking} What is not published is not zero."
    if published.has("arrest"):
        yield (
            "An arrest recorded is not clearance: clearance also needs charges or exceptional means, and can belong to "
            "another year's offense. Arrests are recorded for months after."
        )
    if published.has("change_day"):
        yield (
            "Late records arrive for weeks. A series that ends now always seems to fall at its end; that is why the "
            "newest days are shaded or left out."
        )
    if published.has("block"):
        yield (
            "Places are blocks on purpose: the city hides the last two digits and shifts the point. Long streets of "
            "shops and large buildings lead because many people pass there."
        )
    if published.has("change_day"):
        yield (
            "With hundreds of comparisons a day some are out of line by chance alone. Look whether it stays tomorrow "
            "before you move anyone."
        )
    if threshold > 1:
        yield (
            f"Counts of 1 to {threshold - 1} are not shown, nor is anything that would reveal them: they "
            "could point to a person."
        )


def _words(name: str) -> str:
    return name.replace("_", " ")
