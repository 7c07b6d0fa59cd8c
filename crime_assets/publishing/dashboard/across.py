"""The page of cities beside each other: what may be compared of them, and why the rest is not.

What may be compared is decided in `analysis.across`; here it is put into tables, and small numbers are hidden.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import pyarrow as pa

from crime_assets.analysis.across import BETWEEN, OFFENSES, REFUSED, Rate, Trend, rates, trends
from crime_assets.analysis.small_numbers import HIDDEN
from crime_assets.publishing.charts.lines import Point, line
from crime_assets.publishing.dashboard.page import ShownTable
from crime_assets.publishing.dashboard.values import NOTHING, Cell, shown
from crime_assets.sources.cities import City

FEWEST_CITIES = 2
_HEADS = {"other": "Any other crime"}
"""Heads of columns that pages use for something else."""
_SHORTEST = 3
"""Years that a line has at least."""

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Stretch:
    """A city's years of one series: a table, and pictures of some offenses with their titles."""

    table: ShownTable
    pictures: Sequence[tuple[str, str]]


class Across:
    """What the months of some cities allow to be said; counts of less than `threshold` are not shown."""

    def __init__(self, months: Sequence[Row], of: Mapping[str, City], threshold: int) -> None:
        self.cities = [of[name] for name in sorted({row["city"] for row in months} & of.keys())]
        known = [row for row in months if row["city"] in of]
        self._rates, self._trends = rates(known, of), trends(known)
        self._months = known
        self._threshold = threshold

    def tables(self) -> dict[str, pa.Table]:
        """The tables that can be downloaded, by name."""
        refused = [{"figure": what, "city": None, "years": None, "reason": why} for what, why in REFUSED]
        left_out = [{"figure": "A year of all offenses", **row} for row in self.left_out()]
        return {
            "rates": pa.Table.from_pylist([self._rate(one) for one in self._rates], _RATES),
            "trends": pa.Table.from_pylist([self._trend(one) for one in self._trends], _TRENDS),
            "refused": pa.Table.from_pylist([*refused, *left_out], _REFUSED),
        }

    def page(self) -> dict[str, Any]:
        """The values for the template."""
        found = self.tables()
        return {
            "cities": self.cities,
            "rates": self._rates_shown(found["rates"].to_pylist()),
            "trends": self._trends_shown(found["trends"].to_pylist()),
            "between": BETWEEN,
            "refused": REFUSED,
            "left_out": _shown_table(
                "left-out",
                "Years that are compared with no other city",
                "",
                "",
                [
                    {"City": Cell(one["city"]), "Years": Cell(one["years"]), "Why": Cell(one["reason"])}
                    for one in self.left_out()
                ],
            ),
        }

    def left_out(self) -> list[dict[str, str]]:
        """City and years of which nothing is compared between cities, and why; neighbors with one reason as one."""
        found = []
        offense = next(iter(BETWEEN))
        for city in self.cities:
            years: dict[int, str] = {}
            for row in self._months:
                if row["city"] == city.name and row["offense"] == offense and not row["comparable_between"]:
                    # A reason of the month itself says more than that its year is not whole.
                    is_own = row["reason_in_time"] is not None
                    if is_own or row["month"].year not in years:
                        years[row["month"].year] = row["reason_between"]
            for reason, same in groupby(sorted(years.items()), key=lambda one: one[1]):
                first, *rest = [year for year, _ in same]
                said = f"{first} to {rest[-1]}" if rest else f"{first}"
                found.append({"city": city.title, "years": said, "reason": reason})
        return found

    def _hidden(self, incidents: int) -> bool:
        return 0 < incidents < self._threshold

    def _rate(self, one: Rate) -> dict[str, object]:
        city = next(city for city in self.cities if city.name == one.city)
        comparison = city.comparison
        is_hidden = self._hidden(one.incidents)
        return {
            "city": city.title,
            "year": one.year,
            "offense": one.offense,
            "incidents": None if is_hidden else one.incidents,
            "per_100_000": None if is_hidden else round(one.per_100_000, 2),
            "residents": comparison.population.residents if comparison else None,
            "residents_of": f"{comparison.population.source}" if comparison else None,
            "note": " ".join((BETWEEN[one.offense], comparison.note)) if comparison else None,
            HIDDEN: "incidents, per_100_000" if is_hidden else "",
        }

    def _trend(self, one: Trend) -> dict[str, object]:
        city = next(city for city in self.cities if city.name == one.city)
        # An index of 150 on a base of 2 says what the base is, and the other way round.
        is_few, is_base_few = self._hidden(one.incidents), self._hidden(one.base)
        hidden = [name for name, is_so in (("incidents", is_few), ("index", is_few or is_base_few)) if is_so]
        return {
            "city": city.title,
            "scheme": one.scheme,
            "offense": one.offense,
            "base_year": one.base_year,
            "year": one.year,
            "incidents": None if "incidents" in hidden else one.incidents,
            "index": None if "index" in hidden or one.index is None else round(one.index, 1),
            HIDDEN: ", ".join(hidden),
        }

    def _rates_shown(self, rows: Sequence[Row]) -> list[ShownTable]:
        """A table for each offense: a row a year, a column a city, in the order of their names."""
        tables = []
        for offense, note in BETWEEN.items():
            by_year = {(row["year"], row["city"]): row for row in rows if row["offense"] == offense}
            lines = []
            for year in sorted({year for year, _ in by_year}, reverse=True):
                cells = {"Year": Cell(f"{year}")}
                for city in self.cities:
                    cells[city.title] = _rate_cell(by_year.get((year, city.title)))
                lines.append(cells)
            name = f"rates-{offense.replace(' ', '-')}"
            title = f"{offense.capitalize()}: incidents per 100,000 residents"
            tables.append(_shown_table(name, title, "Whole calendar years, by day of occurrence", note, lines))
        return [table for table in tables if table.rows]

    def _trends_shown(self, rows: Sequence[Row]) -> list[Stretch]:
        """A table for each city and series: a row a year, a column an offense; and a line of each of the four."""
        stretches = []
        for (city, scheme, base), same in groupby(rows, key=lambda row: (row["city"], row["scheme"], row["base_year"])):
            found = {(row["year"], row["offense"]): row for row in same}
            years = sorted({year for year, _ in found})
            lines = []
            for year in reversed(years):
                cells = {"Year": Cell(f"{year}")}
                for offense in OFFENSES:
                    if any((one, offense) in found for one in years):
                        cells[_HEADS.get(offense, offense.capitalize())] = _index_cell(found.get((year, offense)))
                lines.append(cells)
            name = f"trend-{city}-{scheme}-{base}".lower().replace(" ", "-")
            title = f"{city} since {base}, {base} = 100"
            table = _shown_table(name, title, f"Whole calendar years, {scheme}", "", lines)
            stretches.append(Stretch(table, _lines(title, found, years)))
        return stretches


def _lines(title: str, found: Mapping[tuple[int, str], Row], years: Sequence[int]) -> list[tuple[str, str]]:
    """Pictures of the index of the offenses that may be compared between cities, too; none of few years."""
    drawn = []
    for offense in BETWEEN:
        points = [Point(f"{year}", found.get((year, offense), {}).get("index")) for year in years]
        if sum(point.value is not None for point in points) >= _SHORTEST:
            drawn.append((offense.capitalize(), line(f"{offense.capitalize()}, {title}", points)))
    return drawn


def _rate_cell(row: Row | None) -> Cell:
    if row is None:
        return Cell(NOTHING, is_number=True)
    return Cell(shown(row, "per_100_000", lambda value: f"{value:,.1f} ({row['incidents']:,})"), is_number=True)


def _index_cell(row: Row | None) -> Cell:
    return Cell(NOTHING if row is None else shown(row, "index", lambda value: f"{value:,.0f}"), is_number=True)


def _shown_table(name: str, title: str, days: str, meaning: str, rows: list[dict[str, Cell]]) -> ShownTable:
    return ShownTable(
        name, title, days, meaning, list(rows[0]) if rows else [], [list(row.values()) for row in rows], 0
    )


_RATES = pa.schema(
    [
        ("city", pa.string()),
        ("year", pa.int32()),
        ("offense", pa.string()),
        ("incidents", pa.int64()),
        ("per_100_000", pa.float64()),
        ("residents", pa.int64()),
        ("residents_of", pa.string()),
        ("note", pa.string()),
        (HIDDEN, pa.string()),
    ]
)
_TRENDS = pa.schema(
    [
        ("city", pa.string()),
        ("scheme", pa.string()),
        ("offense", pa.string()),
        ("base_year", pa.int32()),
        ("year", pa.int32()),
        ("incidents", pa.int64()),
        ("index", pa.float64()),
        (HIDDEN, pa.string()),
    ]
)
_REFUSED = pa.schema([("figure", pa.string()), ("city", pa.string()), ("years", pa.string()), ("reason", pa.string())])
