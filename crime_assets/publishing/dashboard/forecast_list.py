"""What the page of forecasts says of places: the headline, the map, the list beside it, and the areas."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from crime_assets.publishing.cells import ring
from crime_assets.publishing.charts.maps import Area, draw
from crime_assets.publishing.charts.scales import classes
from crime_assets.publishing.dashboard.forecast_figures import (
    Forecast,
    Row,
    area_of,
    between,
    expected,
    in_order,
    in_words,
    numbered,
    shown_table,
    where_from,
    whole,
)
from crime_assets.publishing.dashboard.page import ShownTable
from crime_assets.publishing.dashboard.values import NOTHING, Cell, counted
from crime_assets.publishing.shapes import Rings, boundaries_of
from crime_assets.streams import LandingStore

_LAYERS = {"community_area": "community areas", "district": "police districts"}
"""Boundaries that are drawn around the cells: the first of these that were fetched."""


def places_of(forecast: Forecast, landing: LandingStore) -> dict[str, Any]:
    """The values of the headline and of all about places."""
    total, asked = forecast.total, forecast.asked
    also = sum(forecast.is_on_counting_list(row) for row in forecast.listed)
    return {
        "window": window(forecast),
        "headline": f"{forecast.title}: {expected(total['expected'])} records expected from {window(forecast)}",
        "known_share": "" if total["known_share"] is None else whole(total["known_share"]),
        "likely": between(total, 80),
        "nearly_sure": between(total, 95),
        "late_days": (forecast.about.as_of_day - total["known_to"]).days,
        "map": picture(forecast, landing),
        "outlines": outlined_by(forecast, landing),
        "list": _list(forecast),
        "on_list": len(forecast.listed),
        "on_both": also,
        "is_best_count": forecast.is_best_count,
        "not_shown": sum(row["expected"] is None for row in forecast.listed),
        "trends": list(_trends(forecast)),
        "capped_out": _capped_out(forecast),
        "areas": _areas(forecast),
        "marked": f"{asked.share} % of the area",
    }


def _capped_out(forecast: Forecast) -> int:
    """How many cells a cap has left out of the list, though they come before cells on it: on a longer list they may be.

    Those whose place is hidden are not counted.
    """
    listed = {row["cell"]: row["place"] or 0 for row in forecast.listed}
    last = max(listed.values(), default=0)
    return sum((row["place"] or last) < last and row["cell"] not in listed for row in forecast.rows("cells"))


def window(forecast: Forecast) -> str:
    """From which day to which the forecast is."""
    return f"{forecast.total['first_day']} to {forecast.total['last_day']}"


def picture(forecast: Forecast, landing: LandingStore) -> str:
    """The map of the marked cells by what is expected in each, in the outlines of the city."""
    around = [
        Area(f"{layer.removesuffix('s')} {name}", rings, None, is_background=True)
        for layer, found in [_outlines(forecast.about.city, landing)]
        for name, rings in found.items()
    ]
    cells = [
        Area(
            _named(row),
            [ring(row["cell"])],
            row["expected"],
            is_marked=forecast.is_on_counting_list(row) and not forecast.is_best_count,
            is_of_cells=True,
        )
        for row in forecast.listed
    ]
    title = (
        f"{forecast.title}: records expected in each marked cell, {forecast.asked.share} % of the area, "
        f"{window(forecast)}, as known on {forecast.about.as_of_day}"
    )
    return draw(
        title,
        [*around, *cells],
        classes([row["expected"] for row in forecast.listed if row["expected"]], are_whole=False),
    )


def _named(row: Row) -> str:
    """A cell of the map; where its count is not shown, its place would stand without it."""
    where = f"cell {row['cell']}, community area {area_of(row)}"
    if row["expected"] is None:
        return f"C{where[1:]}, expected"
    return f"Place {row['place']}, {where}, expected (80 of 100: {between(row, 80)})"


def outlined_by(forecast: Forecast, landing: LandingStore) -> str:
    """What the pale outlines are; empty if there are none."""
    return _outlines(forecast.about.city, landing)[0]


def _outlines(city: str, landing: LandingStore) -> tuple[str, Mapping[str, Rings]]:
    for layer, words in _LAYERS.items():
        found = boundaries_of(landing, city, layer)
        if found:
            return words, found
    return "", {}


def _list(forecast: Forecast) -> ShownTable:
    """The list, without columns that would say the same of every cell, or once more."""
    found = []
    for row in forecast.listed:
        if row["expected"] is None:
            continue
        cells = {
            "Place": Cell(f"{row['place']}"),
            "Expected": numbered(expected(row["expected"])),
            "80 %": numbered(between(row, 80)),
            "95 %": numbered(between(row, 95)),
            "Cell": Cell(row["cell"]),
            "Community area": Cell(area_of(row)),
        }
        if not forecast.is_best_count:
            cells["Counting says"] = Cell(_counted(row, forecast.total))
        if not forecast.is_counted:
            cells["Comes from"] = Cell(where_from(row))
        found.append(cells | {"Trend": Cell(row["trend"] or NOTHING)})
    title = f"{forecast.title}, the list of {forecast.asked.share} % of the area"
    return shown_table("cells", title, window(forecast), found)


def _counted(row: Row, total: Row) -> str:
    """What the best count expects, and its place; a hidden count has no place either."""
    said = row[f"expected_{total['best_count']}"]
    return expected(said) if said is None else f"{expected(said)}, place {row['place_counting']}"


def _trends(forecast: Forecast) -> Iterator[str]:
    """Cells on a list whose last weeks are unlike their year, in sentences."""
    listed = {row["cell"] for row in forecast.listed}
    for row in sorted(forecast.rows("cells"), key=in_order):
        is_listed = row["cell"] in listed
        if row["trend"] is None or not (is_listed or forecast.is_on_counting_list(row)):
            continue
        where = f"Cell {row['cell']} in community area {area_of(row)}"
        place = f", place {row['place']}" if is_listed and row["place"] is not None else ""
        said = f"{expected(row['expected'])} expected{place}"
        counting = f"{in_words(forecast.total['best_count'])}: {_counted(row, forecast.total)}"
        if row["trend"] == "fading":
            yield (
                f"{where} is high by counts but fading: its last 28 complete days had far fewer records than its year "
                f"before. {said}; {counting}. Counts forget slowly."
            )
        else:
            yield (
                f"{where} is emerging: its last 28 complete days had far more records than its year before. {said}; "
                f"{counting}."
            )


def _areas(forecast: Forecast) -> ShownTable:
    rows = [
        {
            "Community area": Cell(row["area"]),
            "Expected": numbered(expected(row["expected"])),
            "80 %": numbered(between(row, 80)),
            "95 %": numbered(between(row, 95)),
            "Last 28 complete days": numbered(counted(row, "records_28d")),
            "Same days last year": numbered(counted(row, "records_last_year")),
        }
        for row in sorted(forecast.rows("areas"), key=lambda row: (-(row["expected"] or 0), row["area"]))
    ]
    return shown_table("areas", f"{forecast.title} by community area", window(forecast), rows)
