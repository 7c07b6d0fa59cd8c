"""CompStat, reporting delay and crime by community area, worked out by hand and held against chance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime, time, timedelta

import numpy as np
import pyarrow as pa
import pytest

from crime_assets.core import insights
from crime_assets.sources.feeds.sample import offenses
from crime_assets_tests.sql.asking import INSIGHTS, ask, columns, crime, table, with_unmapped

AS_OF = date(2024, 3, 31)
COMPLETE = date(2024, 3, 23)
"""Eight days before."""


def before(days: int) -> date:
    return AS_OF - timedelta(days=days)


def on(day: date, count: int, **columns: object) -> list[dict[str, object]]:
    """So many crimes of a day; their ids are given by `numbered`."""
    return [crime(0, datetime.combine(day, time(12)), **columns) for _ in range(count)]


def numbered(*groups: Iterable[dict[str, object]]) -> pa.Table:
    return table([{**row, "id": number} for number, row in enumerate(row for group in groups for row in group)])


def came(lag: int, delays: Mapping[int, int]) -> list[dict[str, object]]:
    """Crimes of the day so many days before the as-of day: how many came after how many days."""
    return [row for delay, count in delays.items() for row in on(before(lag), count, change_day=before(lag - delay))]


def delays(
    crimes: pa.Table, first_change_day: date, superseded: pa.Table | None = None
) -> dict[int, dict[str, object]]:
    """Days since → the row of reporting_delay."""
    rows = ask("reporting_delay", crimes, AS_OF, superseded, first_change_day=first_change_day).to_pylist()
    assert [row["days_since"] for row in rows] == list(range(91))
    return {row["days_since"]: row for row in rows}


def complete(rows: Mapping[int, Mapping[str, object]], *lags: int) -> list[object]:
    return [rows[lag]["completeness"] for lag in lags]


# Two change days, 30 and 31 March; all that came before is history.
TWO_DAYS = (
    came(7, {7: 4}),
    came(8, {7: 3, 8: 1}),
    came(9, {7: 3, 8: 1}),
    came(10, {7: 2, 8: 2, 10: 1}),
)


def test_completeness_by_hand():
    rows = delays(numbered(*TWO_DAYS), before(1))
    # Hazards: at 7 days 4 of 4 and 3 of 3, at 8 days 1 of 4 twice, at 9 days 0 of 4 twice, at 10 days 1 of 5.
    assert complete(rows, 0, 6, 7, 8, 9, 10, 90) == [0, 0, pytest.approx(0.75 * 0.8, abs=1e-6), 0.8, 0.8, 1, 1]
    assert [rows[lag]["first_published_in_window"] for lag in range(6, 12)] == [0, 7, 2, 0, 1, 0]
    assert [rows[lag]["change_days"] for lag in range(6, 12)] == [0, 2, 2, 2, 1, 0]
    assert [rows[lag]["unsettled"] for lag in (0, 7, 9, 10, 90)] == [1, 1, 1, 0, 0]


def test_expected_crimes_are_those_known_divided_by_completeness():
    rows = delays(numbered(*TWO_DAYS), before(1))
    assert [rows[lag]["occurred_on"] for lag in (0, 90)] == [AS_OF, date(2024, 1, 1)]
    found = [(rows[lag]["crimes"], rows[lag]["expected_crimes"], rows[lag]["still_expected"]) for lag in (6, 8, 10)]
    assert found == [(0, None, None), (4, 5, 1), (5, 5, 0)]
    assert rows[7]["expected_crimes"] == pytest.approx(4 / 0.6, abs=1e-4)


def test_an_edited_record_came_when_its_first_version_did():
    crimes = numbered(*TWO_DAYS).to_pylist()
    edited, of_history = crimes[4], crimes[12]
    assert (edited["change_day"], of_history["change_day"]) == (before(1), before(3))
    now = [{**row, "change_day": AS_OF} if row in (edited, of_history) else row for row in crimes]
    as_if_new, known = delays(table(now), before(1)), delays(table(now), before(1), table([edited, of_history]))
    assert known == delays(table(crimes), before(1))
    assert as_if_new != known


def test_a_version_of_later_is_not_known_yet():
    crimes = numbered(*TWO_DAYS).to_pylist()
    later = table([{**row, "change_day": AS_OF + timedelta(days=2)} for row in crimes])
    assert delays(table(crimes), before(1), later) == delays(table(crimes), before(1))


def test_history_is_never_new():
    rows = delays(numbered(*TWO_DAYS), AS_OF)
    assert complete(rows, 6, 7, 8, 9, 10) == [0, pytest.approx(0.75 * 0.8, abs=1e-6), 0.8, 0.8, 1]
    assert [rows[lag]["first_published_in_window"] for lag in range(6, 12)] == [0, 4, 1, 0, 1, 0]


@pytest.mark.parametrize("crimes", [[], [row for group in TWO_DAYS for row in group]])
def test_nothing_is_said_to_be_complete_before_a_change_day_was_pulled(crimes: list[dict[str, object]]):
    rows = delays(numbered(crimes), AS_OF + timedelta(days=1))
    assert {(row["completeness"], row["expected_crimes"], row["unsettled"]) for row in rows.values()} == {
        (None, None, 1)
    }


def test_a_change_day_that_was_not_pulled_says_nothing():
    # Of every day 6 records come after 7 days, 3 after 8, 1 after 10.
    steady = [
        row for lag in range(7, 110) for row in came(lag, {d: n for d, n in ((7, 6), (8, 3), (10, 1)) if d <= lag})
    ]
    rows = delays(numbered(steady), before(2))
    assert complete(rows, 7, 8, 9, 10) == [0.6, 0.9, 0.9, 1]
    pulled = [row for row in steady if row["change_day"] != before(1)]
    rows = delays(numbered(pulled), before(2))
    # 8 days after, 3 of 9 came of one day; of the other the 6 before them were missed. Later lags stay as they were.
    assert complete(rows, 8, 9, 10) == [0.9, 0.9, 1]
    assert complete(rows, 7) == [pytest.approx(0.9 * (1 - 6 / 12), abs=1e-6)]
    assert [rows[lag]["change_days"] for lag in (7, 8, 50)] == [2, 2, 2]


def test_only_the_last_56_days_are_learnt_from():
    crimes = numbered(on(before(70), 1, change_day=before(55)), on(before(71), 1, change_day=before(56)))
    rows = delays(crimes, date(2020, 1, 1))
    assert [rows[lag]["first_published_in_window"] for lag in range(14, 17)] == [0, 1, 0]


def test_completeness_is_found_again_in_what_is_cut_off_today():
    """Delays of 7 days and then geometric ones of 12 on average; those still to come are not there to be counted."""
    rng = np.random.default_rng(20)
    occurred = np.repeat(np.arange(240), 150)
    came_after = 7 + rng.geometric(1 / 12, occurred.size) - 1
    today = 239
    known = occurred + came_after <= today
    day = np.datetime64(AS_OF) - today
    crimes = columns(
        id=np.arange(known.sum()),
        occurred_on=day + occurred[known],
        change_day=day + (occurred + came_after)[known],
    )
    rows = delays(crimes, before(40))
    truth = {lag: 1 - (11 / 12) ** (lag - 6) for lag in range(7, 91)}
    for lag, share in truth.items():
        assert rows[lag]["completeness"] == pytest.approx(share, abs=0.02)
    recent = range(14, 60)
    assert sum(rows[lag]["expected_crimes"] for lag in recent) == pytest.approx(150 * len(recent), rel=0.02)
    assert sum(rows[lag]["crimes"] for lag in recent) < 0.9 * 150 * len(recent)


def compstat(crimes: pa.Table, as_of_day: date = AS_OF, first_change_day: date | None = None) -> dict[object, object]:
    """(period, district, class) → the row of compstat."""
    rows = ask("compstat", crimes, as_of_day, first_change_day=first_change_day or as_of_day).to_pylist()
    return {(row["period"], row["district"], row["offense_class"]): row for row in rows}


def every_week(first: date) -> list[dict[str, object]]:
    """A crime on that day and after every seven until three weeks before the as-of day, in a district of its own."""
    days = range(0, (before(21) - first).days, 7)
    return [row for day in days for row in on(first + timedelta(days=day), 1, district="999")]


def test_compared_windows_by_hand():
    """On 29 February: 28 days end on 28 February in other years, the year to date begins on 1 January."""
    of_28_days = [
        *(on(date(2024, 2, day), 1) for day in (2, 29)),
        *(on(day, 1) for day in (date(2024, 1, 5), date(2024, 1, 6), date(2024, 2, 1))),
        *(on(day, 1) for day in (date(2023, 2, 1), date(2023, 2, 28), date(2022, 2, 1), date(2020, 2, 2))),
        *(on(day, 1) for day in (date(2020, 2, 29), date(2019, 2, 1), date(2019, 2, 28))),
    ]
    outside = [
        on(day, 1)
        for day in (date(2024, 3, 1), date(2024, 1, 4), date(2023, 1, 31), date(2023, 3, 1), date(2020, 2, 1))
    ]
    rows = compstat(numbered(every_week(date(2019, 1, 1)), *of_28_days, *outside), date(2024, 3, 8))
    now = rows["28d", None, "all"]
    assert (now["first_day"], now["last_day"]) == (date(2024, 2, 2), date(2024, 2, 29))
    assert (now["crimes"], now["crimes_before"], now["change"]) == (2, 3, -1)
    # 2023: 2, 2022: 1, 2021: 0, 2020: 2, 2019: 2.
    assert (now["five_years_low"], now["five_years_high"], now["five_years_mean"], now["years"]) == (0, 2, 7 / 5, 5)
    to_date = rows["ytd", None, "all"]
    assert (to_date["first_day"], to_date["last_day"]) == (date(2024, 1, 1), date(2024, 2, 29))
    # 2024: the five above and 4 January; 2023: 31 January, 1 and 28 February; then 1, 0, 3 and 2.
    assert (to_date["crimes"], to_date["crimes_before"], to_date["change"]) == (6, 3, 3)
    in_the_years = ("five_years_low", "five_years_high", "five_years_mean", "years")
    assert [to_date[name] for name in in_the_years] == [0, 3, 9 / 5, 5]


def test_windows_that_the_lake_does_not_hold_whole_are_not_compared():
    # Windows of 28 days that end on 23 March begin on 25 February, in leap years a day later.
    begins = date(2021, 2, 24)
    rows = compstat(numbered(every_week(begins), on(COMPLETE, 9)))
    assert (rows["28d", "all", "all"]["years"], rows["ytd", "all", "all"]["years"]) == (3, 2)
    recent = on(COMPLETE - timedelta(days=27), 1), on(COMPLETE, 8)
    young = compstat(numbered(on(COMPLETE - timedelta(days=54), 1), *recent))
    columns = (
        "crimes",
        "crimes_before",
        "change",
        "z_before",
        "flag",
        "years",
        "five_years_low",
        "five_years_position",
    )
    assert [young["28d", "all", "all"][name] for name in columns] == [9, None, None, None, 0, 0, None, None]
    old_enough = compstat(numbered(on(COMPLETE - timedelta(days=55), 1), *recent))
    assert [old_enough["28d", "all", "all"][name] for name in columns[:5]] == [9, 1, 8, 4, 1]


def test_a_stray_old_record_makes_no_year_whole():
    steady = every_week(date(2023, 2, 1))
    alone, with_it = (compstat(numbered(steady, stray, on(COMPLETE, 9))) for stray in ([], on(date(2018, 6, 1), 1)))
    for period, years in (("28d", 1), ("ytd", 0)):
        for district in ("999", "all"):
            assert with_it[period, district, "all"]["years"] == years
            assert with_it[period, district, "all"] == alone[period, district, "all"]
    assert with_it["ytd", "999", "all"]["crimes_before"] is None


@pytest.mark.parametrize(("days_without", "is_whole"), [(27, True), (28, False)])
@pytest.mark.parametrize("touching", [-1, 0, 20, 27, 28])
def test_a_month_without_records_is_a_hole_wherever_it_touches_the_window(
    touching: int, days_without: int, is_whole: bool
):
    """The hole begins that many days after the first day of the 28 days before."""
    first, last = COMPLETE - timedelta(days=55), COMPLETE - timedelta(days=28)
    hole = [first + timedelta(days=touching - (days_without if touching <= 0 else 0) + n) for n in range(days_without)]
    days = [COMPLETE - timedelta(days=n) for n in range(120)]
    row = compstat(numbered(*(on(day, 1) for day in days if day not in hole)))["28d", "all", "all"]
    expected = sum(first <= day <= last and day not in hole for day in days)
    touches = any(first <= day <= last for day in hole)
    assert row["crimes_before"] == (expected if is_whole or not touches else None)


@pytest.mark.parametrize(("days_ago", "known"), [(28, 28), (29, None)])
def test_days_after_the_last_record_are_not_known_to_be_without_any(days_ago: int, known: int | None):
    days = [COMPLETE - timedelta(days=n) for n in range(days_ago, 120)]
    row = compstat(numbered(*(on(day, 1) for day in days)))["28d", "all", "all"]
    assert row["crimes_before"] == known


def rising(now: int, then: int, **columns: object) -> list[dict[str, object]]:
    return on(COMPLETE, now, **columns) + on(COMPLETE - timedelta(days=30), then, **columns)


@pytest.mark.parametrize(
    ("now", "then", "z", "flag"),
    [(16, 4, 4, 1), (4, 16, -4, -1), (9, 4, 2, 0), (4, 9, -2, 0), (7, 1, 2 * (7**0.5 - 1), 1), (6, 1, 2.8989794, 0)],
)
def test_a_change_is_flagged_from_three(now: int, then: int, z: float, flag: int):
    rows = compstat(numbered(every_week(date(2023, 12, 1)), rising(now, then, district="011")))
    found = rows["28d", "011", "all"]
    assert (found["crimes"], found["crimes_before"], found["change"]) == (now, then, now - then)
    assert (found["z_before"], found["flag"]) == (pytest.approx(z), flag)


@pytest.mark.parametrize(
    ("late", "fewest", "position"), [(3, 40, "within"), (3, 41, "below"), (66, 20, "within"), (67, 20, "above")]
)
def test_the_place_in_the_five_years_counts_late_records_too(late: int, fewest: int, position: str):
    of_years = ((1, fewest), (2, fewest + 5), (3, 70), (4, 60), (5, 50))
    past = [on(date(2024 - years, 3, 20), count) for years, count in of_years]
    # Of four records known nine days after, three came just then: of those known after eight days there will be four
    # times as many, with a variance of 12 each, and a standard error of sqrt(3 / 4) * 4 that all share.
    enough = on(COMPLETE - timedelta(days=75), 1900, district="999")
    groups = [every_week(date(2019, 1, 1)), enough, came(9, {7: 1, 9: 3}), on(COMPLETE, late), *past]
    found = compstat(numbered(*groups))["28d", None, "all"]
    assert (found["crimes"], found["late_crimes"]) == (4 + late, 3 * late)
    margin = 1.96 * (12 * late + 12 * late**2) ** 0.5
    assert found["crimes_in_the_end_low"] == 4 + late + max(0, int(3 * late - margin))
    assert found["crimes_in_the_end_high"] == 4 + late + int(3 * late + margin) + 1
    range_of_years = ("five_years_low", "five_years_high", "years")
    assert [found[name] for name in range_of_years] == [fewest, 70, 5]
    assert found["five_years_position"] == position


def test_every_district_has_every_class_and_all_add_up_to_the_city():
    groups = [
        rising(5, 2, district="001"),
        on(COMPLETE, 3, district=None, primary_type="BATTERY"),
        on(date(2023, 3, 1), 1, district="061", primary_type="NARCOTICS"),
    ]
    rows = compstat(numbered(*groups))
    assert [(period, district) for period, district, kind in rows if kind == "all"] == [
        (period, district) for period in ("28d", "ytd") for district in ("001", "061", "all", None)
    ]
    assert len(rows) == 2 * 4 * 4
    for period in ("28d", "ytd"):
        for kind in ("all", "violent", "property", "other"):
            parts = [rows[period, district, kind]["crimes"] for district in ("001", "061", None)]
            assert sum(parts) == rows[period, "all", kind]["crimes"]
        for district in ("001", "061", "all", None):
            parts = [rows[period, district, kind]["crimes"] for kind in ("violent", "property", "other")]
            assert sum(parts) == rows[period, district, "all"]["crimes"]
    assert rows["28d", "all", "all"]["crimes"] == 8
    assert rows["28d", "061", "other"]["crimes"] == 0


def test_the_city_is_there_even_without_crimes():
    rows = compstat(table([]))
    assert list(rows) == [(p, "all", kind) for p in ("28d", "ytd") for kind in ("all", "other", "property", "violent")]
    assert {row["crimes"] for row in rows.values()} == {0}


@pytest.mark.parametrize(
    ("day", "in_compstat", "in_regions"),
    [
        (COMPLETE, True, True),
        (COMPLETE - timedelta(days=40), True, True),
        (date(2019, 3, 20), True, True),
        (date(2017, 3, 20), False, True),
        (AS_OF + timedelta(days=1), False, False),
    ],
)
def test_codes_in_no_table_have_rows_of_their_own_where_any_is_looked_at(
    day: date, in_compstat: bool, in_regions: bool
):
    crimes = numbered(on(COMPLETE, 5, district="001", community_area=8), with_unmapped(on(day, 1), 1))
    found = {kind for _, _, kind in compstat(crimes)}, {kind for _, kind, _ in regions(crimes)}
    assert ["unmapped" in classes for classes in found] == [in_compstat, in_regions]
    assert [len(classes) for classes in found] == [4 + in_compstat, 4 + in_regions]


def test_codes_in_no_table_that_were_known_before_are_compared_with():
    """The one record has a code that is listed by now."""
    day = COMPLETE - timedelta(days=30)
    crimes = numbered(every_week(date(2023, 12, 1)), on(COMPLETE, 5), on(day, 1, change_day=AS_OF)).to_pylist()
    older = table(with_unmapped([{**crimes[-1], "change_day": day + timedelta(days=8)}], 1))
    rows = ask("compstat", table(crimes), AS_OF, older, first_change_day=before(60)).to_pylist()
    found = {row["offense_class"]: row for row in rows if (row["period"], row["district"]) == ("28d", "all")}
    assert found["unmapped"]["crimes"] == found["unmapped"]["crimes_before_now"] == 0
    assert (found["unmapped"]["before_basis"], found["unmapped"]["crimes_before"]) == ("seen", 1)
    parts = sum(row["crimes_before"] for kind, row in found.items() if kind != "all")
    assert parts == found["all"]["crimes_before"] == 5


@pytest.mark.parametrize(("mean", "most"), [(2.5, 1 / 10), (10, 1 / 25), (60, 1 / 25)])
def test_noise_raises_no_more_flags_than_the_header_says(mean: float, most: float):
    """Two thousand cells in which nothing changes; 1 in 30 is 1 in 25 with four standard deviations of chance."""
    rng = np.random.default_rng(30)
    counts = rng.poisson(mean, (2, 2000))
    days = np.datetime64(COMPLETE) - np.array([[3], [31]])
    occurred = np.concatenate([np.repeat(day, cells.sum()) for day, cells in zip(days.ravel(), counts, strict=True)])
    district = np.concatenate([np.repeat(np.arange(2000), cells) for cells in counts])
    crimes = columns(
        id=np.arange(occurred.size),
        occurred_on=occurred,
        change_day=occurred + 8,
        district=[f"{number:04d}" for number in district],
        offense_class=["other"] * occurred.size,
    )
    begin = table([crime(-1, datetime.combine(COMPLETE - timedelta(days=55), time()))])
    rows = compstat(pa.concat_tables([begin, crimes]))
    flags = [row["flag"] for (period, district, kind), row in rows.items() if (period, kind) == ("28d", "other")]
    assert {row["crimes_before"] is None for row in rows.values() if row["period"] == "28d"} == {False}
    assert len(flags) >= 1800
    assert 0.5 * most < np.mean(np.abs(flags)) <= most


def regions(crimes: pa.Table) -> dict[object, dict[str, object]]:
    """(period, class, area) → the row of region_magnitude."""
    rows = ask("region_magnitude", crimes, AS_OF).to_pylist()
    return {(row["period"], row["offense_class"], row["community_area"]): row for row in rows}


THEFTS = {"primary_type": "THEFT", "fbi_code": "06"}
BATTERIES = {"primary_type": "BATTERY", "fbi_code": "04B"}
MURDERS = {"primary_type": "BATTERY", "fbi_code": "01A"}


def areas() -> pa.Table:
    return numbered(
        on(COMPLETE, 6, community_area=8, **THEFTS),
        on(COMPLETE, 2, community_area=8, **BATTERIES),
        on(COMPLETE, 1, community_area=25, **MURDERS),
        on(COMPLETE, 1, community_area=25, **THEFTS),
        on(COMPLETE, 2, community_area=77, **THEFTS),
        on(COMPLETE, 4, community_area=None, **THEFTS),
        on(before(100), 3, community_area=1, **THEFTS),
    )


def test_regions_by_hand():
    rows = regions(areas())
    kept = ("area_rank", "crimes", "share", "city_average", "ratio_to_city", "severity", "severity_rank")
    found = {area: [rows["28d", "all", area][name] for name in kept] for area in (8, 25, 77, 1, None)}
    # 8: 6 thefts of 0.25 and 2 aggravated batteries of 2; 25: a murder of 20 and a theft.
    assert found == {
        8: [1, 8, 8 / 16, 3, 8 / 3, 5.5, 2],
        25: [2, 2, 2 / 16, 3, 2 / 3, 20.25, 1],
        77: [3, 2, 2 / 16, 3, 2 / 3, 0.5, 3],
        1: [4, 0, 0, 3, 0, 0, 4],
        None: [None, 4, 4 / 16, 3, None, 1, None],
    }
    assert [row["community_area"] for row in list(rows.values())[:5]] == [8, 25, 77, 1, None]
    assert rows["28d", "all", 25]["severity_share"] == pytest.approx(20.25 / 27.25)
    assert rows["365d", "all", 1]["crimes"] == 3


def test_the_location_quotient_is_the_share_of_the_class_there_against_the_city():
    rows = regions(areas())
    # 3 of 16 crimes of the city are violent; in area 8 2 of 8, in area 25 1 of 2.
    assert rows["28d", "violent", 8]["location_quotient"] == pytest.approx((2 / 8) / (3 / 16))
    assert rows["28d", "violent", 25]["location_quotient"] == pytest.approx((1 / 2) / (3 / 16))
    assert [rows["28d", "violent", area]["location_quotient"] for area in (77, 1)] == [0, None]
    assert rows["28d", "other", 8]["location_quotient"] is None
    assert rows["28d", "all", 8]["location_quotient"] == 1


def test_severity_follows_the_one_file(monkeypatch: pytest.MonkeyPatch):
    stated = insights.parts()
    changed = {**stated, "severity": stated["severity"].replace("('06', 0.25)", "('06', 7.125)")}
    assert changed != stated
    monkeypatch.setattr(insights, "parts", lambda: changed)
    # What was read before is kept.
    monkeypatch.setattr(insights, "with_parts", insights.with_parts.__wrapped__)
    (insight,) = (insight for insight in insights.load_insights() if insight.name == "region_magnitude")
    monkeypatch.setitem(INSIGHTS, "region_magnitude", insight)
    rows = regions(areas())
    assert [rows["28d", "all", area]["severity"] for area in (8, 25, 77)] == [6 * 7.125 + 4, 27.125, 14.25]
    assert [rows["28d", "all", area]["severity_rank"] for area in (8, 25, 77)] == [1, 2, 3]


@pytest.mark.parametrize("code", ["99", None])
def test_a_code_that_is_not_listed_weighs_as_little_as_the_lightest(code: str | None):
    rows = regions(numbered(on(AS_OF, 3, community_area=8, fbi_code=code)))
    assert rows["all", "all", 8]["severity"] == pytest.approx(0.3)


def test_every_code_that_the_city_uses_has_a_weight():
    text = insights.parts()["severity"]
    codes = {code.as_py() for code in offenses.COLUMNS["fbi_code"]}
    assert len(codes) > 20
    assert {code for code in codes if f"('{code}', " not in text} == set()
