"""The rows of one choice of forecasts, and how their numbers are written: pages, pictures and files are made of them.

A place on the list is never said without its expected count.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.analysis.forecasts.champions import MODELS
from crime_assets.analysis.forecasts.verdicts import TITLES
from crime_assets.core.errors import UsageError
from crime_assets.publishing.charts.key import NOT_SHOWN
from crime_assets.publishing.charts.scales import number
from crime_assets.publishing.dashboard.forecast_choice import OFFENSES, Asked
from crime_assets.publishing.dashboard.page import ShownTable
from crime_assets.publishing.dashboard.values import NOTHING, Cell
from crime_assets.publishing.forecast_hiding import ON_COUNTING_LIST
from crime_assets.publishing.forecasts import About, ForecastFile

Row = Mapping[str, Any]

FILES = ("cells", "areas", "totals", "scores", "exposure")
"""Tables that can be downloaded."""
_ROWS = 30
"""Most rows of a table that the page shows; its file has them all."""
_CAUSES = {
    "from_long_run": "long run",
    "from_years": "last year",
    "from_weeks": "last weeks",
    "from_neighbors": "nearby",
    "from_season": "season",
    "from_elsewhere": "elsewhere",
}
_LEAST_CAUSE = 0.1
_MOST_CAUSES = 2


class Forecast:
    """One offense, so many days ahead, as anybody may see it: small numbers are hidden already."""

    def __init__(self, file: ForecastFile, asked: Asked, threshold: int) -> None:
        self.about: About = file.about
        self.asked = asked
        self._tables = file.tables(threshold)
        (self.total,) = self.rows("totals")
        self.listed: Sequence[Row] = sorted(
            (row for row in self.rows("cells") if row["flagged"] is not None and row["flagged"] <= asked.share),
            key=in_order,
        )
        """The cells on the list, the one where most is expected first."""

    @property
    def title(self) -> str:
        """What is forecast."""
        return OFFENSES[self.asked.target]

    @property
    def is_counted(self) -> bool:
        """Whether the forecast is a count."""
        return self.total["method"] not in MODELS

    @property
    def is_best_count(self) -> bool:
        """Whether the list is that of the best count."""
        return bool(self.total["method"] == self.total["best_count"])

    @property
    def expected_on_list(self) -> float | None:
        """The sum of what is expected on the list; None if a part of it is not shown, or there is no list."""
        found = [row["expected"] for row in self.listed]
        return None if None in found or not found else float(sum(found))

    def rows(self, name: str) -> list[dict[str, Any]]:
        """The rows of a table for the offense and the days; those of `patrols` are of none."""
        table = self._tables[name]
        for column, value in (("target", self.asked.target), ("horizon", self.asked.days)):
            if column in table.column_names:
                table = table.filter(pc.equal(table[column], value))
        found: list[dict[str, Any]] = table.to_pylist()
        return found

    def is_on_counting_list(self, row: Row) -> bool:
        """Whether the best count would have put a cell on a list as long as this one."""
        found = row[ON_COUNTING_LIST]
        return found is not None and int(found) <= self.asked.share

    def table(self, name: str) -> pa.Table:
        """A table to download: of cells those on the list and on that of the best count. UsageError if unknown."""
        if name not in FILES:
            raise UsageError(f"There is no table {name[:40]!r} of forecasts: choose one of {', '.join(FILES)}.")
        table = self._tables[name]
        if name == "totals":
            return table
        asked = pc.and_(pc.equal(table["target"], self.asked.target), pc.equal(table["horizon"], self.asked.days))
        table = table.filter(asked)
        if name != "cells":
            return table
        is_listed, is_counted = (
            pc.fill_null(pc.less_equal(table[name], self.asked.share), False) for name in ("flagged", ON_COUNTING_LIST)
        )
        return table.filter(pc.or_(is_listed, is_counted)).sort_by([("place", "ascending"), ("cell", "ascending")])


def in_order(row: Row) -> tuple[bool, int, str]:
    """By the place of a cell; those whose place is hidden come last, in an order that does not tell it."""
    place = row["place"]
    return place is None, int(place or 0), str(row["cell"])


def shown_table(
    name: str, title: str, days: str, rows: Sequence[Mapping[str, Cell]], meaning: str = "", most: int = _ROWS
) -> ShownTable:
    """A table of the page, from rows of head → cell; the first `most` of them."""
    head = list(rows[0]) if rows else []
    cells = [list(row.values()) for row in rows[:most]]
    return ShownTable(name, title, days, meaning, head, cells, max(0, len(rows) - most))


def numbered(text: str) -> Cell:
    """A cell with a number."""
    return Cell(text, is_number=True)


def expected(value: float | None) -> str:
    """An expected count: whole from 10 on, else with two digits."""
    if value is None:
        return NOT_SHOWN
    return f"{value:,.0f}" if value >= 10 else number(float(f"{value:.2g}"))


def between(row: Row, nominal: int) -> str:
    """An interval of a row."""
    if row[f"low_{nominal}"] is None:
        return NOT_SHOWN
    return f"{row[f'low_{nominal}']:,} to {row[f'high_{nominal}']:,}"


def known(value: Any, form: Callable[[Any], str]) -> str:
    """A value as `form` writes it, a dash where there is none."""
    return NOTHING if value is None else form(value)


def share(value: float) -> str:
    """A share of a whole, in percent."""
    return f"{value:.1%}".replace("%", " %")


def whole(value: float) -> str:
    """A share in whole percent."""
    return f"{value:.0%}".replace("%", " %")


def signed_percent(value: float) -> str:
    """A change in whole percent, with its sign if there is one."""
    return whole(0.0) if round(100 * value) == 0 else f"{value:+.0%}".replace("%", " %")


def in_words(method: str, *, begins: bool = False) -> str:
    """The name of a count or a model, in a sentence or where one begins."""
    name = TITLES[method]
    return f"{name[0].upper()}{name[1:]}" if begins else name


def where_from(row: Row) -> str:
    """The largest parts of the mixture in a cell, or why they are not said."""
    if any(row[name] is None for name in _CAUSES):
        return NOT_SHOWN
    parts = sorted(_CAUSES, key=lambda name: -row[name])[:_MOST_CAUSES]
    said = [f"{whole(row[name])} {_CAUSES[name]}" for name in parts if row[name] >= _LEAST_CAUSE]
    return ", ".join(said) or _CAUSES[parts[0]]


def parts_of(total: Row) -> str:
    """From what the mixture is in the whole city; empty if there is none."""
    if total["from_long_run"] is None:
        return ""
    return ", ".join(f"{whole(total[name])} {words}" for name, words in _CAUSES.items())


def area_of(row: Row) -> str:
    """The community area of a row."""
    return row["area"] or "not known"
