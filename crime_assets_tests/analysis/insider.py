"""Plays somebody who sees all tables of a city and knows all crimes of one district: which hidden counts can be solved?

It knows nothing of how tables are protected. Each number that is shown is an equation over all crimes that there could
be, by what the insights say that they count; a hidden number is given away if it is a combination of these equations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from crime_assets.analysis.small_numbers import HIDDEN
from crime_assets_tests.sql.asking import AREAS, BANDS, DISTRICTS, PLACES

ATOMS = 16_000
TYPES = ("THEFT", "BATTERY", "ROBBERY", "CRIMINAL SEXUAL ASSAULT", "BURGLARY", "MOTOR VEHICLE THEFT", "ASSAULT",
         "NARCOTICS", "STALKING", "Theft", None)  # fmt: skip
OF_TABLES: Mapping[str, tuple[str, ...]] = {
    "crime_summary": ("crimes", "arrests", "domestic_crimes", "violent_crimes", "property_crimes", "index_crimes"),
    "top_crime_types": ("crimes", "arrests", "violent_crimes", "domestic_share"),
    "time_of_day_patterns": ("crimes", "violent_crimes", "arrest_share"),
    "hourly_heat_map": ("crimes", "violent_crimes"),
    "crime_by_district": ("crimes", "violent_crimes", "arrests", "city_average"),
    "day_of_week_patterns": ("crimes", "violent_crimes"),
    "location_types": ("crimes", "violent_crimes", "arrest_share", "domestic_share"),
    "domestic_violence": ("domestic_crimes", "arrests"),
    "monthly_trends": ("crimes", "arrests", "violent_crimes", "property_crimes", "domestic_crimes"),
    "compstat": ("crimes",),
    "region_magnitude": ("crimes", "city_average"),
    "violence_against_women_proxy": ("crimes", "arrests", "no_place"),
    "early_warning": ("crimes",),
    "reporting_delay": ("crimes",),
}
"""Insight → the columns that are looked at."""
KEYS = ("period", "month", "occurred_on", "district", "offense_class", "kind", "unit", "community_area", "primary_type",
        "hour", "iso_weekday", "time_of_day", "location_description")  # fmt: skip
_TOLD_BY = {"arrest_share": "arrests", "domestic_share": "domestic_crimes", "city_average": "crimes"}
Atoms = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cell:
    """A number in a table: which crimes it counts, and what is seen of it; None if that is hidden."""

    name: str
    counts: np.ndarray
    shown: float | None


def atoms(seed: int, first: date, last: date, classes: Sequence[str]) -> Atoms:
    """Crimes that there could be, many of each kind; of these classes, for tables say which there are."""
    rng = np.random.default_rng(seed)
    days = rng.integers(0, (last - first).days + 1, ATOMS)
    hours = rng.integers(0, 24, ATOMS)
    district = rng.choice(np.array(DISTRICTS, object), ATOMS)
    number = rng.integers(1, 4, ATOMS)
    beats = [None if one is None else f"{one[1:]}{n}1" for one, n in zip(district, number, strict=True)]
    dates = [first + timedelta(days=int(n)) for n in days]
    return {
        "day": np.array([day.toordinal() for day in dates]),
        "month": np.array([day.replace(day=1).toordinal() for day in dates]),
        "hour": hours,
        "iso_weekday": np.array([day.isoweekday() for day in dates]),
        "time_of_day": np.array(BANDS, object)[hours // 6],
        "district": district,
        "beat": np.where(rng.random(ATOMS) < 0.03, None, np.array(beats, object)),
        "community_area": rng.choice(np.array(AREAS, object), ATOMS),
        "location_description": rng.choice(np.array(PLACES, object), ATOMS),
        "primary_type": rng.choice(np.array(TYPES, object), ATOMS),
        "offense_class": rng.choice(np.array(classes, object), ATOMS),
        "arrests": rng.random(ATOMS) < 0.5,
        "domestic_crimes": rng.random(ATOMS) < 0.5,
        "no_place": rng.random(ATOMS) < 0.5,
        "iucr_domestic": rng.random(ATOMS) < 0.5,
    }


def _measured(of: Atoms, measure: str) -> np.ndarray:
    match measure:
        case "crimes":
            return np.ones(ATOMS, bool)
        case "violent_crimes" | "property_crimes":
            return of["offense_class"] == measure.removesuffix("_crimes")
        case "index_crimes":
            return np.isin(of["offense_class"].astype(str), ("violent", "property"))
        case _:
            return of[measure]


def _of_kind(of: Atoms, kind: str) -> np.ndarray:
    kinds = {
        "sexual offense": of["primary_type"] == "CRIMINAL SEXUAL ASSAULT",
        "stalking": of["primary_type"] == "STALKING",
        "domestic battery": (of["primary_type"] == "BATTERY") & (of["domestic_crimes"] | of["iucr_domestic"]),
        "domestic assault": (of["primary_type"] == "ASSAULT") & of["domestic_crimes"],
    }
    return np.logical_or.reduce(list(kinds.values())) if kind == "all" else kinds[kind]


def _number(day: object) -> int:
    return date.fromisoformat(str(day)).toordinal()


def _row(of: Atoms, insight: str, row: Mapping[str, object], column: str) -> np.ndarray:
    """Which crimes a number of a row counts."""
    found = _measured(of, _TOLD_BY.get(column, column))
    first, last = row["first_day"], row["last_day"]
    if "month" in row:
        found = found & (of["month"] == _number(row["month"]))
    if "occurred_on" in row:
        first = last = row["occurred_on"]
    found = found & (of["day"] >= _number(first)) & (of["day"] <= _number(last))
    if insight == "domestic_violence":
        found = found & of["domestic_crimes"]
    if "kind" in row:
        found = found & _of_kind(of, str(row["kind"]))
    if "unit" in row:
        is_beat = row["unit_kind"] == "beat"
        return found & ((of["beat"] == row["unit"]) if is_beat else (of["community_area"] == int(str(row["unit"]))))
    area = {"crime_by_district": "district", "region_magnitude": "community_area"}.get(insight)
    for name in ("district", "community_area", "primary_type", "offense_class", "hour", "iso_weekday", "time_of_day",
                 "location_description"):  # fmt: skip
        if name in row and row[name] != "all":
            is_average = column == "city_average" and name == area
            found = found & ((of[name] != None) if is_average else (of[name] == row[name]))  # noqa: E711 - an array
    return found


def cells(of: Atoms, tables: Mapping[str, pa.Table], period: str | None) -> Iterator[Cell]:
    """All numbers of the tables; of one period and the days alone, if it is named."""
    for insight, columns in OF_TABLES.items():
        if insight not in tables:
            continue
        for row in tables[insight].to_pylist():
            if period is not None and row["period"] not in {period, "90d"}:
                continue
            for column in columns:
                counts = _row(of, insight, row, column)
                # A share of a hidden count is hidden for the sake of that, whatever it is itself.
                hidden = str(row[HIDDEN] or "").split(", ")
                is_hidden = column in hidden and (column not in _TOLD_BY or "crimes" not in hidden)
                if row[column] is not None or is_hidden:
                    yield Cell(_name(insight, column, row), counts, None if is_hidden else row[column])


def _name(insight: str, column: str, row: Mapping[str, object]) -> str:
    return " ".join([insight, column, *(str(value) for name, value in row.items() if name in KEYS)])


def given_away(found: list[Cell], of: Atoms, readers: Sequence[str | None] = DISTRICTS) -> set[str]:
    """The hidden numbers that follow from what is shown, for who knows a district; None is a stranger."""
    shown = [cell for cell in found if cell.shown is not None]
    empty = np.logical_or.reduce([cell.counts for cell in shown if not cell.shown])
    told: set[str] = set()
    for district in readers:
        is_own = (of["district"] == district) if district is not None else np.zeros(ATOMS, bool)
        (left,) = np.nonzero(~empty & ~is_own)
        told |= {f"{name} by {district}" for name in _solved(found, left)}
    return told


def _solved(found: list[Cell], left: np.ndarray) -> set[str]:
    shown = np.array([cell.counts[left] for cell in found if cell.shown is not None], float)
    shown = np.unique(shown[shown.any(axis=1)], axis=0)
    hidden = [cell for cell in found if cell.shown is None and cell.counts[left].any()]
    if not len(shown) or not hidden:
        return set()
    wanted = np.array([cell.counts[left] for cell in hidden], float)
    # Some crimes of each hidden number, and as many others as tell all combinations of what is shown apart.
    order = np.random.default_rng(0).permutation(len(left))
    some = np.unique([*order[: 3 * len(shown)], *(n for one in wanted for n in np.flatnonzero(one)[:20])]).astype(int)
    known, wanted = shown[:, some], wanted[:, some]
    sizes, axes = np.linalg.eigh(known @ known.T)
    axes = axes[:, sizes > 1e-9 * sizes[-1]] / np.sqrt(sizes[sizes > 1e-9 * sizes[-1]])
    rest = np.abs(wanted - (wanted @ known.T @ axes) @ (axes.T @ known)).max(axis=1)
    return {cell.name for cell, one in zip(hidden, rest, strict=True) if one < 1e-5}
