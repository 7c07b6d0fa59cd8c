"""Verdicts: each passing and failing, with its figures; and the figures, from plain rows and from real ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from math import sqrt
from pathlib import Path
from typing import Any

import duckdb
import pytest

from crime_assets.core.envelopes import Envelope
from crime_assets.core.sql import render, statement
from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.verdicts import COUNT_LIMIT, SHARE_CHANGE, Verdict
from crime_assets.lakehouse.iceberg.evolution import MOST_NEW
from crime_assets.streams.inventory import Inventory, InventoryItem
from crime_assets_tests import build

DAY = date(2024, 3, 20)
ONE = timedelta(days=1)
CHICAGO = build.CHICAGO
COLUMNS = frozenset(CHICAGO.source_columns)


def found(
    *records: int,
    distinct: int | None = None,
    promised: int | None = 1,
    missing: Sequence[str] = (),
    damage: str | None = None,
) -> Inventory:
    """An inventory of objects with so many records each; the last one damaged where it says so."""
    items = [InventoryItem(f"raw/{n}", "etag", 10, count, 0) for n, count in enumerate(records)]
    if damage:
        items[-1] = InventoryItem(items[-1].key, "etag", 10, records[-1], 0, damage)
    return Inventory(items, sum(records) if distinct is None else distinct, promised, list(missing))


class TestDeliveryComplete:
    def test_passes(self) -> None:
        verdict = verdicts.delivery_complete({DAY: found(200, 50), DAY - ONE: found(promised=0)})
        assert verdict == Verdict(
            True,
            "All batches were delivered whole (change days: 2).",
            {"missing": [], "damaged_objects": []},
        )

    def test_fails_for_missing_batches(self) -> None:
        days = {DAY - ONE: found(200), DAY: found(200, promised=3, missing=["b", "c"])}
        assert verdicts.delivery_complete(days) == Verdict(
            False,
            "2024-03-20: 2 of 3 batches are missing. "
            "Materialize raw_crime_batches of these days again to deliver the rest.",
            {"missing": ["b", "c"], "damaged_objects": []},
        )

    def test_fails_for_want_of_a_manifest(self) -> None:
        verdict = verdicts.delivery_complete({DAY: found(200, promised=None), DAY - ONE: found(0, missing=["a"])})
        assert not verdict.passed
        assert verdict.sentence.startswith("2024-03-20: no manifest; 2024-03-19: 1 of 1 batches are missing. ")

    def test_a_damaged_object_is_named_but_only_missing_batches_fail(self) -> None:
        whole = verdicts.delivery_complete({DAY: found(200, 3, damage="cut off")})
        assert whole.passed
        assert whole.sentence.endswith(" Damaged objects: 1; what can be read of them is used.")
        assert whole.figures["damaged_objects"] == ["raw/1"]
        assert not verdicts.delivery_complete({DAY: found(3, missing=["a"], damage="cut off")}).passed

    def test_lists_no_more_names_than_a_person_reads(self) -> None:
        names = [f"{n:03d}" for n in range(50)]
        verdict = verdicts.delivery_complete({DAY: found(promised=50, missing=names)})
        assert verdict.figures["missing"] == names[:20]
        assert "50 of 50 batches" in verdict.sentence


class TestDuplicateShare:
    def test_passes_at_the_limit(self) -> None:
        assert verdicts.duplicate_share({DAY: found(100, distinct=95), DAY - ONE: found(300)}) == Verdict(
            True,
            "5 of 400 delivered records are repetitions; the worst day has 5.0%.",
            {"repeated": 5, "records": 400, "days_above_limit": {}},
        )

    def test_fails_if_one_day_is_above_it(self) -> None:
        verdict = verdicts.duplicate_share({DAY: found(60, 40, distinct=94), DAY - ONE: found(10_000)})
        assert verdict == Verdict(
            False,
            "6 of 10100 delivered records are repetitions; the worst day has 6.0%.",
            {"repeated": 6, "records": 10_100, "days_above_limit": {"2024-03-20": 0.06}},
        )

    @pytest.mark.parametrize("days", [{}, {DAY: found()}, {DAY: found(0, 0)}])
    def test_nothing_delivered_is_nothing_repeated(self, days: Mapping[date, Inventory]) -> None:
        verdict = verdicts.duplicate_share(days)
        assert verdict.passed
        assert verdict.sentence == "0 of 0 delivered records are repetitions; the worst day has 0.0%."


def lines(count: int, **fields: object) -> list[Envelope]:
    location = {"latitude": "41.88", "longitude": "-87.62"}
    return [build.envelope(build.record(id, "2024-01-20", location=location, **fields)) for id in range(count)]


def schema(columns: frozenset[str], *objects: list[Envelope], taken: Collection[str] = ()) -> Verdict:
    """The verdict on inventories of these records, one a day."""
    days = [
        Inventory([InventoryItem("raw/1", "etag", 10, len(one), 0)], len(one), kinds=build.kinds_of(one))
        for one in objects
    ]
    return verdicts.source_schema(CHICAGO, columns, days, taken)


class TestSourceSchema:
    def test_passes(self) -> None:
        verdict = schema(COLUMNS, lines(200))
        assert verdict.passed
        assert verdict.sentence == "All 22 columns are there and look as they should."
        assert verdict.figures == {"drift": {}, "records_looked_at": 200}

    def test_a_new_and_a_lost_column(self) -> None:
        verdict = schema(COLUMNS - {"ward", "beat"} | {"precinct"}, lines(200))
        assert not verdict.passed
        assert verdict.sentence == (
            "precinct is new at the source and comes as nothing; "
            "beat is gone from the source; ward is gone from the source"
        )

    def test_what_becomes_of_new_columns(self) -> None:
        odd = [*lines(5, precinct="7", weapon=1), *lines(5, precinct=7)]

        verdict = schema(COLUMNS | {"precinct", "weapon", "2nd"}, odd, taken=["precinct", "late"])

        assert verdict.figures["drift"] == {
            "2nd": "is new at the source and comes as nothing; a name like this is not taken into crimes",
            "precinct": "is new at the source and comes as number, text",
            "weapon": "is new at the source and comes as number",
            "late": "came into crimes when it was new, and is gone from the source",
        }

    def test_new_columns_beyond_what_crimes_takes(self) -> None:
        taken = [f"new_{n:03}" for n in range(MOST_NEW)]

        verdict = schema(COLUMNS | {*taken, "zip"}, lines(5), taken=taken)

        assert verdict.figures["drift"]["zip"] == (
            "is new at the source and comes as nothing; crimes has taken 50 already and takes no more"
        )
        assert verdict.figures["drift"]["new_000"] == "is new at the source and comes as nothing"

    @pytest.mark.parametrize(
        ("fields", "sentence"),
        [
            ({"beat": 111}, "beat should be text and comes as number"),
            ({"beat": 1.5}, "beat should be text and comes as number"),
            ({"beat": True}, "beat should be text and comes as flag"),
            ({"beat": ["1"]}, "beat should be text and comes as list"),
            ({"arrest": 1}, "arrest should be flag and comes as number"),
            ({"location": [41.88, -87.62]}, "location should be object and comes as list"),
        ],
    )
    def test_one_value_of_another_kind(self, fields: dict[str, Any], sentence: str) -> None:
        odd = [*lines(199), build.envelope({**build.record(1, "2024-01-20"), **fields})]
        verdict = schema(COLUMNS, odd)
        assert not verdict.passed
        assert verdict.sentence == sentence

    def test_every_kind_is_named(self) -> None:
        odd = [build.envelope(build.record(1, "2024-01-20", beat=value)) for value in ({"a": 1}, 1, "0111")]
        assert schema(COLUMNS, odd).figures["drift"] == {"beat": "should be text and comes as number, object"}

    def test_an_export_spells_flags_and_points_as_text(self) -> None:
        spelled = build.envelope(build.record(2, "2024-01-20", arrest="true", location="(41.88, -87.62)"))
        assert schema(COLUMNS, lines(1), [spelled]).passed

    def test_an_empty_column_shows_only_among_many_records(self) -> None:
        assert schema(COLUMNS, lines(99, ward=None)).passed
        verdict = schema(COLUMNS, lines(100, ward=None))
        assert not verdict.passed
        assert verdict.sentence == "ward is empty in all 100 records"
        assert schema(COLUMNS, lines(100, ward=None), lines(1)).passed

    def test_nothing_says_nothing(self) -> None:
        for given in ([], [[]]):
            verdict = schema(COLUMNS, *given)
            assert verdict.passed
            assert verdict.figures["records_looked_at"] == 0


class TestOneRowPerId:
    def test_passes(self) -> None:
        figures = {"row_count": 767_264, "ids": 767_264, "surplus_rows": 0}
        assert verdicts.one_row_per_id(figures, []) == Verdict(
            True, "767,264 rows, 767,264 distinct ids.", {**figures, "some_repeated_ids": []}
        )

    def test_fails_for_one_row_too_many(self) -> None:
        verdict = verdicts.one_row_per_id({"row_count": 4, "ids": 3, "surplus_rows": 1}, [{"id": 7, "row_count": 2}])
        assert not verdict.passed
        assert verdict.sentence == (
            "4 rows, 3 distinct ids. 1 rows too many: restore the last sound snapshot before anything is published."
        )
        assert verdict.figures["some_repeated_ids"] == [7]


class TestQuarantineShare:
    def test_passes_at_the_limit(self) -> None:
        verdict = verdicts.quarantine_share([{"reason": "id is missing", "quarantined": 5}], 995)
        assert verdict.passed
        assert verdict.sentence == "5 of 1,000 records could not be typed (0.500%)."
        assert verdict.figures == {"share": 0.005, "unseen_at_the_source": 0, "reasons": {"id is missing": 5}}

    def test_fails_above_it_with_all_reasons_together(self) -> None:
        by_reason = [{"reason": "not JSON", "quarantined": 4}, {"reason": "id is missing", "quarantined": 2}]
        verdict = verdicts.quarantine_share(by_reason, 994)
        assert not verdict.passed
        assert verdict.sentence == "6 of 1,000 records could not be typed (0.600%)."
        assert verdict.figures["reasons"] == {"not JSON": 4, "id is missing": 2}

    def test_nothing_there(self) -> None:
        assert verdicts.quarantine_share([], 0) == Verdict(
            True,
            "0 of 0 records could not be typed (0.000%).",
            {"share": 0.0, "unseen_at_the_source": 0, "reasons": {}},
        )

    def test_fails_for_what_no_change_day_shows(self) -> None:
        verdict = verdicts.quarantine_share([], 1_000, unseen=3)
        assert not verdict.passed
        assert "The source has gained 3 damaged lines or records without a change day" in verdict.sentence

    def test_nothing_but_quarantine(self) -> None:
        assert not verdicts.quarantine_share([{"reason": "x", "quarantined": 1}], 0).passed


class TestFreshness:
    @pytest.mark.parametrize(
        ("newest", "merged", "passed"),
        [
            (DAY - 7 * ONE, DAY, True),
            (DAY - 9 * ONE, DAY, True),
            (DAY - 10 * ONE, DAY, False),
            (DAY - 7 * ONE, DAY - ONE, True),
            (DAY - 7 * ONE, DAY - 2 * ONE, False),
            (DAY - 7 * ONE, DAY + ONE, True),
            (None, DAY, False),
            (DAY - 7 * ONE, None, False),
        ],
    )
    def test_limits(self, newest: date | None, merged: date | None, passed: bool) -> None:
        assert verdicts.freshness(newest, DAY, 7, merged, DAY).passed is passed

    def test_the_sentence_knows_of_the_lag(self) -> None:
        verdict = verdicts.freshness(DAY - 12 * ONE, DAY, 7, DAY - 3 * ONE, DAY)
        assert verdict == Verdict(
            False,
            "The newest crime known on 2024-03-20 occurred on 2024-03-08, 2024-03-13 being the newest day the city "
            "publishes by then; the lake holds change days to 2024-03-17, the source has them to 2024-03-20.",
            {"days_late": 5, "change_days_behind": 3},
        )

    def test_an_empty_lake(self) -> None:
        assert verdicts.freshness(None, DAY, 7, None, DAY) == Verdict(
            False,
            "2024-03-20 knows no crime, 2024-03-13 being the newest day the city publishes by then; "
            "the lake holds no change day, the source has them to 2024-03-20.",
            {"days_late": None, "change_days_behind": None},
        )

    def test_a_city_without_a_lag(self) -> None:
        assert verdicts.freshness(DAY, DAY, 0, DAY, DAY).passed
        assert not verdicts.freshness(DAY - 7 * ONE, DAY, 0, DAY, DAY).passed


def district(name: str | None, rows: int, **bad: int) -> dict[str, object]:
    none = {"bad_iucr": 0, "no_fbi_code": 0, "bad_beat": 0, "beat_elsewhere": 0}
    return {"district": name, "row_count": rows, **none, **bad}


class TestCodesValid:
    def test_passes_at_the_limit(self) -> None:
        rows = [district("001", 700, bad_iucr=10, no_fbi_code=3), district("002", 290, bad_beat=4), district("999", 10)]
        assert verdicts.codes_valid(rows, CHICAGO.districts) == Verdict(
            True,
            "Of 1,000 rows: bad_iucr 10, no_fbi_code 3, bad_beat 4, beat_elsewhere 0, unknown_district 10.",
            {
                "bad_iucr": 10,
                "no_fbi_code": 3,
                "bad_beat": 4,
                "beat_elsewhere": 0,
                "unknown_district": 10,
                "unknown_districts": {"999": 10},
            },
        )

    @pytest.mark.parametrize("code", ["bad_iucr", "no_fbi_code", "bad_beat", "beat_elsewhere"])
    def test_fails_for_each_code(self, code: str) -> None:
        verdict = verdicts.codes_valid(
            [district("001", 500, **{code: 6}), district("002", 500, **{code: 5})], frozenset()
        )
        assert not verdict.passed
        assert f"{code} 11" in verdict.sentence
        assert verdict.sentence.endswith(f" More than 1%: {code}.")

    def test_fails_for_districts_that_are_unknown_or_missing(self) -> None:
        rows = [district("001", 980), district("041", 10), district(None, 10)]
        verdict = verdicts.codes_valid(rows, CHICAGO.districts)
        assert not verdict.passed
        assert verdict.figures["unknown_districts"] == {"041": 10, "None": 10}
        assert "unknown_district 20" in verdict.sentence

    def test_a_city_that_names_no_districts_accepts_all(self) -> None:
        assert verdicts.codes_valid([district("anything", 100)], frozenset()).passed

    def test_no_rows(self) -> None:
        assert verdicts.codes_valid([], CHICAGO.districts).sentence.startswith("Of 0 rows: bad_iucr 0")
        assert verdicts.codes_valid([], CHICAGO.districts).passed


class TestCoordinatesValid:
    @pytest.mark.parametrize(
        ("no_place", "outside", "passed"),
        [(0, 0, True), (500, 10, True), (501, 0, False), (0, 11, False), (10_000, 0, False)],
    )
    def test_limits(self, no_place: int, outside: int, passed: bool) -> None:
        figures = {"row_count": 10_000, "no_place": no_place, "outside": outside}
        assert verdicts.coordinates_valid(figures).passed is passed

    def test_the_sentence(self) -> None:
        figures = {"row_count": 767_264, "no_place": 5_678, "outside": 3}
        assert verdicts.coordinates_valid(figures) == Verdict(
            True, "Of 767,264 rows 0.74% have no place, and 3 lie outside the city.", figures
        )

    def test_no_rows(self) -> None:
        assert verdicts.coordinates_valid({"row_count": 0, "no_place": 0, "outside": 0}).passed


def weeks(now: int, *before: int) -> dict[date, int]:
    return {DAY - timedelta(weeks=n): count for n, count in enumerate((now, *before))}


class TestDailyCountInLine:
    def test_passes_with_its_figures(self) -> None:
        verdict = verdicts.daily_count_in_line(weeks(676, *[625] * 8), DAY)
        assert verdict == Verdict(
            True,
            "2024-03-20 has 676 crimes, +51 against the mean of 625 on the same weekday in 8 weeks before "
            "(2(√now - √then) = +2.0, limit 8).",
            {"crimes": 676, "usual": 625.0, "score": 2.0},
        )

    @pytest.mark.parametrize(("now", "passed"), [(441, True), (440, False), (841, True), (842, False), (0, False)])
    def test_limits(self, now: int, passed: bool) -> None:
        verdict = verdicts.daily_count_in_line(weeks(now, *[625] * 8), DAY)
        assert verdict.passed is passed
        assert verdict.figures["score"] == 2 * (sqrt(now) - 25)

    def test_a_day_without_any_crimes(self) -> None:
        counts = weeks(0, *[625] * 8)
        del counts[DAY]
        verdict = verdicts.daily_count_in_line(counts, DAY)
        assert not verdict.passed
        assert verdict.sentence.startswith("2024-03-20 has 0 crimes, -625 against the mean of 625")

    def test_only_the_same_weekday_of_eight_weeks_counts(self) -> None:
        counts = weeks(625, *[625] * 8, 1, 1) | {DAY - n * ONE: 5 for n in range(1, 7)} | {DAY + 7 * ONE: 9_999}
        assert verdicts.daily_count_in_line(counts, DAY).figures == {"crimes": 625, "usual": 625.0, "score": 0.0}

    def test_four_weeks_are_enough_and_three_are_not(self) -> None:
        assert not verdicts.daily_count_in_line(weeks(0, 625, 625, 625, 625), DAY).passed
        verdict = verdicts.daily_count_in_line(weeks(0, 625, 625, 625), DAY)
        assert verdict == Verdict(True, "2024-03-20 has 0 crimes; too few weeks are known to compare it with.", {})

    def test_an_empty_lake(self) -> None:
        assert verdicts.daily_count_in_line({}, DAY).passed


def arrests(name: str, recent: int, recent_arrests: int, year: int, year_arrests: int) -> dict[str, object]:
    counts = {"recent_crimes": recent, "recent_arrests": recent_arrests}
    return {"offense_class": name, **counts, "year_crimes": year, "year_arrests": year_arrests}


class TestArrestShareSteady:
    def test_passes_with_its_figures(self) -> None:
        verdict = verdicts.arrest_share_steady(
            [arrests("other", 12_000, 3_000, 150_000, 37_500), arrests("violent", 2_000, 260, 26_000, 3_640)]
        )
        assert verdict.passed
        assert verdict.sentence == (
            "Arrests recorded for crimes of the 28 days that ended eight weeks ago, beside the year before: "
            "other: 25.0% of 12,000 against 25.0% of 150,000 (+0.0 standard errors); "
            "violent: 13.0% of 2,000 against 14.0% of 26,000 (-1.2 standard errors). "
            "Arrests are recorded for months after, so the recent share still grows; it is not clearance."
        )
        assert verdict.figures["out_of_line"] == []
        assert verdict.figures["other"] == {"recent_share": 0.25, "year_share": 0.25, "score": 0.0}

    def test_fails_for_a_class_that_lost_a_third(self) -> None:
        verdict = verdicts.arrest_share_steady(
            [arrests("other", 12_000, 3_000, 150_000, 37_500), arrests("violent", 2_000, 187, 26_000, 3_640)]
        )
        assert not verdict.passed
        assert verdict.figures["out_of_line"] == ["violent"]
        assert "violent: 9.3% of 2,000 against 14.0% of 26,000 (-5.8 standard errors)" in verdict.sentence

    def test_fails_for_a_rise_too(self) -> None:
        assert not verdicts.arrest_share_steady([arrests("property", 7_000, 840, 90_000, 8_100)]).passed

    def test_a_large_difference_of_few_crimes_may_be_chance(self) -> None:
        assert verdicts.arrest_share_steady([arrests("violent", 20, 0, 26_000, 3_640)]).passed
        assert verdicts.arrest_share_steady([arrests("violent", 20, 6, 26_000, 3_640)]).passed

    def test_a_small_difference_of_many_crimes_is_a_season(self) -> None:
        small = verdicts.arrest_share_steady([arrests("other", 1_000_000, 209_000, 10_000_000, 2_500_000)])
        assert small.passed
        assert "(-90.7 standard errors)" in small.sentence

    def test_the_limit_of_the_change(self) -> None:
        assert SHARE_CHANGE == 0.2
        assert verdicts.arrest_share_steady([arrests("other", 100_000, 20_001, 1_000_000, 250_000)]).passed
        assert not verdicts.arrest_share_steady([arrests("other", 100_000, 19_999, 1_000_000, 250_000)]).passed

    @pytest.mark.parametrize(
        "row",
        [arrests("other", 0, 0, 100, 20), arrests("other", 100, 20, 0, 0), arrests("other", 0, 0, 0, 0)],
    )
    def test_a_class_with_nothing_to_compare(self, row: dict[str, object]) -> None:
        verdict = verdicts.arrest_share_steady([row])
        assert verdict.passed
        assert ": other: too few crimes to compare. " in verdict.sentence
        assert verdict.figures == {"out_of_line": []}

    @pytest.mark.parametrize(("share", "passed"), [(0, True), (1, True)])
    def test_no_arrest_or_nothing_but_arrests(self, share: int, passed: bool) -> None:
        verdict = verdicts.arrest_share_steady([arrests("other", 100, 100 * share, 1_000, 1_000 * share)])
        assert verdict.passed is passed
        assert "(+0.0 standard errors)" in verdict.sentence

    def test_a_first_arrest_after_a_year_without(self) -> None:
        assert not verdicts.arrest_share_steady([arrests("other", 1_000, 20, 10_000, 0)]).passed

    def test_no_crimes(self) -> None:
        assert verdicts.arrest_share_steady([]).passed


def measure(name: str, rows: str, table: str = "crimes", **parameters: date | float) -> list[dict[str, Any]]:
    """A statement of sql/checks over rows given as SQL."""
    con = duckdb.connect()
    con.execute(f"CREATE TABLE {table} AS {rows}")
    values = {"as_of_day": DAY, **parameters}
    return list(con.sql(render(statement("checks", name), "duckdb", values)).to_arrow_table().to_pylist())


class TestMeasurements:
    def test_arrest_shares_count_windows_to_the_day(self) -> None:
        days = (
            f"SELECT DATE '{DAY}' - CAST(n AS INTEGER) AS occurred_on, n % 2 = 0 AS arrest FROM range(0, 600) AS r(n)"
        )
        rows = f"SELECT *, 'violent' AS offense_class FROM ({days}) UNION ALL "
        rows += f"SELECT DATE '{DAY}' - 60, NULL, 'other' UNION ALL SELECT DATE '{DAY}' - 55, TRUE, 'property'"
        assert measure("arrest_shares", rows) == [
            arrests("other", 1, 0, 0, 0),
            arrests("violent", 28, 14, 365, 183),
        ]
        recent = [n for n in range(600) if 56 <= n < 84]
        year = [n for n in range(600) if 84 <= n < 449]
        assert [len(recent), sum(n % 2 == 0 for n in recent)] == [28, 14]
        assert [len(year), sum(n % 2 == 0 for n in year)] == [365, 183]

    def test_daily_counts_are_of_nine_days(self) -> None:
        newest = DAY - 8 * ONE
        days = f"SELECT DATE '{DAY}' - CAST(n AS INTEGER) AS occurred_on FROM range(0, 90) AS r(n), range(0, 3)"
        found = measure("daily_counts", days, newest_day=newest)
        assert found == [{"occurred_on": newest - timedelta(weeks=n), "crimes": 3} for n in range(8, -1, -1)]
        counts = {row["occurred_on"]: row["crimes"] for row in found}
        assert verdicts.daily_count_in_line(counts, newest).figures == {"crimes": 3, "usual": 3.0, "score": 0.0}

    def test_codes(self) -> None:
        rows = """
            SELECT * FROM (VALUES
              ('001', '0820', '06', '0111'), ('001', '820', '06', '0211'), ('001', NULL, NULL, NULL),
              ('002', '031A', '03', '0211'), (NULL, '0820', '06', '111'), ('16', '0820', '06', '1611')
            ) AS t(district, iucr, fbi_code, beat)
        """
        assert measure("codes", rows) == [
            district("001", 3, bad_iucr=2, no_fbi_code=1, bad_beat=1, beat_elsewhere=1),
            district("002", 1),
            district("16", 1),
            district(None, 1, bad_beat=1),
        ]

    def test_coordinates(self) -> None:
        rows = """
            SELECT CAST(a AS DOUBLE) AS latitude, CAST(b AS DOUBLE) AS longitude FROM (VALUES
              (41.9, -87.6), (41.6, -87.95), (42.05, -87.5), (NULL, NULL), (41.9, NULL), (36.6, -91.7), (41.9, 87.6)
            ) AS t(a, b)
        """
        box = dict(zip(("south", "west", "north", "east"), CHICAGO.bounding_box, strict=True))
        assert measure("coordinates", rows, **box) == [{"row_count": 7, "no_place": 2, "outside": 2}]

    def test_freshness_does_not_believe_the_future(self) -> None:
        rows = f"""
            SELECT DATE '{DAY}' - 7 AS occurred_on, DATE '{DAY}' AS change_day
            UNION ALL SELECT DATE '{DAY}' + 1, DATE '{DAY}' - 3
            UNION ALL SELECT DATE '{DAY}' - 20, DATE '{DAY}' - 13
        """
        assert measure("freshness", rows) == [{"newest_occurred_on": DAY - 7 * ONE, "newest_change_day": DAY}]
        assert measure("freshness", f"SELECT * FROM ({rows}) LIMIT 0") == [
            {"newest_occurred_on": None, "newest_change_day": None}
        ]

    def test_repeated_ids(self) -> None:
        rows = "SELECT unnest([1, 2, 2, 3, 3, 3]) AS id"
        assert measure("one_row_per_id", rows, "crimes_now") == [{"row_count": 6, "ids": 3, "surplus_rows": 3}]
        assert measure("repeated_ids", rows, "crimes_now") == [{"id": 2, "row_count": 2}, {"id": 3, "row_count": 3}]
        none = "SELECT 1 AS id LIMIT 0"
        assert measure("one_row_per_id", none, "crimes_now") == [{"row_count": 0, "ids": 0, "surplus_rows": 0}]

    def test_quarantine_by_reason(self) -> None:
        rows = "SELECT unnest(['b', 'a', 'c', 'c']) AS reason"
        con = duckdb.connect()
        con.execute(f"CREATE TABLE crimes_quarantine AS {rows}")
        con.execute("CREATE TABLE crimes_now AS FROM range(9)")
        found = con.sql(render(statement("checks", "quarantine"), "duckdb", {})).fetchall()
        assert found == [("c", 2, 9), ("a", 1, 9), ("b", 1, 9)]


@pytest.fixture(scope="module")
def real(shared_data: Path) -> duckdb.DuckDBPyConnection:
    """Crimes by day and class of the real export of 2018-11-21, as finally known."""
    violent, property_codes = sorted(CHICAGO.violent_codes), sorted(CHICAGO.property_codes)
    con = duckdb.connect()
    con.execute(
        f"""
        CREATE TABLE days AS
        SELECT CAST(strptime("Date", '%m/%d/%Y %I:%M:%S %p') AS DATE) AS occurred_on,
               CASE WHEN "FBI Code" IN {tuple(violent)} THEN 'violent'
                    WHEN "FBI Code" IN {tuple(property_codes)} THEN 'property' ELSE 'other' END AS offense_class,
               count(*) AS crimes, count(*) FILTER ("Arrest" = 'true') AS arrests
        FROM read_csv('{shared_data}/chicago/Crimes_-_201[678].csv.gz', all_varchar = true)
        GROUP BY ALL
        """
    )
    return con


class TestOnRealDays:
    def test_the_daily_count_seldom_warns(self, real: duckdb.DuckDBPyConnection) -> None:
        counts = dict(real.execute("SELECT occurred_on, sum(crimes)::INTEGER FROM days GROUP BY 1").fetchall())
        days = [date(2016, 3, 1) + n * ONE for n in range(975)]
        warned = [day for day in days if not verdicts.daily_count_in_line(counts, day).passed]
        assert days[-1] == date(2018, 10, 31)
        assert date(2017, 12, 25) in warned
        assert 5 <= len(warned) <= 20
        for day in (date(2018, 11, 2) + n * ONE for n in range(10)):
            assert verdicts.daily_count_in_line(counts, day).passed

    def test_a_day_that_was_published_by_half_warns(self, real: duckdb.DuckDBPyConnection) -> None:
        counts = dict(real.execute("SELECT occurred_on, sum(crimes)::INTEGER FROM days GROUP BY 1").fetchall())
        halved = [verdicts.daily_count_in_line({**counts, day: counts[day] // 2}, day) for day in list(counts)[90:500]]
        assert sum(not verdict.passed for verdict in halved) > 0.98 * len(halved)
        assert COUNT_LIMIT == 8

    def test_arrest_shares_seldom_warn_but_do_if_a_third_is_lost(self, real: duckdb.DuckDBPyConnection) -> None:
        days = real.execute("SELECT occurred_on, offense_class, crimes, arrests FROM days").fetchall()
        by_class: dict[str, dict[date, tuple[int, int]]] = {}
        for day, name, crimes, arrested in days:
            by_class.setdefault(name, {})[day] = (crimes, arrested)

        def row(name: str, as_of: date, kept: float) -> dict[str, object]:
            def total(first: int, last: int) -> tuple[int, int]:
                found = [by_class[name].get(as_of - n * ONE, (0, 0)) for n in range(first, last)]
                return sum(crimes for crimes, _ in found), sum(arrested for _, arrested in found)

            (recent, arrested), (year, year_arrested) = total(56, 84), total(84, 449)
            return arrests(name, recent, round(arrested * kept), year, year_arrested)

        as_of_days = [date(2017, 6, 1) + n * ONE for n in range(0, 537, 3)]

        def warned(name: str, kept: float) -> float:
            results = [verdicts.arrest_share_steady([row(name, day, kept)]).passed for day in as_of_days]
            return results.count(False) / len(results)

        assert {name: warned(name, 1.0) <= 0.03 for name in by_class} == dict.fromkeys(by_class, True)
        assert {name: warned(name, 2 / 3) >= 0.95 for name in by_class} == dict.fromkeys(by_class, True)
