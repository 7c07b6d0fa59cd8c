"""Verdicts of figures of the tables: each passing and failing."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from math import sqrt

import pytest

from crime_assets.defs.checks import verdicts
from crime_assets.defs.checks.verdicts import SHARE_CHANGE, Verdict
from crime_assets.sources import cities
from crime_assets_tests import build
from crime_assets_tests.defs.checks.figures import arrests, district

DAY = date(2024, 3, 20)
ONE = timedelta(days=1)
CHICAGO = build.CHICAGO
ANYWHERE = replace(CHICAGO, districts=frozenset())


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
        verdict = verdicts.quarantine_share(
            [{"reason": "id is missing", "quarantined": 5, "quarantined_last": 0, "typed_last": 0}], 995
        )
        assert verdict.passed
        assert verdict.sentence == "5 of 1,000 records could not be typed (0.500%)."
        assert verdict.figures == {"share": 0.005, "unseen_at_the_source": 0, "reasons": {"id is missing": 5}}

    def test_fails_above_it_with_all_reasons_together(self) -> None:
        by_reason = [
            {"reason": "not JSON", "quarantined": 4, "quarantined_last": 0, "typed_last": 0},
            {"reason": "id is missing", "quarantined": 2, "quarantined_last": 0, "typed_last": 0},
        ]
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

    @pytest.mark.parametrize(
        ("last", "typed_last", "is_error"),
        [(10, 190, False), (11, 189, True), (10, 0, True), (9, 8, True), (9, 9, False)],
    )
    def test_a_last_pull_of_another_form_is_an_error(self, last: int, typed_last: int, is_error: bool) -> None:
        row = {"reason": "x", "quarantined": 50, "quarantined_last": last, "typed_last": typed_last}
        verdict = verdicts.quarantine_share([row], 1_000_000)
        assert verdict.is_error is is_error
        assert (f"In the last pull it was {last} of {last + typed_last}: see" in verdict.sentence) is is_error

    def test_a_lake_of_nothing_but_quarantine_is_an_error(self) -> None:
        row = {"reason": "x", "quarantined": 1, "quarantined_last": 0, "typed_last": 0}
        assert verdicts.quarantine_share([row], 0).is_error

    def test_nothing_but_quarantine(self) -> None:
        assert not verdicts.quarantine_share(
            [{"reason": "x", "quarantined": 1, "quarantined_last": 0, "typed_last": 0}], 0
        ).passed


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
            "The newest crime known on 2024-03-20 occurred on 2024-03-08; 2024-03-13 is the newest day that the city "
            "publishes by then. The lake has change days up to 2024-03-17, the source up to 2024-03-20.",
            {"days_late": 5, "change_days_behind": 3},
        )

    def test_an_empty_lake(self) -> None:
        assert verdicts.freshness(None, DAY, 7, None, DAY) == Verdict(
            False,
            "No crime is known on 2024-03-20; 2024-03-13 is the newest day that the city publishes by then. "
            "The lake has no change day, the source up to 2024-03-20.",
            {"days_late": None, "change_days_behind": None},
        )

    def test_a_city_without_a_lag(self) -> None:
        assert verdicts.freshness(DAY, DAY, 0, DAY, DAY).passed
        assert not verdicts.freshness(DAY - 7 * ONE, DAY, 0, DAY, DAY).passed


class TestCodesValid:
    def test_passes_at_the_limit(self) -> None:
        rows = [
            district("001", 700, bad_iucr=10, no_fbi_code=3),
            district("002", 290, bad_beat=4),
            district("999", 10, unmapped=2),
        ]
        assert verdicts.codes_valid(rows, CHICAGO) == Verdict(
            True,
            "Of 1,000 rows: bad_iucr 10, no_fbi_code 3, bad_beat 4, beat_elsewhere 0, unknown_district 10; of no known "
            "class are 2 (0.20%).",
            {
                "bad_iucr": 10,
                "no_fbi_code": 3,
                "bad_beat": 4,
                "beat_elsewhere": 0,
                "unknown_district": 10,
                "unknown_districts": {"999": 10},
                "unmapped": 2,
                "unmapped_share": 0.002,
            },
        )

    @pytest.mark.parametrize("code", ["bad_iucr", "no_fbi_code", "bad_beat", "beat_elsewhere"])
    def test_fails_for_each_code(self, code: str) -> None:
        verdict = verdicts.codes_valid([district("001", 500, **{code: 6}), district("002", 500, **{code: 5})], ANYWHERE)
        assert not verdict.passed
        assert f"{code} 11" in verdict.sentence
        assert verdict.sentence.endswith(f" More than 1%: {code}.")

    def test_fails_for_codes_of_no_known_class(self) -> None:
        verdict = verdicts.codes_valid([district("001", 500, unmapped=1), district("002", 499, unmapped=1)], ANYWHERE)
        assert not verdict.passed
        assert "of no known class are 2 (0.20%). More than 0.2% are of no known class" in verdict.sentence

    @pytest.mark.parametrize("name", ["new_york", "los_angeles", "san_francisco"])
    def test_a_city_is_not_judged_by_what_it_does_not_publish(self, name: str) -> None:
        city = cities.get(name)
        none = {"bad_iucr": 100, "no_fbi_code": 100, **({"bad_beat": 100} if "beat" in city.not_published else {})}
        verdict = verdicts.codes_valid([district("anything", 100, **none)], city)
        assert verdict.passed
        assert not none.keys() & verdict.figures.keys()

    def test_codes_of_another_width_are_not_measured_against_chicago_s(self) -> None:
        verdict = verdicts.codes_valid([district("2", 100, bad_beat=100, beat_elsewhere=9)], cities.get("washington"))
        assert verdict.passed
        assert not {"bad_beat", "beat_elsewhere"} & verdict.figures.keys()
        # Los Angeles' districts of report have four signs, too.
        assert not verdicts.codes_valid([district("01", 100, bad_beat=2)], cities.get("los_angeles")).passed

    def test_fails_for_districts_that_are_unknown_or_missing(self) -> None:
        rows = [district("001", 980), district("041", 10), district(None, 10)]
        verdict = verdicts.codes_valid(rows, CHICAGO)
        assert not verdict.passed
        assert verdict.figures["unknown_districts"] == {"041": 10, "None": 10}
        assert "unknown_district 20" in verdict.sentence

    def test_a_city_that_names_no_districts_accepts_all(self) -> None:
        assert verdicts.codes_valid([district("anything", 100)], ANYWHERE).passed

    def test_no_rows(self) -> None:
        assert verdicts.codes_valid([], CHICAGO).sentence.startswith("Of 0 rows: bad_iucr 0")
        assert verdicts.codes_valid([], CHICAGO).passed


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
            True, "Of 767,264 rows, 0.74% have no location and 3 are outside the city.", figures
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
        assert verdict == Verdict(
            True, "2024-03-20 has 0 crimes; too few earlier weeks are known for a comparison.", {}
        )

    def test_an_empty_lake(self) -> None:
        assert verdicts.daily_count_in_line({}, DAY).passed


class TestArrestShareSteady:
    def test_passes_with_its_figures(self) -> None:
        verdict = verdicts.arrest_share_steady(
            [arrests("other", 12_000, 3_000, 150_000, 37_500), arrests("violent", 2_000, 260, 26_000, 3_640)]
        )
        assert verdict.passed
        assert verdict.sentence == (
            "Arrests recorded for crimes of the 28 days that ended eight weeks ago, compared with the year before: "
            "other: 25.0% of 12,000 against 25.0% of 150,000 (+0.0 standard errors); "
            "violent: 13.0% of 2,000 against 14.0% of 26,000 (-1.2 standard errors). "
            "Arrests are recorded for months after a crime, so the recent share still grows; it is not clearance."
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


class TestGovernance:
    def test_columns_of_no_class_are_named(self) -> None:
        assert verdicts.policy_covers_tables([]).passed
        verdict = verdicts.policy_covers_tables(["year", "block"])
        assert (verdict.passed, verdict.is_error) == (False, False)
        assert "year, block" in verdict.sentence

    def test_a_gate_that_is_wrong_is_named(self) -> None:
        assert verdicts.gates_hold_only_their_rows({"a": [], "b": []}).sentence.startswith("2 gates hold")
        verdict = verdicts.gates_hold_only_their_rows({"a": [], "b": ["a place in it stands for 2 crimes"]})
        assert (verdict.passed, verdict.is_error) == (False, True)
        assert "1 of 2 gates are wrong, such as b: a place" in verdict.sentence

    @pytest.mark.parametrize(
        ("opened", "is_encrypted", "passed", "said"),
        [
            ("", True, True, "its disk is encrypted"),
            ("", False, False, "its disk is not encrypted"),
            ("", None, True, "cannot be told"),
            ("Others may read it.", True, False, "Others may read it."),
        ],
    )
    def test_an_open_lake_or_disk(self, opened: str, is_encrypted: bool | None, passed: bool, said: str) -> None:
        verdict = verdicts.lake_is_closed(opened, is_encrypted=is_encrypted)
        assert (verdict.passed, said in verdict.sentence) == (passed, True)
