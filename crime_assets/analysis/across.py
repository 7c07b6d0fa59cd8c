"""What may be compared across cities, what of it they have, and why not the rest.

Two comparisons are honest: a city with itself, within one series of its figures; and four offenses between cities, by
incident and resident, over whole calendar years. docs/cities-across.md says it in full.
"""

from __future__ import annotations

from calendar import monthrange
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from crime_assets.sources.cities import City
from crime_assets.sources.cities.across import Comparison, Series

OFFENSES = (
    "homicide",
    "rape",
    "robbery",
    "aggravated assault",
    "simple assault",
    "burglary",
    "theft",
    "vehicle theft",
    "arson",
    "fraud",
    "damage",
    "drugs",
    "weapons",
    "other",
)
"""The words for offenses, as nibrs.csv has them."""
BETWEEN: Mapping[str, str] = {
    "homicide": "Murder and nonnegligent manslaughter. A case with several victims is one incident.",
    "robbery": "An incident with a homicide or a rape counts as that.",
    "burglary": "An incident with a more serious offense, such as a robbery, counts as that.",
    "vehicle theft": "Vehicles that were taken, attempts included. What was stolen with the vehicle does not count.",
}
"""Offense that may be compared between cities → what to know."""
_POLICE = "It is found by looking: the figure follows what police do, not what happens."
_DRAWN = "Each city draws the line to other offenses elsewhere, and fewer of them are reported."
NOT_BETWEEN: Mapping[str, str] = {
    "aggravated assault": "Cities draw the line to simple assault elsewhere: figures differ by rule, not by what "
    "happened.",
    "rape": "What is called rape differs by law, and has changed: in New York in September 2024.",
    "drugs": _POLICE,
    "weapons": _POLICE,
    "theft": "New York and Los Angeles call some thefts fraud that others call theft, and small thefts are reported "
    "where it is easy.",
    "arson": "Some cities leave arson to the fire department.",
    **dict.fromkeys(("simple assault", "fraud", "damage", "other"), _DRAWN),
}
"""Any other offense → why it may not."""
REFUSED = (
    (
        "Totals of all crime",
        "One city counts crimes, another complaints, another codes on reports; which trifles are in is each city's own "
        "choice.",
    ),
    (
        "Ranks of cities",
        "The FBI warns of them: who lives, works and travels in a city, and who reports, differs more than crime does.",
    ),
    ("Aggravated assault", NOT_BETWEEN["aggravated assault"]),
    ("Rape and sex offenses", NOT_BETWEEN["rape"]),
    ("Drugs, weapons, trespass", _POLICE),
    ("Theft", NOT_BETWEEN["theft"]),
    (
        "Shares with an arrest",
        "Chicago marks a crime, Los Angeles the state of a case, San Francisco a report; New York publishes none.",
    ),
)
"""What no page compares between cities → why."""
_NO_OFFENSE = {"unmapped": "Its codes are in no table of codes.", "no crime": "It is no crime."}


@dataclass(frozen=True)
class Held:
    """What a lake holds of a city: rows of sql/cities, the last day that is complete, whether it is simulated."""

    months: Sequence[Mapping[str, Any]]
    held: Sequence[Mapping[str, Any]]
    complete_to: date
    is_simulated: bool = False


def judged(city: City, lake: Held) -> list[dict[str, Any]]:
    """A city's part of the table `city_months`: each offense that it publishes in each month, zeros too, and what may
    be compared.
    """
    found = {(row["month"], row["scheme"], row["offense"]): row for row in lake.months}
    named = [
        *(word for word in OFFENSES if word in city.offenses),
        *(word for word in _NO_OFFENSE if any(word == offense for _, _, offense in found)),
    ]
    reasons = {(row["month"], row["scheme"]): _why_not_whole(city, lake, row) for row in lake.held}
    whole = _whole_years(city, reasons)
    rows = []
    for (month, scheme), reason in reasons.items():
        series = series_of(city.comparison, month, scheme)
        for offense in named:
            counts = found.get((month, scheme, offense), {"row_count": 0, "incidents": 0, "known_arrests": 0})
            in_time = _NO_OFFENSE.get(offense) or reason or _broken(city.comparison, offense, month)
            between = _NO_OFFENSE.get(offense) or NOT_BETWEEN.get(offense) or in_time
            if between is None and (month.year, scheme) not in whole:
                between = f"Not all months of {month.year} are there whole: only calendar years are compared."
            rows.append(
                {
                    "city": city.name,
                    "month": month,
                    "scheme": scheme,
                    "series": series.since if series else None,
                    "offense": offense,
                    "counting_unit": city.comparison.unit if city.comparison else "record",
                    "rows": counts["row_count"],
                    "incidents": counts["incidents"],
                    "known_arrests": None if "arrest" in city.not_published else counts["known_arrests"],
                    "comparable_in_time": in_time is None,
                    "reason_in_time": in_time,
                    "comparable_between": between is None,
                    "reason_between": between,
                }
            )
    return rows


def series_of(comparison: Comparison | None, month: date, scheme: str) -> Series | None:
    """The series that a month of a scheme is in."""
    return next((one for one in comparison.series if one.has(month, scheme)), None) if comparison else None


def _why_not_whole(city: City, lake: Held, row: Mapping[str, Any]) -> str | None:
    """Why the records of a month may not stand for it; None if they may."""
    month, days = row["month"], monthrange(row["month"].year, row["month"].month)[1]
    if city.comparison is None:
        return f"Nobody has said what may be compared of {city.title}."
    if lake.is_simulated:
        return "The records are simulated."
    series = series_of(city.comparison, month, row["scheme"])
    if series is None:
        return city.comparison.between
    lacking = (
        (month.replace(day=days) > lake.complete_to, f"{city.title} has not published all of it yet."),
        (row["days"] < days, f"The lake has records of {row['days']} of its {days} days."),
        (
            row["row_count"] < series.fewest,
            f"The lake has {row['row_count']:,} records of it, fewer than {city.title} has ever had in a month.",
        ),
    )
    return next((reason for is_so, reason in lacking if is_so), None)


def _whole_years(city: City, reasons: Mapping[tuple[date, str], str | None]) -> set[tuple[int, str]]:
    """Years, with their scheme, of which all months are whole and in one series."""
    months: dict[tuple[int, str], list[Series | None]] = defaultdict(list)
    for (month, scheme), reason in reasons.items():
        if reason is None:
            months[month.year, scheme].append(series_of(city.comparison, month, scheme))
    return {year for year, series in months.items() if len(series) == 12 and len({*series}) == 1}


def _broken(comparison: Comparison | None, offense: str, month: date) -> str | None:
    breaks = comparison.breaks if comparison else ()
    return next((one.reason for one in breaks if one.offense == offense and month >= one.since), None)


@dataclass(frozen=True)
class Rate:
    """Incidents of an offense in a city and a calendar year, and for each 100,000 residents."""

    city: str
    year: int
    offense: str
    incidents: int
    per_100_000: float


@dataclass(frozen=True)
class Trend:
    """Incidents of a calendar year in a series, and as an index of its first whole year, which is 100."""

    city: str
    scheme: str
    offense: str
    base_year: int
    base: int
    """Incidents of the base year."""
    year: int
    incidents: int

    @property
    def index(self) -> float | None:
        """None if the base year had none."""
        return self.incidents / self.base * 100 if self.base else None


def rates(rows: Iterable[Mapping[str, Any]], of: Mapping[str, City]) -> list[Rate]:
    """What may be compared between cities, by offense, year and city."""
    found = []
    for (city, _, _, offense, year), incidents in _years(rows, "comparable_between").items():
        comparison = of[city].comparison
        if comparison is not None:
            rate = incidents / comparison.population.residents * 100_000
            found.append(Rate(city, year, offense, incidents, rate))
    return sorted(found, key=lambda one: (OFFENSES.index(one.offense), -one.year, one.city))


def trends(rows: Iterable[Mapping[str, Any]]) -> list[Trend]:
    """What may be compared within a city, by city, series, offense and year."""
    years = _years(rows, "comparable_in_time")
    lines: dict[tuple[str, date, str, str], dict[int, int]] = defaultdict(dict)
    for (city, series, scheme, offense, year), incidents in years.items():
        lines[city, series, scheme, offense][year] = incidents
    found = []
    for (city, _, scheme, offense), line in sorted(
        lines.items(), key=lambda one: (*one[0][:3], OFFENSES.index(one[0][3]))
    ):
        base = min(line)
        for year, incidents in sorted(line.items()):
            found.append(Trend(city, scheme, offense, base, line[base], year, incidents))
    return found


def _years(rows: Iterable[Mapping[str, Any]], flag: str) -> dict[tuple[str, date, str, str, int], int]:
    """City, series, scheme, offense and year → incidents, where all twelve months have the flag."""
    months: dict[tuple[str, date, str, str, int], list[int]] = defaultdict(list)
    for row in rows:
        if row[flag]:
            key = (row["city"], row["series"], row["scheme"], row["offense"], row["month"].year)
            months[key].append(row["incidents"])
    return {key: sum(counts) for key, counts in months.items() if len(counts) == 12}
