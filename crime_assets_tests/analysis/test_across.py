"""What may be compared across cities, and the reason where something may not."""

from __future__ import annotations

from calendar import monthrange
from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from crime_assets.analysis.across import BETWEEN, NOT_BETWEEN, OFFENSES, Held, judged, rates, trends
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.sources.cities.codes import nibrs

CITIES = {name: cities.get(name) for name in cities.names()}
LATER = date(2030, 1, 1)


def months_of(*years: int, scheme: str = "SRS", robberies: int = 100, **other: Any) -> Held:
    """Years with the same robberies in every month, and enough of everything else."""
    months = [date(year, month, 1) for year in years for month in range(1, 13)]
    held = [
        {
            "month": one,
            "scheme": scheme,
            "row_count": 50_000,
            "days": monthrange(one.year, one.month)[1],
            "newest_change_day": LATER,
        }
        for one in months
    ]
    counts = [
        {
            "month": one,
            "scheme": scheme,
            "offense": "robbery",
            "row_count": robberies + 5,
            "incidents": robberies,
            "known_arrests": 7,
        }
        for one in months
    ]
    return replace(Held(counts, held, LATER), **other)


def by(rows: list[dict[str, Any]], offense: str, month: date) -> dict[str, Any]:
    (found,) = (row for row in rows if (row["offense"], row["month"]) == (offense, month))
    return found


def test_every_offense_is_compared_or_refused_in_words() -> None:
    assert {*BETWEEN} | {*NOT_BETWEEN} == {*OFFENSES} == {one.offense for one in nibrs().values()}
    assert not {*BETWEEN} & {*NOT_BETWEEN}
    assert {*BETWEEN} == {"homicide", "robbery", "burglary", "vehicle theft"}


@pytest.mark.parametrize("name", cities.names())
def test_series_follow_each_other(name: str) -> None:
    comparison = CITIES[name].comparison
    assert comparison is not None
    for before, after in zip(comparison.series, comparison.series[1:], strict=False):
        assert before.until is not None
        assert before.until < after.since
    assert all(one.since.day == 1 for one in comparison.series)
    assert 600_000 < comparison.population.residents < 9_000_000


def test_a_month_has_all_offenses_and_those_without_a_row_are_zero() -> None:
    rows = judged(CITIES["chicago"], months_of(2017))
    assert len(rows) == 12 * len(OFFENSES)
    homicide, robbery = (by(rows, offense, date(2017, 5, 1)) for offense in ("homicide", "robbery"))
    assert (homicide["rows"], homicide["incidents"], homicide["known_arrests"]) == (0, 0, 0)
    assert (robbery["rows"], robbery["incidents"], robbery["known_arrests"]) == (105, 100, 7)
    assert (robbery["series"], robbery["comparable_in_time"], robbery["comparable_between"]) == (
        date(2001, 1, 1),
        True,
        True,
    )
    assert by(rows, "rape", date(2017, 5, 1))["reason_between"] == NOT_BETWEEN["rape"]
    assert by(rows, "rape", date(2017, 5, 1))["comparable_in_time"]


def test_an_offense_that_a_city_does_not_publish_has_no_rows() -> None:
    rows = judged(CITIES["washington"], months_of(2017))
    assert {row["offense"] for row in rows} == CITIES["washington"].offenses
    assert by(rows, "robbery", date(2017, 5, 1))["comparable_between"]
    assert {one.offense for one in rates(rows, CITIES)} == {*BETWEEN}


def test_arrests_of_who_publishes_none_are_unknown() -> None:
    assert {row["known_arrests"] for row in judged(CITIES["new_york"], months_of(2017))} == {None}


def test_a_rate_is_incidents_of_twelve_months_for_each_resident() -> None:
    found = rates(judged(CITIES["san_francisco"], months_of(2019)), CITIES)
    robbery = next(one for one in found if one.offense == "robbery")
    assert (robbery.city, robbery.year, robbery.incidents) == ("san_francisco", 2019, 1200)
    assert robbery.per_100_000 == pytest.approx(1200 / 873_965 * 100_000)
    assert {one.offense for one in found} == {*BETWEEN}


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"days": 27}, "records of 27 of its 31 days"),
        ({"row_count": 1_234}, "1,234 records of it, fewer than Chicago"),
    ],
)
def test_a_month_that_is_not_whole_takes_its_year_with_it(change: dict[str, int], reason: str) -> None:
    whole = months_of(2016, 2017)
    held = [one | change if one["month"] == date(2017, 3, 1) else one for one in whole.held]
    rows = judged(CITIES["chicago"], replace(whole, held=held))
    march, april = (by(rows, "robbery", date(2017, month, 1)) for month in (3, 4))
    assert not march["comparable_in_time"]
    assert reason in march["reason_in_time"]
    assert march["reason_between"] == march["reason_in_time"]
    assert april["comparable_in_time"]
    assert not april["comparable_between"]
    assert "2017" in april["reason_between"]
    assert {one.year for one in rates(rows, CITIES)} == {2016}
    assert {one.year for one in trends(rows)} == {2016}


def test_what_is_not_published_yet_is_not_compared() -> None:
    rows = judged(CITIES["chicago"], months_of(2017, complete_to=date(2017, 12, 30)))
    assert "not published all of it yet" in by(rows, "robbery", date(2017, 12, 1))["reason_in_time"]
    assert by(rows, "robbery", date(2017, 11, 1))["comparable_in_time"]
    assert not rates(rows, CITIES)


def test_los_angeles_has_no_2024() -> None:
    city = CITIES["los_angeles"]
    before, after = months_of(2022, 2023, 2024), months_of(2024, 2025, scheme="NIBRS", robberies=50)
    both = replace(before, months=[*before.months, *after.months], held=[*before.held, *after.held])
    rows = judged(city, both)
    of_2024 = [row for row in rows if row["month"].year == 2024]
    assert not [row for row in of_2024 if row["comparable_in_time"] or row["comparable_between"]]
    assert {row["series"] for row in of_2024} == {None}
    assert "2024" in by(of_2024[: 12 * 14], "robbery", date(2024, 1, 1))["reason_between"]
    assert {(one.year, one.incidents) for one in rates(rows, CITIES) if one.offense == "robbery"} == {
        (2022, 1200),
        (2023, 1200),
        (2025, 600),
    }
    lines = {(one.scheme, one.year): (one.base_year, one.index) for one in trends(rows) if one.offense == "robbery"}
    assert lines == {("SRS", 2022): (2022, 100), ("SRS", 2023): (2022, 100), ("NIBRS", 2025): (2025, 100)}


def test_san_francisco_begins_anew_in_2018() -> None:
    rows = judged(CITIES["san_francisco"], months_of(2016, 2017, 2018))
    assert {(one.year, one.base_year) for one in trends(rows)} == {(2016, 2016), (2017, 2016), (2018, 2018)}


def test_an_offense_that_has_become_another_is_no_trend() -> None:
    rows = judged(CITIES["new_york"], months_of(2023, 2024))
    assert by(rows, "rape", date(2024, 8, 1))["comparable_in_time"]
    assert "law" in by(rows, "rape", date(2024, 9, 1))["reason_in_time"]
    assert {one.year for one in trends(rows) if one.offense == "rape"} == {2023}
    assert {one.year for one in trends(rows) if one.offense == "robbery"} == {2023, 2024}


def test_simulated_records_and_cities_without_a_word_are_not_compared() -> None:
    simulated = judged(CITIES["chicago"], months_of(2017, is_simulated=True))
    unknown: City = replace(CITIES["chicago"], comparison=None)
    for rows in (simulated, judged(unknown, months_of(2017))):
        assert not [row for row in rows if row["comparable_in_time"] or row["comparable_between"]]
        assert not rates(rows, CITIES)
    assert by(simulated, "robbery", date(2017, 1, 1))["reason_in_time"] == "The records are simulated."


def test_the_index_is_of_the_first_whole_year() -> None:
    few, many = months_of(2016, robberies=40), months_of(2017, robberies=50)
    both = replace(few, months=[*few.months, *many.months], held=[*few.held, *many.held])
    found = {(one.offense, one.year): one.index for one in trends(judged(CITIES["chicago"], both))}
    assert found["robbery", 2017] == pytest.approx(125)
    assert found["homicide", 2017] is None, "a base of nothing has no index"


def test_what_is_no_offense_is_counted_but_compared_with_nothing() -> None:
    lake = months_of(2017)
    more = [{**one, "offense": "unmapped", "row_count": 9, "incidents": 9} for one in lake.months]
    rows = judged(CITIES["chicago"], replace(lake, months=[*lake.months, *more]))
    found = by(rows, "unmapped", date(2017, 1, 1))
    assert (found["rows"], found["comparable_in_time"], found["comparable_between"]) == (9, False, False)
    assert "table of codes" in found["reason_in_time"]
