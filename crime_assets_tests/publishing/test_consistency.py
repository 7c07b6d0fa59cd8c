"""Rows of insights held against their headers: sound ones are right, each kind of fault is found and named."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import date, timedelta
from functools import cache

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pytest

from crime_assets.core.insights import Insight, all_insights
from crime_assets.core.periods import first_days
from crime_assets.core.promises import FIGURES
from crime_assets.core.sql import render, statement
from crime_assets.publishing.consistency import PARTS, Recorded, faults, promised
from crime_assets_tests.sql.asking import computed_of, random_crimes, table, with_unmapped

INSIGHTS = {insight.name: insight for insight in all_insights()}
DAY = date(2024, 3, 5)
LAST = DAY - timedelta(days=8)
CRIMES = table(random_crimes(11, 4000, date(2022, 6, 1), DAY))
NONE = CRIMES.slice(0, 0)


def _ask(sql: str, crimes: pa.Table, parameters: dict[str, date]) -> pa.Table:
    with duckdb.connect() as con:
        con.register("crimes", crimes)
        return con.sql(render(sql, "duckdb", parameters)).to_arrow_table()


def computed(insight: Insight, crimes: pa.Table = CRIMES) -> pa.Table:
    return computed_of(insight, crimes, DAY)


def recorded(crimes: pa.Table = CRIMES) -> Recorded:
    days = {f"first_{period}": day for period, day in first_days(DAY, LAST).items()}
    rows = _ask(statement("checks", "recorded"), crimes, {"as_of_day": DAY, "last_complete_day": LAST, **days})
    return Recorded(rows.to_pylist(), DAY, LAST)


@cache
def known() -> Recorded:
    return recorded()


@cache
def sound(name: str) -> pa.Table:
    return computed(INSIGHTS[name])


def changed(rows: pa.Table, column: str, value: Callable[[object], object], *where: int) -> pa.Table:
    """The rows with another value in some of them."""
    values = rows[column].to_pylist()
    for row in where:
        values[row] = value(values[row])
    index = rows.schema.get_field_index(column)
    return rows.set_column(index, rows.schema.field(column), pa.array(values, rows.schema.field(column).type))


def row_of(rows: pa.Table, **values: object) -> int:
    """The number of the one row with these values."""
    (found,) = [n for n, row in enumerate(rows.to_pylist()) if all(row[k] == v for k, v in values.items())]
    return found


@pytest.mark.parametrize("name", INSIGHTS)
def test_every_insight_keeps_its_promises(name: str) -> None:
    assert sound(name).num_rows
    assert faults(INSIGHTS[name], sound(name), known()) == {}


@pytest.mark.parametrize("name", INSIGHTS)
def test_every_insight_keeps_them_where_nothing_is_recorded(name: str) -> None:
    assert faults(INSIGHTS[name], computed(INSIGHTS[name], NONE), recorded(NONE)) == {}


@pytest.mark.parametrize(("rows", "first"), [(1, date(2024, 2, 1)), (7, date(2024, 2, 20)), (60, date(2018, 1, 1))])
def test_every_insight_of_a_town_with_few_crimes_keeps_them(rows: int, first: date) -> None:
    crimes = table(random_crimes(rows, rows, first, DAY + timedelta(days=3)))
    here = recorded(crimes)
    found = {name: faults(insight, computed(insight, crimes), here) for name, insight in INSIGHTS.items()}
    assert {name: wrong for name, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("every", [20, 1, 4000], ids=["5 in 100", "all", "one"])
@pytest.mark.parametrize("name", INSIGHTS)
def test_every_insight_keeps_them_where_codes_are_in_no_table(name: str, every: int) -> None:
    crimes = table(with_unmapped(CRIMES.to_pylist(), every))
    here = recorded(crimes)
    assert here.of("all")["unmapped_crimes"] == 4000 // every
    assert faults(INSIGHTS[name], computed(INSIGHTS[name], crimes), here) == {}


@pytest.mark.parametrize("insight", INSIGHTS.values(), ids=lambda insight: insight.name)
def test_every_insight_says_what_each_part_means(insight: Insight) -> None:
    said = promised(insight)
    assert tuple(said) == PARTS
    assert all(said.values())


def test_what_is_recorded_is_counted_by_period_and_area() -> None:
    crimes = CRIMES.to_pylist()
    of_month = [row for row in crimes if LAST - timedelta(days=27) <= row["occurred_on"] <= LAST]
    assert known().of("28d")["crimes"] == len(of_month) > 0
    assert known().of("28d")["arrests"] == sum(row["arrest"] is True for row in of_month)
    assert known().by_area("28d", "district")[None]["crimes"] == sum(row["district"] is None for row in of_month)
    of_year = [row for row in crimes if date(2024, 1, 1) <= row["occurred_on"] <= LAST]
    assert known().of("ytd")["violent_crimes"] == sum(row["is_violent"] for row in of_year)
    assert known().of("all")["crimes"] == len(crimes)
    assert known().days["all"] == (min(row["occurred_on"] for row in crimes), DAY)
    assert recorded(NONE).of("all") == dict.fromkeys(FIGURES, 0)


def test_a_key_that_stands_twice_is_found() -> None:
    rows = sound("near_repeat")
    found = faults(INSIGHTS["near_repeat"], pa.concat_tables([rows, rows.slice(3, 1)]), known())
    assert set(found) == {"keys_unique"}
    assert found["keys_unique"].startswith("2 rows are of period 365d, offense BURGLARY, distance_from_m 0")


@pytest.mark.parametrize("name", [name for name in INSIGHTS if name != "repeat_blocks"])
def test_a_row_that_stands_twice_is_found_in_every_insight(name: str) -> None:
    rows = sound(name)
    assert "keys_unique" in faults(INSIGHTS[name], pa.concat_tables([rows, rows.slice(0, 1)]), known())


def test_an_unknown_district_is_a_key_too() -> None:
    rows = sound("crime_by_district")
    unknown = rows.filter(pc.is_null(rows["district"])).slice(0, 1)
    found = faults(INSIGHTS["crime_by_district"], pa.concat_tables([rows, unknown]), known())
    assert "2 rows are of period 28d, district unknown" in found["keys_unique"]


@pytest.mark.parametrize("name", INSIGHTS)
def test_a_period_of_27_days_is_found_in_every_insight(name: str) -> None:
    rows = sound(name)
    short = changed(rows, "first_day", lambda day: day + timedelta(days=1), *range(rows.num_rows))
    found = faults(INSIGHTS[name], short, known())
    assert set(found) == {"periods_whole"}
    if name == "early_warning":
        assert found["periods_whole"] == "28d is from 2024-01-31 to 2024-02-26, not 2024-01-30 to 2024-02-26"


def test_a_period_that_ends_too_late_or_is_not_named_and_another_day_are_found() -> None:
    insight, rows = INSIGHTS["early_warning"], sound("early_warning")
    late = changed(rows, "last_day", lambda day: day + timedelta(days=8), 0)
    assert "28d is from 2024-01-30 to 2024-03-05" in faults(insight, late, known())["periods_whole"]
    other = changed(rows, "period", lambda _: "365d", 0)
    assert "a period 365d, which the header does not name" in faults(insight, other, known())["periods_whole"]
    old = changed(rows, "as_of_day", lambda day: day - timedelta(days=1), *range(rows.num_rows))
    assert "2024-03-05 say that they are of 2024-03-04" in faults(insight, old, known())["periods_whole"]


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_negative_numbers_and_what_is_no_number_are_found(value: float) -> None:
    rows = changed(sound("crime_summary"), "crimes_per_day", lambda _: value, 1)
    assert set(faults(INSIGHTS["crime_summary"], rows, known())) == {"nothing_negative"}


def test_a_negative_count_is_found_and_a_negative_difference_is_none() -> None:
    rows = changed(sound("compstat"), "late_crimes", lambda _: -2.5, 0)
    assert faults(INSIGHTS["compstat"], rows, known()) == {
        "nothing_negative": "late_crimes goes down to -2.5, and the header does not call it @signed"
    }
    assert pc.min(sound("compstat")["change"]).as_py() < 0


def test_a_total_that_is_not_the_sum_of_its_parts_is_found() -> None:
    rows = sound("compstat")
    cell = row_of(rows, period="ytd", district="all", offense_class="violent")
    before = rows["crimes_before_now"][cell].as_py()
    found = faults(INSIGHTS["compstat"], changed(rows, "crimes_before_now", lambda count: count + 3, cell), known())
    assert set(found) == {"parts_add_up"}
    where = "crimes_before_now of period ytd, offense_class violent"
    assert found["parts_add_up"].startswith(f"{where} is {before + 3} in all, and {before} over each district")
    assert found["parts_add_up"].endswith("(and 1 more like this)")


def test_a_total_without_a_row_is_found() -> None:
    rows = sound("violence_against_women_proxy")
    city = row_of(rows, period="28d", district="all", kind="stalking")
    found = faults(
        INSIGHTS["violence_against_women_proxy"],
        pa.concat_tables([rows.slice(0, city), rows.slice(city + 1)]),
        known(),
    )
    assert "period 28d, kind stalking has no row for district all" in found["parts_add_up"]


def test_a_count_that_is_not_that_of_crimes_is_found() -> None:
    rows = sound("time_of_day_patterns")
    found = faults(INSIGHTS["time_of_day_patterns"], changed(rows, "crimes", lambda count: count + 1, 0), known())
    right = known().of("28d")["crimes"]
    assert found == {"records_counted": f"crimes of 28d is {right + 1} in the table, and crimes has {right}"}


def test_what_leaves_rows_out_has_no_more_than_crimes() -> None:
    insight, rows = INSIGHTS["repeat_offense_locations"], sound("repeat_offense_locations")
    assert faults(insight, changed(rows, "crimes", lambda count: count + 1, 0), known()) == {}
    found = faults(insight, changed(rows, "arrests", lambda _: 4001, 0), known())
    assert "arrests of 365d is " in found["records_counted"]


@pytest.mark.parametrize(("name", "place"), [("compstat", "district"), ("region_magnitude", "community_area")])
def test_crimes_counted_in_another_class_are_found(name: str, place: str) -> None:
    """Also where the other one is none that the tables of codes know."""
    insight, crimes = INSIGHTS[name], table(with_unmapped(CRIMES.to_pylist(), 20))
    rows, here = computed(insight, crimes), recorded(crimes)
    where = {"period": "28d", place: {"district": "all", "community_area": 25}[place]}
    other, unmapped = (row_of(rows, offense_class=of_class, **where) for of_class in ("other", "unmapped"))
    moved = changed(
        changed(rows, "crimes", lambda count: count + 1, other), "crimes", lambda count: count - 1, unmapped
    )
    assert rows["crimes"][unmapped].as_py() > 0
    right = here.of("28d")["other_crimes"]
    assert faults(insight, moved, here)["records_counted"].startswith(
        f"crimes of 28d, other, is {right + 1} in the table, and crimes has {right}"
    )


@pytest.mark.parametrize("name", ["compstat", "region_magnitude"])
def test_crimes_of_no_class_that_have_no_row_are_found(name: str) -> None:
    crimes = table(with_unmapped(CRIMES.to_pylist(), 20))
    rows = computed(INSIGHTS[name], crimes)
    rows = rows.filter(pc.not_equal(rows["offense_class"], "unmapped"))
    assert set(faults(INSIGHTS[name], rows, recorded(crimes))) == {"parts_add_up"}


def test_a_class_that_crimes_does_not_have_is_found() -> None:
    rows = sound("region_magnitude")
    named = changed(rows, "offense_class", lambda name: "petty" if name == "other" else name, *range(rows.num_rows))
    assert "crimes of 28d, petty, is " in faults(INSIGHTS["region_magnitude"], named, known())["records_counted"]


def test_crimes_counted_in_another_area_are_found() -> None:
    """The sum over the city is right."""
    rows = sound("early_warning")
    beats = [n for n, kind in enumerate(rows["unit_kind"].to_pylist()) if kind == "beat"]
    rows = changed(rows, "crimes", lambda count: count + 2, beats[0])
    rows = changed(rows, "crimes", lambda count: count - 2, beats[-1])
    found = faults(INSIGHTS["early_warning"], rows, known())
    assert set(found) >= {"records_counted"}
    assert f"crimes of beat {rows['unit'][beats[0]]} in 28d is " in found["records_counted"]


@pytest.mark.parametrize(
    ("name", "area", "said"),
    [
        ("crime_by_district", {"district": "002"}, "has no row of district 002"),
        ("crime_by_district", {"district": None}, "has no row of district unknown"),
        ("compstat", {"district": "002"}, "has no row of district 002"),
        ("region_magnitude", {"community_area": 25}, "has no row of community area 25"),
        ("violence_against_women_proxy", {"district": "011"}, "has no row of district 011"),
        ("early_warning", {"unit_kind": "community area", "unit": "25"}, "has no row of community area 25"),
    ],
)
def test_an_area_without_a_row_is_found(name: str, area: dict[str, object], said: str) -> None:
    rows = sound(name)
    kept = [any(row[column] != value for column, value in area.items()) for row in rows.to_pylist()]
    found = faults(INSIGHTS[name], rows.filter(pa.array(kept)), known())
    assert said in found["areas_there"]
    assert "crimes occurred" in found["areas_there"]


def broken(name: str, old: str, new: str) -> dict[str, str]:
    """The faults of an insight whose statement is wrong in one place."""
    insight = INSIGHTS[name]
    assert old in insight.statement
    other = replace(insight, statement=insight.statement.replace(old, new, 1))
    return faults(other, computed(other), known())


ON = "ON crimes.occurred_on BETWEEN periods.first_day AND periods.last_day"
OF_DISTRICT = "(cells.district = 'all' OR counted.district IS NOT DISTINCT FROM cells.district)"
KNOWN = "FROM crimes\n    WHERE occurred_on <= :as_of_day"
SUNDAY = "DATE '2000-01-02'"
COUNTED = {"records_counted"}


@pytest.mark.parametrize(
    ("name", "old", "new", "parts"),
    [
        # A condition of a join is lost.
        ("crime_by_district", ON, "ON TRUE", {"records_counted"}),
        ("hourly_heat_map", "counted.hour = cells.hour AND ", "", {"keys_unique", "records_counted"}),
        ("traffic_related", "ranked_names.period = hours.period AND ", "", {"keys_unique"}),
        ("traffic_related", " AND ranked_names.name_rank = 1", "", {"keys_unique"}),
        ("compstat", "AND counted.part = cells.part", "", {"records_counted"}),
        ("compstat", OF_DISTRICT, "TRUE", {"parts_add_up", "records_counted"}),
        ("repeat_blocks", " AND ranked_beats.beat_rank = 1", "", {"keys_unique"}),
        # NULLs are lost.
        ("compstat", OF_DISTRICT, "counted.district IN ('all', cells.district)", {"parts_add_up", "records_counted"}),
        ("region_magnitude", KNOWN, f"{KNOWN} AND community_area IS NOT NULL", {"areas_there", "records_counted"}),
        ("location_types", ON, f"{ON} AND location_description IS NOT NULL", {"records_counted"}),
        # A total is of other rows than its parts, or the parts are not what they are called.
        ("violence_against_women_proxy", "(kinds.kind = 'all' AND", "(kinds.kind = 'all' OR", {"parts_add_up"}),
        ("region_magnitude", "IN ('all', by_period.offense_class)", "IN ('all', 'other')", {"records_counted"}),
        # Windows are a day off, or end today.
        ("early_warning", "-27 - 28 * numbered", "-26 - 28 * numbered", {"records_counted"}),
        ("reporting_delay", "'day', -90, :as_of_day) AS DATE) AND", "'day', -89, :as_of_day) AS DATE) AND", COUNTED),
        ("region_magnitude", "-27, :last_complete_day) AS DATE) AND", "-26, :last_complete_day) AS DATE) AND", COUNTED),
        ("crime_summary", "'day', -27, :last", "'day', -26, :last", {"periods_whole", "records_counted"}),
        ("crime_summary", ":last_complete_day AS last", ":as_of_day AS last", {"periods_whole", "records_counted"}),
        # A number is divided by nothing, or two days are the wrong way round.
        ("crime_summary", "NULLIF(days, 0)", "(days - days)", {"nothing_negative"}),
        ("day_of_week_patterns", f"{SUNDAY}, periods.last_day", f"periods.last_day, {SUNDAY}", {"nothing_negative"}),
    ],
)  # fmt: skip
def test_a_statement_that_is_broken_is_found(name: str, old: str, new: str, parts: set[str]) -> None:
    assert set(broken(name, old, new)) == parts
