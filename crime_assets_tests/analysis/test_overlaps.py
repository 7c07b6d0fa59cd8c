"""Tables of one city together: no hidden number follows from what they show, by whatever sums and differences."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, timedelta

import pyarrow as pa
import pytest

from crime_assets.analysis.overlaps import protect_together
from crime_assets.analysis.small_numbers import HIDDEN, protect
from crime_assets.analysis.solving import solved
from crime_assets.core.insights import Insight
from crime_assets_tests.analysis.insider import OF_TABLES, atoms, cells, given_away
from crime_assets_tests.sql.asking import INSIGHTS, ask, random_crimes, table, with_unmapped

LAST = date(2024, 2, 29)
COMPLETE = LAST - timedelta(days=8)
Tables = Mapping[str, pa.Table]


CITIES = [(2, 800, None), (8, 500, None), (2, 800, 100), (8, 500, 7)]
"""Seed, crimes, and one in how many of them has a code that is in no table of codes."""


@pytest.fixture(scope="module", params=CITIES, ids=["larger", "smaller", "few unmapped", "many unmapped"])
def city(request: pytest.FixtureRequest) -> dict[Insight, pa.Table]:
    """All tables of a small city, with nothing hidden."""
    seed, crimes, every = request.param
    known = random_crimes(seed, crimes, date(2023, 12, 1), LAST)
    known = known if every is None else with_unmapped(known, every)
    return {INSIGHTS[name]: ask(name, table(known), LAST) for name in OF_TABLES}


def classes(city: Mapping[Insight, pa.Table]) -> list[str]:
    """Those that its tables have rows of."""
    return sorted({*city[INSIGHTS["region_magnitude"]]["offense_class"].to_pylist()} - {"all"})


def alone(city: Mapping[Insight, pa.Table]) -> Tables:
    return {one.name: protect(found, one.counting, 5, insiders=True) for one, found in city.items()}


def together(city: Mapping[Insight, pa.Table]) -> Tables:
    found = protect_together(city, 5)
    return {one.name: found[one.table] for one in city}


def test_nobody_works_out_what_tables_hide_together(city: dict[Insight, pa.Table]) -> None:
    of = atoms(1, COMPLETE - timedelta(days=27), COMPLETE, classes(city))
    assert given_away(list(cells(of, alone(city), "28d")), of, [None]), "each alone gives some away"
    found = list(cells(of, together(city), "28d"))
    assert given_away(found, of) == set()
    assert sum(bool(cell.shown) for cell in found) > 50


def test_nor_by_days_months_and_periods(city: dict[Insight, pa.Table]) -> None:
    few = {"crime_summary", "crime_by_district", "compstat", "monthly_trends", "reporting_delay"}
    of = atoms(1, date(2023, 12, 1), LAST, classes(city))
    shown = {name: found for name, found in together(city).items() if name in few}
    assert given_away(list(cells(of, shown, None)), of, [None, "001"]) == set()


def test_what_is_shown_is_true_and_not_small(city: dict[Insight, pa.Table]) -> None:
    shown = together(city)
    for insight, found in city.items():
        key = ["period", *insight.promises.key]
        true = {tuple(str(row[name]) for name in key): row for row in found.to_pylist()}
        for row in shown[insight.name].to_pylist():
            hidden = str(row.pop(HIDDEN) or "").split(", ")
            whole = true[tuple(str(row[name]) for name in key)]
            assert row == {name: None if name in hidden else value for name, value in whole.items()}
            counts = [row[count.name] for count in insight.counting.counts]
            assert all(count is None or not 0 < count < 5 for count in counts), row


def test_equations_give_away_what_has_one_value() -> None:
    assert solved([]) == set()
    assert solved([{1: 1}, {2: 1, 3: 1}]) == {1}
    assert solved([{1: 1, 2: 1}, {2: 1, 3: 1}, {1: 1, 3: 1}]) == {1, 2, 3}
    assert solved([{1: 1, 2: 1}, {1: 1, 2: 1}, {2: 1, 3: -1}, {4: 1, 5: 1}, {4: 1, 5: 1, 6: 1}]) == {6}
