"""One scale of severity for all cities: weights of FBI codes and of NIBRS codes, and the magnitude by the latter."""

from __future__ import annotations

from datetime import date, datetime

import pytest

from crime_assets.analysis.made import insights_of
from crime_assets.core.insights import Insight
from crime_assets.sources import cities
from crime_assets.sources.cities.codes import crosswalk, nibrs
from crime_assets_tests.sql.asking import computed_of, crime, table
from crime_assets_tests.sql.plain.trends import NIBRS_WEIGHTS, WEIGHTS

AS_OF = date(2024, 3, 31)
OTHERS = [name for name in cities.names() if name != "chicago"]
DIFFERENT = {
    "a part of a code that is wider, and of another class of felony": {
        *(("04A", "13A"), ("05", "23F"), ("06", "23A"), ("06", "23B"), ("08A", "13B"), ("11", "250"), ("16", "370")),
        *(("16", "40B"), ("17", "36A"), ("17", "40C"), ("18", "35B"), ("19", "39D"), ("17", "90C")),
    },
    "a code for what is left over, of which NIBRS has codes for parts": {
        *(("20", "100"), ("20", "11D"), ("20", "370"), ("24", "13C")),
        *(("26", code) for code in "100 210 250 26H 280 290 35B 370 510 520 64A 64B 720 90C 90F".split()),
    },
    "all else in NIBRS, and more than that by the city's code": {(code, "90Z") for code in ("11", "17", "20", "24")},
    "no crime in NIBRS": {("15", "X99"), ("26", "X99"), ("26", "X30")},
}
"""Why Chicago's FBI code weighs otherwise than the NIBRS code that its table says."""


def magnitude(city: str) -> Insight:
    return next(insight for insight in insights_of(cities.get(city)) if insight.name == "region_magnitude")


def test_the_two_scales_are_one() -> None:
    pairs = {(line.code.partition("/")[2], line.nibrs_code) for line in crosswalk("chicago").values()}
    differing = {pair for pair in pairs if WEIGHTS[pair[0]] != NIBRS_WEIGHTS[pair[1]]}
    assert differing == set().union(*DIFFERENT.values())
    assert len(pairs - differing) > len(pairs) / 3


def test_every_nibrs_code_has_a_weight() -> None:
    assert NIBRS_WEIGHTS.keys() <= nibrs().keys()
    for code in nibrs().keys() - NIBRS_WEIGHTS.keys():
        assert nibrs()[code].note == "federal and tribal agencies only", code
    used = {
        line.nibrs_code
        for name in ("chicago", "new_york", "san_francisco", "washington")
        for line in crosswalk(name).values()
    }
    assert used <= NIBRS_WEIGHTS.keys()


def test_only_what_is_no_crime_weighs_nothing() -> None:
    assert {code for code, weight in NIBRS_WEIGHTS.items() if weight == 0} == {
        code for code, offense in nibrs().items() if not offense.is_crime
    }


@pytest.mark.parametrize("city", OTHERS)
def test_areas_of_other_cities_are_districts(city: str) -> None:
    insight = magnitude(city)
    assert [column.name for column in insight.columns][6] == "district"
    assert insight.promises.key == insight.counting.adds_up == ("district", "offense_class")
    assert insight.chart is not None
    assert insight.chart.columns == ("district", "crimes")
    said = " ".join([insight.description, *(column.doc for column in insight.columns)])
    assert "community" not in said
    assert "within a city, never between cities" in said


@pytest.mark.parametrize("by_way_of", [None, "spark"])
def test_by_hand(by_way_of: str | None) -> None:
    codes = ["120", "23H", "23H", None, "X30"], ["09A", "360", "101"], ["13B"]
    crimes = [
        crime(0, datetime(2024, 3, 1, 12), district=district, nibrs_code=code, offense_class=kind)
        for district, found in zip(("060", "007", None), codes, strict=True)
        for code in found
        for kind in ["unmapped" if code is None else "violent" if code in ("120", "09A") else "other"]
    ]
    found = computed_of(magnitude("los_angeles"), table(crimes), AS_OF, by_way_of=by_way_of).to_pylist()
    rows = {row["district"]: row for row in found if (row["period"], row["offense_class"]) == ("all", "all")}
    kept = ("crimes", "severity", "area_rank", "severity_rank")
    # A robbery 6, thefts 0.25; an unmapped code and lost property nothing; a murder 20, a register 2, treason nothing.
    assert {area: [row[name] for name in kept] for area, row in rows.items()} == {
        "060": [5, 6.5, 1, 2],
        "007": [3, 22, 2, 1],
        None: [1, 0.25, None, None],
    }
    assert rows["060"]["severity_share"] == pytest.approx(6.5 / 28.75)
