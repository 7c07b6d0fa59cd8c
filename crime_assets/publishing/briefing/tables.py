"""The data of a briefing: the tables of one extract, with small numbers hidden. Nothing is judged or worded here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from crime_assets.analysis.small_numbers import protect
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Count, Counting
from crime_assets.core.sql import statement
from crime_assets.publishing.dashboard.choice import Choice
from crime_assets.publishing.dashboard.figures import Figures
from crime_assets.publishing.published import published_by
from crime_assets.publishing.quality import Said
from crime_assets.publishing.reading import Extract

Row = Mapping[str, Any]

_COUNTING: Mapping[str, Counting] = {
    "hot_cells": Counting(counts=(Count("crimes"), Count("local_crimes"), Count("year_local_crimes"))),
    "series": Counting(counts=(Count("crimes", ("days", "first_crime_on", "last_crime_on")), Count("year_crimes"))),
}
"""Which columns of the statements of sql/briefing count records."""
NEEDED = frozenset(
    f"insight_{name}"
    for name in ("compstat", "early_warning", "hotspots", "near_repeat", "repeat_blocks", "reporting_delay")
)
"""Tables of insights without which there is no briefing, of those that are made for the city."""
_READ = {"hot_cells": "hotspots", "series": "repeat_blocks"}
"""Statement of sql/briefing → the insight that it reads."""


@dataclass(frozen=True)
class Tables:
    """Rows by table, in the order of their insights; `checks` are the latest results of the checks.

    `classes` counts 365 days, `trend` single days; `homes` maps a beat to the district and area that most of it is in.
    A city that does not say when records changed has no compstat; of it `recent` counts 28 days by class.
    """

    compstat: Sequence[Row] = ()
    early_warning: Sequence[Row] = ()
    hot_cells: Sequence[Row] = ()
    near_repeat: Sequence[Row] = ()
    series: Sequence[Row] = ()
    trend: Sequence[Row] = ()
    reporting_delay: Sequence[Row] = ()
    classes: Sequence[Row] = ()
    recent: Sequence[Row] = ()
    homes: Mapping[str, tuple[str | None, str | None]] | None = None
    checks: Sequence[Said] = ()


def needed_for(city: str) -> frozenset[str]:
    """Tables of insights without which there is no briefing of a city."""
    return NEEDED & {insight.table for insight in published_by(city).insights.values()}


def tables_of(extract: Extract, checks: Sequence[Said], threshold: int, *, insiders: bool = False) -> Tables:
    """The tables of an extract; counts below `threshold` are hidden, `insiders`: from who knows one of the rows.

    CrimeAssetsError if an insight is missing.
    """
    about = extract.about
    published = published_by(about.city)
    if missing := sorted(needed_for(about.city) - extract.tables()):
        raise CrimeAssetsError(
            f"The extract of {about.as_of_day} lacks {', '.join(missing)}: materialize the insights of that day, then "
            "dashboard_extract, then daily_briefing."
        )

    choice = Choice(about.city, about.as_of_day)
    figures = Figures(extract, choice, threshold, insiders=insiders)

    def own(name: str) -> list[Row]:
        if not published.makes(_READ[name]):
            return []
        found = extract.ask(statement("briefing", name), {})
        rows: list[Row] = protect(found, _COUNTING[name], threshold, insiders=insiders).to_pylist()
        return rows

    def classes(period: str) -> list[Row]:
        of_period = Figures(extract, choice.but(period=period), threshold, insiders=insiders)
        rows: list[Row] = of_period.table("classes").to_pylist()
        return rows

    return Tables(
        compstat=figures.insight("compstat") if published.has("change_day") else (),
        early_warning=figures.insight("early_warning"),
        hot_cells=own("hot_cells"),
        near_repeat=figures.insight("near_repeat"),
        series=own("series"),
        trend=figures.table("trend").to_pylist(),
        reporting_delay=figures.insight("reporting_delay"),
        classes=classes("365d"),
        recent=() if published.has("change_day") else classes("28d"),
        homes={
            row["beat"]: (row["district"], row["community_area"])
            for row in extract.ask(statement("briefing", "homes"), {}).to_pylist()
        },
        checks=checks,
    )
