"""Which insights and columns are made for a city: none of what it does not publish."""

from __future__ import annotations

from collections import Counter
from datetime import date, datetime
from pathlib import Path

import pytest

from crime_assets.analysis.made import CLASSES, insights_of, not_made, unpublished_of
from crime_assets.core.errors import UsageError
from crime_assets.core.insights import all_insights, load_insights
from crime_assets.sources import cities
from crime_assets_tests.sql.asking import computed_of, crime, table, with_unmapped

NOT_MADE = {
    "chicago": set(),
    "los_angeles": {
        "domestic_violence",
        "early_warning",
        "near_repeat",
        "reporting_delay",
        "traffic_related",
        "violence_against_women_proxy",
    },
    "new_york": {
        "domestic_violence",
        "early_warning",
        "hotspots",
        "near_repeat",
        "repeat_blocks",
        "repeat_offense_locations",
        "reporting_delay",
        "traffic_related",
        "violence_against_women_proxy",
    },
    "san_francisco": {
        "domestic_violence",
        "early_warning",
        "hotspots",
        "location_types",
        "near_repeat",
        "repeat_blocks",
        "repeat_offense_locations",
        "reporting_delay",
        "traffic_related",
        "violence_against_women_proxy",
    },
    "washington": {
        "domestic_violence",
        "early_warning",
        "location_types",
        "near_repeat",
        "reporting_delay",
        "traffic_related",
        "violence_against_women_proxy",
    },
}


@pytest.mark.parametrize("name", cities.names())
def test_insights_of_a_city(name: str) -> None:
    city = cities.get(name)
    assert not_made(city).keys() == NOT_MADE[name]
    made = insights_of(city)
    assert {insight.name for insight in made} == {insight.name for insight in all_insights()} - NOT_MADE[name]
    for insight in made:
        sources = {source for column in insight.columns for source in column.sources}
        assert not sources & unpublished_of(city), insight.name
        assert {*insight.promises.key, *insight.promises.totals} <= {column.name for column in insight.columns}


def test_chicago_has_all_of_them_as_they_are() -> None:
    assert insights_of(cities.get("chicago")) == all_insights()


def test_what_is_left_out_is_another_definition() -> None:
    summary = next(one for one in insights_of(cities.get("new_york")) if one.name == "crime_summary")
    whole = next(one for one in all_insights() if one.name == "crime_summary")
    assert summary.left_out == ("arrests", "arrest_share", "domestic_crimes", "domestic_share")
    assert [column.name for column in summary.columns] == [
        column.name for column in whole.columns if column.name not in summary.left_out
    ]
    assert {count.name for count in summary.counting.counts}.isdisjoint(summary.left_out)
    assert summary.definition != whole.definition


def test_why_an_insight_is_not_made() -> None:
    lacking = not_made(cities.get("san_francisco"))
    assert lacking["near_repeat"] == ["points", "categories"]
    assert lacking["domestic_violence"] == ["domestic"]
    assert lacking["repeat_blocks"] == ["block"]
    assert lacking["reporting_delay"] == ["stamps"]


def test_no_row_is_made_of_a_class_that_a_city_does_not_publish() -> None:
    crimes = table([crime(number, datetime(2024, 2, 1 + number), district="1") for number in range(20)])
    for name, classes in (("washington", {"all", "violent", "property"}), ("new_york", {*CLASSES, "all"})):
        compstat = next(one for one in insights_of(cities.get(name)) if one.name == "compstat")
        found = computed_of(compstat, crimes, date(2024, 2, 25)).to_pylist()
        assert {row["offense_class"] for row in found} == classes


@pytest.mark.parametrize("name", ["washington", "new_york", "los_angeles", "san_francisco"])
def test_codes_that_are_in_no_table_have_their_rows_in_any_city(name: str) -> None:
    days = [datetime(2024, 2, 1 + number) for number in range(20)]
    rows = [crime(number, day, district="1", report_type="Initial") for number, day in enumerate(days)]
    crimes, city = table(with_unmapped(rows, 4)), cities.get(name)
    made = [one for one in insights_of(city) if one.name in {"compstat", "region_magnitude"}]
    assert made
    for insight in made:
        counts = Counter[str]()
        for row in computed_of(insight, crimes, date(2024, 2, 25)).to_pylist():
            counts[row["offense_class"]] += row["crimes"]
        assert counts.keys() == {*city.classes, "all", "unmapped"}, insight.name
        assert counts["unmapped"] > 0
        assert 2 * counts["all"] == counts.total()


def test_a_need_that_nobody_knows_is_refused(tmp_path: Path) -> None:
    header = "\n".join(f"-- @column {name}: x." for name in ("as_of_day", "period", "first_day", "last_day", "n"))
    select = "SELECT :as_of_day AS as_of_day, '28d' AS period, :as_of_day AS first_day, :as_of_day AS last_day, 1 AS n"
    (tmp_path / "01_x.sql").write_text(f"-- Something.\n{header}\n-- @needs luck\n{select} FROM crimes\n")
    with pytest.raises(UsageError, match=r"needs luck: there are only points, categories, stamps"):
        load_insights(tmp_path)
