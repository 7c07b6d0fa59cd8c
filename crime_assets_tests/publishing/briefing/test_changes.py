"""What a briefing picks and says, on tables made by hand."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

import pytest

from crime_assets.publishing.briefing.changes import Change, is_grown, pick, told
from crime_assets.publishing.briefing.tables import Row, Tables
from crime_assets.publishing.quality import Said

LAST = date(2024, 1, 23)
"""The last complete day, a Tuesday."""


def shift(district: str | None = "all", offense_class: str = "all", **other: Any) -> Row:
    """A row of compstat in which nothing is out of line."""
    return {
        "period": "28d",
        "district": district,
        "offense_class": offense_class,
        "last_day": LAST,
        "crimes": 100,
        "crimes_before": 100,
        "before_basis": "seen",
        "crimes_before_low": 100,
        "crimes_before_high": 100,
        "change": 0,
        "z_before": 0.0,
        "late_crimes": 0.0,
        "crimes_in_the_end_low": None,
        "crimes_in_the_end_high": None,
        "flag": 0,
        "five_years_low": None,
        "five_years_high": None,
        "years": 0,
        "five_years_position": None,
        **other,
    }


def rise(district: str | None, z: float, **other: Any) -> Row:
    return shift(district, crimes=180, crimes_before=120, change=60, z_before=z, flag=1, **other)


def unit(kind: str, name: str, alarm: int = 0, z: float = 0.0, **other: Any) -> Row:
    """A row of early_warning."""
    return {
        "unit_kind": kind,
        "unit": name,
        "crimes": 150,
        "expected_crimes": 62.6,
        "lower_limit": 39,
        "upper_limit": 90,
        "z_expected": z,
        "alarm": alarm,
        "false_alarms": 0.45,
        **other,
    }


def days(newest: date = LAST, **counts: int) -> list[Row]:
    """The trend: a hundred crimes a day for 56 days, but for those named as d and how many days before the newest."""
    return [
        {
            "first_day": newest - timedelta(days=back),
            "crimes": counts.get(f"d{back}", 100),
            "expected_crimes": float(counts.get(f"d{back}", 100)),
        }
        for back in range(56)
    ]


def learnt(change_days: int = 3) -> list[Row]:
    """The rows of reporting_delay that belong to `days`: from how many change days is known what is expected."""
    return [{"occurred_on": LAST - timedelta(days=back), "change_days": change_days} for back in range(56)]


def hot(
    cell: str,
    local: int | None = 30,
    offense_class: str = "all",
    district: str | None = "011",
    area: str = "25",
    year: int | None = 100,
) -> Row:
    """A hot cell of a city whose last 28 days have a tenth of its year."""
    return {
        "offense_class": offense_class,
        "cell": cell,
        "crimes": 9,
        "district": district,
        "community_area": area,
        "local_crimes": local,
        "year_local_crimes": year,
        "city_share": 0.1,
        "looked_at": 1_000,
    }


def band(to: int, pairs: int | None, is_repeat: int = 1, until: int = 7, offense: str = "BURGLARY") -> Row:
    """A band of near_repeat with 40 expected pairs."""
    return {
        "offense": offense,
        "distance_to_m": to,
        "days_to": until,
        "pairs": pairs,
        "expected_pairs": 40.0,
        "is_repeat": is_repeat,
    }


def series(crimes: int | None, year: int | None, block: str | None = "001XX W LAKE ST", beat: str = "0111") -> Row:
    return {
        "block": block,
        "beat": beat,
        "primary_type": "BURGLARY",
        "crimes": crimes,
        "days": 6,
        "first_crime_on": date(2024, 1, 2),
        "last_crime_on": date(2024, 1, 20),
        "year_crimes": year,
        "looked_at": 10_000,
    }


def said(**tables: Any) -> list[tuple[str, str, str]]:
    """(title, sentence, caution) of what is told of these tables."""
    return [(change.title, change.sentence, change.caution) for change in told(Tables(**tables), LAST).changes]


def titles(**tables: Any) -> list[str]:
    return [title for title, _, _ in said(**tables)]


def test_where_nothing_is_remarkable_that_is_said() -> None:
    found = told(Tables(compstat=[shift(), shift("001")], trend=days()), LAST)
    assert found.changes == []
    assert found.closing == "Nothing is out of line."


def test_where_nothing_can_be_compared_nothing_is_called_in_line() -> None:
    for row in (shift(crimes_before=None, change=None), shift(crimes=None, change=None, flag=None)):
        assert told(Tables(compstat=[row]), LAST).closing == "Too little is known yet to say what changed."
    assert told(Tables(), LAST).closing == "Too little is known yet to say what changed."


def test_fewer_than_five_are_not_filled_up() -> None:
    found = told(Tables(compstat=[shift(), rise("001", 4.0)]), LAST)
    assert len(found.changes) == 1
    assert found.closing == "Nothing else is out of line."


def test_a_rise_says_how_many_of_how_many_and_what_chance_does() -> None:
    late = {"crimes_in_the_end_low": 185, "crimes_in_the_end_high": 201}
    rows = [shift(), rise("007", 4.9, **late), *(shift(f"{n:03}") for n in range(10, 69))]
    assert said(compstat=rows) == [
        (
            "Rise of all offenses in district 007",
            "180 in the 28 days to 2024-01-23, 60 more than the 120 that were known of the 28 days before when they "
            "were as old (z +4.9).",
            "With late records it will be 185 to 201 in the end. Of 60 comparisons in districts, 1 is flagged; chance "
            "alone flags about 2.0.",
        )
    ]


@pytest.mark.parametrize(
    ("basis", "expected"),
    [
        ("seen", "the 71 that were known of the 28 days before when they were as old"),
        (
            "estimated",
            "the 71 (66 to 75) that, by how late records come, were known of the 28 days before when they were as old",
        ),
        ("unknown", "the 71 that are known today of the 28 days before, for which records had more time to come"),
    ],
)
def test_a_change_says_how_the_days_before_are_counted(basis: str, expected: str) -> None:
    row = shift("017", "violent", crimes=44, crimes_before=71, change=-27, z_before=-3.6, flag=-1)
    row |= {"before_basis": basis, "crimes_before_low": 66, "crimes_before_high": 75}
    ((title, sentence, _),) = said(compstat=[shift(), row])
    assert title == "Fall of violent index crime in district 017"
    assert sentence == f"44 in the 28 days to 2024-01-23, 27 fewer than {expected} (z -3.6)."


@pytest.mark.parametrize(
    ("position", "low", "high", "years", "expected"),
    [
        ("above", 90, 120, 5, "The same days of the 5 years before had 90 to 120, which is less than now."),
        ("within", 90, 200, 4, "The same days of the 4 years before had 90 to 200, so it may be the season."),
        ("below", 200, 200, 1, "The same days of the year before had 200, which is more than now."),
    ],
)
def test_other_years_are_said_beside_a_change(position: str, low: int, high: int, years: int, expected: str) -> None:
    row = rise("all", 5.0, five_years_position=position, five_years_low=low, five_years_high=high, years=years)
    ((_, sentence, caution),) = said(compstat=[row])
    assert sentence.endswith(f"(z +5.0). {expected}")
    assert caution == "", "the city is no comparison among many"


def test_what_may_be_the_season_is_less_remarkable() -> None:
    season = {"five_years_position": "within", "five_years_low": 90, "five_years_high": 200, "years": 5}
    assert titles(compstat=[shift(), rise("001", 5.9, **season), rise("002", 3.1)]) == [
        "Rise of all offenses in district 002",
        "Rise of all offenses in district 001",
    ]


def test_a_place_is_told_once_a_direction_by_its_largest_change() -> None:
    fall = shift("001", "violent", crimes=20, crimes_before=60, change=-40, z_before=-6.5, flag=-1)
    rows = [shift(), rise("001", 4.0), rise("001", 5.0, offense_class="property"), fall]
    assert titles(compstat=rows) == [
        "Fall of violent index crime in district 001",
        "Rise of property index crime in district 001",
    ]


def test_records_of_no_known_class_can_be_out_of_line_too() -> None:
    rows = [shift(), rise("001", 5.0, offense_class="unmapped")]
    assert titles(compstat=rows) == ["Rise of offenses of no known class in district 001"]


def test_what_is_hidden_is_left_out() -> None:
    hidden = shift("031", crimes=None, change=None, z_before=None, flag=None, late_crimes=None)
    assert titles(compstat=[shift(), hidden]) == []
    assert titles(early_warning=[unit("beat", "0111", 1, 9.0, crimes=None)]) == []
    assert titles(early_warning=[unit("beat", "0111", 1, 9.0, lower_limit=None, upper_limit=None)]) == []
    assert titles(near_repeat=[band(100, None), band(200, 90)]) == []
    assert titles(series=[series(None, 9), series(9, None)]) == []
    assert titles(trend=[{**row, "crimes": None} for row in days(d0=1)], reporting_delay=learnt()) == []
    assert titles(hot_cells=[hot("a", None), hot("b", year=None)]) == []


def test_an_alarm_says_what_would_be_in_line_and_how_many_are_false() -> None:
    rows = [unit("beat", "2514", 1, 9.1), unit("beat", "0111"), unit("beat", "0112"), unit("community area", "19")]
    found = said(early_warning=rows, homes={"2514": ("025", "19")})
    assert found == [
        (
            "More crimes than usual in beat 2514 (district 025)",
            "150 in the last 28 complete days, and its own history suggests 63; 39 to 90 would be in line.",
            "Of 3 beats, 1 is out of line; chance alone puts about 0.5 there.",
        )
    ]


def test_what_an_alarm_explains_is_no_other_news() -> None:
    homes = {"2514": ("025", "19"), "2521": ("025", "19")}
    alarms = [unit("beat", "2514", 1, 9.1), unit("community area", "19", 1, 4.3)]
    rows = [shift(), rise("025", 4.0), rise("024", 3.5)]
    block = series(9, 9, beat="2514")
    elsewhere = series(9, 9, beat="2521")
    found = told(Tables(compstat=rows, early_warning=alarms, series=[block, elsewhere], homes=homes), LAST)
    assert [change.title for change in found.changes] == [
        "More crimes than usual in beat 2514 (district 025)",
        "A series of burglary: 001XX W LAKE ST (beat 2521)",
        "Rise of all offenses in district 024",
    ]
    assert found.closing == "Nothing else is out of line."


def test_a_fall_in_a_beat_does_not_explain_a_rise_of_its_district() -> None:
    alarms = [unit("beat", "2514", -1, -9.1, crimes=20)]
    found = titles(compstat=[shift(), rise("025", 4.0)], early_warning=alarms, homes={"2514": ("025", "19")})
    assert found == ["Fewer crimes than usual in beat 2514 (district 025)", "Rise of all offenses in district 025"]


def test_a_quiet_day_of_the_last_week_is_told_with_what_may_come_late() -> None:
    trend = [{**row, "expected_crimes": 25.2} if row["crimes"] == 21 else row for row in days(d2=21)]
    assert said(trend=trend, reporting_delay=learnt()) == [
        (
            "A quiet day: Sunday, 2024-01-21",
            "21 crimes are known, and about 4 more may come as late records; the same weekday of the 7 weeks before "
            "comes to 100 on average (z -10.0).",
            "Check whether a delivery is missing before you trust it.",
        )
    ]


def test_days_are_ordinary_until_far_from_their_weekday() -> None:
    # 2(√37 - √100) is -7.8, 2(√35 - √100) is -8.2; days before the last week are old news.
    def found(trend: list[Row]) -> list[str]:
        return titles(trend=trend, reporting_delay=learnt())

    assert found(days(d2=37)) == []
    assert found(days(d2=35)) == ["A quiet day: Sunday, 2024-01-21"]
    assert found(days(d7=10)) == []
    assert found(days(d0=200)) == ["A busy day: Tuesday, 2024-01-23"]
    assert found(days(d0=10)[:28]) == [], "three weeks are too few to know what is usual"


def test_a_fall_must_be_one_with_late_records_and_a_rise_one_without_them() -> None:
    def found(known: int, expected: float, change_days: int = 3) -> list[str]:
        trend = [{**row, "expected_crimes": expected} if row["crimes"] == known else row for row in days(d0=known)]
        return [sentence for _, sentence, _ in said(trend=trend, reporting_delay=learnt(change_days))]

    assert found(35, 41.0) == []
    # 2(√130 - √100) is 2.8, 2(√210 - √100) is 9.0.
    assert found(130, 210.0) == []
    assert found(210, 260.0) == [
        "210 crimes are known, and about 50 more may come as late records; the same weekday of the 7 weeks before "
        "comes to 100 on average (z +9.0)."
    ]
    # What is expected is learnt from change days: of two it says little. What is known needs none.
    assert found(20, 25.0, change_days=2) == []
    assert len(found(210, 260.0, change_days=0)) == 1


def test_hot_spots_that_have_grown_are_counted_by_class_and_place() -> None:
    cells = [
        *(hot(f"a{n}") for n in range(3)),
        hot("a3", district="025", area="19"),
        hot("a4", 12),
        hot("v0", 30, "violent", "025", "19"),
        hot("v1", 30, "violent", "024", "1"),
        hot("p0", 30, "property", "025", "19"),
    ]
    assert said(hot_cells=cells) == [
        (
            "New or grown hot spots on the map",
            "Cells that are hot in the last 28 complete days, and with the cells around them have far more of their "
            "year's crimes in these days than the city has: 4 for all offenses (3 of them in district 011, community "
            "area 25), 2 for violent index crime (in 2 districts) and 1 for property index crime (in district 025, "
            "community area 19).",
            "A cell is about a tenth of a square kilometer, and one place can make all cells around it hot. Chance "
            "alone brings one on about 5% of days; a season of its own can too.",
        )
    ]


def test_a_hot_spot_has_grown_where_chance_hardly_puts_as_much_of_its_year_into_these_days() -> None:
    # All six of a year in a tenth of it: 0.1^6, a thousandth of 1 in all cells looked at; of five it is 0.01.
    assert is_grown(hot("a", 6, year=6))
    assert is_grown(hot("a", 5, year=5))
    assert not is_grown({**hot("a", 5, year=5), "looked_at": 6_000})
    # Of 100 crimes, 23 or more come by chance 114 times in a million, 24 or more 40 times; a thousand were looked at.
    assert not is_grown(hot("a", 23))
    assert is_grown(hot("a", 24))
    assert not is_grown({**hot("a", 24), "city_share": 0.12}), "the whole city has more now"
    assert not is_grown(hot("a", 4, year=4) | {"looked_at": 1}), "four are too few to be told"
    assert titles(hot_cells=[hot("a", 10) for _ in range(100)]) == []


def test_near_repeats_are_pairs_nearby_and_soon_but_not_at_the_same_point() -> None:
    bands = [band(0, 500), band(100, 90), band(200, 70, 0), band(300, 400), band(100, 400, until=14)]
    assert said(near_repeat=bands) == [
        (
            "One follows another: burglary",
            "160 pairs in 365 days lay up to 200 m and 7 days apart, 2.00 times the 80 that chance alone brings.",
            "Pairs at the same point are not counted: points are blocks, not addresses.",
        )
    ]
    assert titles(near_repeat=[band(0, 500), band(100, 90, 0), band(200, 70, 0)]) == []


def test_what_holds_for_a_year_comes_after_what_is_new() -> None:
    assert titles(near_repeat=[band(100, 90)], series=[series(5, 5)], hot_cells=[hot("a")]) == [
        "New or grown hot spots on the map",
        "A series of burglary: 001XX W LAKE ST (beat 0111)",
        "One follows another: burglary",
    ]


def test_a_series_is_more_of_a_years_crimes_than_chance_puts_into_28_days() -> None:
    # All five of a year within 28 days: (28/365)^5 is 2.7 in a million, and ten thousand were looked at.
    assert said(series=[series(5, 5)]) == [
        (
            "A series of burglary: 001XX W LAKE ST (beat 0111)",
            "5 records on 6 days from 2024-01-02 to 2024-01-20, far more of its year there than chance would put into "
            "28 days.",
            "A block is dozens of addresses, and several records of one day can be one event.",
        )
    ]
    assert titles(series=[series(5, 7), series(4, 4), series(9, 9, block=None)]) == []


def test_a_failing_check_comes_first_if_it_blocks() -> None:
    checks = [
        Said("one_row_per_id", False, True, "3 ids stand twice.", "2024-02-01T12:00:00+00:00"),
        Said("codes_valid", True, False, "All codes are known.", "2024-02-01T12:00:00+00:00"),
        Said("quarantine_share", False, False, "9 of 90 records could not be typed.", "2024-02-01T12:00:00+00:00"),
    ]
    alarm = [unit("beat", "0111", 1, 9.0), unit("beat", "0112", 1, 3.4)]
    assert said(checks=checks, early_warning=alarm)[0] == (
        "The data may be wrong: the check one_row_per_id fails",
        "3 ids stand twice.",
        "No new figures are made until it passes.",
    )
    assert titles(checks=checks, early_warning=alarm)[1:] == [
        "More crimes than usual in beat 0111",
        "The data may be wrong: the check quarantine_share fails",
        "More crimes than usual in beat 0112",
    ]


def change(kind: str, weight: float) -> Change:
    return Change(kind, f"{kind} {weight}", "", "", weight, 1, f"{kind} {weight}")


def test_of_one_kind_there_are_two_at_most_and_five_in_all() -> None:
    found = [change("a", weight) for weight in (9.0, 8.0, 7.0)]
    found += [change("b", 2.0), change("c", 8.5), change("d", 1.0), change("e", 0.5)]
    shown, more = pick(found)
    assert [(one.kind, one.weight) for one in shown] == [("a", 9.0), ("c", 8.5), ("a", 8.0), ("b", 2.0), ("d", 1.0)]
    assert more == 2


def test_what_is_not_told_is_counted() -> None:
    alarms = [unit("beat", f"01{n:02}", 1, 5.0) for n in range(4)]
    assert told(Tables(early_warning=alarms[:3]), LAST).closing == (
        "One more thing is out of line; the dashboard and its tables have it."
    )
    assert told(Tables(early_warning=alarms), LAST).closing == (
        "2 more things are out of line; the dashboard and its tables have them."
    )
