"""violence_against_women_proxy, traffic_related and repeat_blocks on rows whose answer was worked out by hand."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.insights import parts
from crime_assets.core.sql import render
from crime_assets_tests.sql.asking import answer, crime
from crime_assets_tests.sql.plain.kinds import HOMES

AS_OF = date(2024, 2, 29)
LAST = datetime(2024, 2, 21, 9)
"""On the last complete day."""


def traffic_codes() -> dict[str, str]:
    return dict(duckdb.sql(render(parts()["traffic_codes"], "duckdb", {})).fetchall())


def kinds(*rows: dict[str, object]) -> dict[str, int]:
    """Kind → crimes of the city in the 28 days."""
    crimes = [crime(number, datetime(2024, 2, 20, 8), **row) for number, row in enumerate(rows)]
    found = answer("violence_against_women_proxy", crimes, AS_OF)
    return {
        str(row["kind"]): int(str(row["crimes"])) for row in found if (row["period"], row["district"]) == ("28d", "all")
    }


def on_days(*days: int, block: str = "001XX N STATE ST", **columns: object) -> list[dict[str, object]]:
    """A theft on that block so many days before the last complete day, one for each number."""
    return [crime(0, LAST - timedelta(days=day), block=block, **columns) for day in days]


def repeats(*crimes: list[dict[str, object]], period: str = "28d") -> list[dict[str, object]]:
    rows = [{**row, "id": number} for number, row in enumerate(row for part in crimes for row in part)]
    return [row for row in answer("repeat_blocks", rows, AS_OF) if row["period"] == period]


class TestViolenceAgainstWomenProxy:
    @pytest.mark.parametrize(
        ("row", "kind"),
        [
            ({"primary_type": "CRIMINAL SEXUAL ASSAULT", "fbi_code": "02"}, "sexual offense"),
            ({"primary_type": "SEX OFFENSE", "fbi_code": "17", "iucr": "1570"}, "sexual offense"),
            ({"primary_type": "SEX OFFENSE", "domestic": True}, "sexual offense"),
            ({"primary_type": "STALKING", "domestic": True}, "stalking"),
            ({"primary_type": "BATTERY", "iucr": "0460", "domestic": True}, "domestic battery"),
            ({"primary_type": "BATTERY", "iucr": "0486", "domestic": False}, "domestic battery"),
            ({"primary_type": "BATTERY", "iucr": "0497", "domestic": None}, "domestic battery"),
            ({"primary_type": "ASSAULT", "domestic": True}, "domestic assault"),
            ({"primary_type": "ASSAULT", "domestic": None}, None),
            ({"primary_type": "BATTERY", "iucr": "0460", "domestic": False}, None),
            ({"primary_type": "BATTERY", "iucr": None, "domestic": None}, None),
            ({"primary_type": "THEFT", "domestic": True}, None),
            ({"primary_type": "OBSCENITY", "fbi_code": "17"}, None),
            ({"primary_type": "OFFENSE INVOLVING CHILDREN", "fbi_code": "02", "iucr": "1754"}, None),
            ({"primary_type": None, "domestic": True}, None),
        ],
    )
    def test_a_record_counts_under_one_kind_or_none(self, row: dict[str, object], kind: str | None):
        assert kinds(row) == {
            "sexual offense": int(kind == "sexual offense"),
            "stalking": int(kind == "stalking"),
            "domestic battery": int(kind == "domestic battery"),
            "domestic assault": int(kind == "domestic assault"),
            "all": int(kind is not None),
        }

    def test_districts_add_up_to_the_city(self):
        crimes = [
            crime(
                1, datetime(2024, 2, 20, 2), primary_type="STALKING", district="002", location_description="APARTMENT"
            ),
            crime(2, datetime(2024, 2, 20, 9), primary_type="STALKING", district="002", location_description="STREET"),
            crime(3, datetime(2024, 2, 20, 5), primary_type="STALKING", district=None, arrest=True, latitude=41.8),
            crime(4, datetime(2024, 2, 20, 6), primary_type="THEFT", district="002", latitude=41.8, longitude=-87.6),
            crime(5, datetime(2024, 2, 20, 6), primary_type="THEFT", district="001"),
        ]
        found = answer("violence_against_women_proxy", crimes, AS_OF)
        rows = [row for row in found if (row["period"], row["kind"]) == ("28d", "stalking")]
        columns = ("district", "crimes", "share", "arrests", "arrest_share", "at_home_share", "night_share", "no_place")
        assert [tuple(row[column] for column in columns) for row in rows] == [
            ("all", 3, 3 / 5, 1, 1 / 3, 1 / 3, 2 / 3, 3),
            ("001", 0, 0.0, 0, None, None, None, 0),
            ("002", 2, 2 / 3, 0, 0.0, 0.5, 0.5, 2),
            (None, 1, 1.0, 1, 1.0, 0.0, 1.0, 1),
        ]

    def test_what_is_a_home(self):
        others = ["STREET", "GARAGE", "SCHOOL YARD", "NURSING HOME/RETIREMENT HOME", "residence", None]
        places = enumerate([*HOMES, *others])
        crimes = [
            crime(n, datetime(2024, 2, 20), primary_type="STALKING", district=f"{n:03}", location_description=place)
            for n, place in places
        ]
        rows = answer("violence_against_women_proxy", crimes, AS_OF)
        found = [row["at_home_share"] for row in rows if (row["period"], row["kind"]) == ("28d", "stalking")]
        assert found[1:] == [1.0] * len(HOMES) + [0.0] * len(others)

    def test_a_lake_without_crimes_has_the_city_with_zeros(self):
        rows = answer("violence_against_women_proxy", [], AS_OF)
        assert {row["district"] for row in rows} == {"all"}
        assert [(row["kind"], row["crimes"], row["share"]) for row in rows if row["period"] == "all"] == [
            ("sexual offense", 0, None),
            ("stalking", 0, None),
            ("domestic battery", 0, None),
            ("domestic assault", 0, None),
            ("all", 0, None),
        ]


class TestTrafficRelated:
    def test_each_code_has_its_hours(self):
        car = {"iucr": "0910", "primary_type": "MOTOR VEHICLE THEFT", "location_description": "STREET"}
        crimes = [
            crime(1, datetime(2024, 2, 20, 0, 0), description="AUTOMOBILE", arrest=True, **car),
            crime(2, datetime(2024, 2, 19, 0, 30), description="AUTO", **{**car, "location_description": "ALLEY"}),
            crime(3, datetime(2024, 2, 19, 23, 59), description="AUTO", **{**car, "location_description": None}),
            crime(4, datetime(2024, 2, 21, 23, 0), description=None, **car),
            crime(5, datetime(2024, 2, 20, 0, 0), iucr="0820"),
            crime(6, datetime(2024, 2, 20, 0, 0), iucr=None),
            crime(7, datetime(2024, 2, 20, 7), iucr="1320", primary_type="CRIMINAL DAMAGE", description="TO VEHICLE"),
        ]
        rows = [row for row in answer("traffic_related", crimes, AS_OF) if row["period"] == "28d"]
        assert [tuple(row.values())[4:] for row in rows] == [
            ("0910", "theft of a vehicle", "MOTOR VEHICLE THEFT", "AUTOMOBILE", 0, 2, 0.5, 1, 0.5, "ALLEY"),
            ("0910", "theft of a vehicle", "MOTOR VEHICLE THEFT", "AUTOMOBILE", 23, 2, 0.5, 0, 0.0, "STREET"),
            ("1320", "damage to a vehicle", "CRIMINAL DAMAGE", "TO VEHICLE", 7, 1, 1.0, 0, 0.0, None),
        ]

    def test_codes_are_all_that_name_vehicles(self, shared_data: Path):
        with (shared_data / "reference" / "iucr_codes.csv").open(encoding="utf-8") as file:
            known = {row["iucr"]: row["secondary_description"] for row in csv.DictReader(file)}
        words = ("VEHIC", "AUTOMOBILE", "TRUCK", "CYCLE", "HIJACK", "RECKLESS HOMICIDE")
        named = {iucr for iucr, text in known.items() if any(word in text for word in words)}
        assert traffic_codes().keys() == named - {"1205"} | {"502P"}
        assert "NON-MOTOR VEHICLE" in known["1205"]


class TestRepeatBlocks:
    def test_what_counts_as_a_repeat(self):
        # Days 5, 6 (twice), 20 and 21: apart by 1, 14 and 1 days.
        (row,) = repeats(on_days(6, 20, 5, 6, 21, beat="0111"))
        assert tuple(row.values())[4:] == (
            *(1, "001XX N STATE ST", "0111", "THEFT", 5, 4, 3, 16 / 3),
            *(date(2024, 1, 31), date(2024, 2, 16), 13),
        )

    def test_fifteen_days_are_too_many(self):
        (row,) = repeats(on_days(3, 3, 3, 18, 19))
        assert (row["repeats_within_14_days"], row["mean_days_between"]) == (1, 8.0)

    @pytest.mark.parametrize("days", [(4, 4, 4, 4, 4), (4, 5, 6, 7), (4, 5, 6, 7, 28)])
    def test_too_few_crimes_or_days(self, days: tuple[int, ...]):
        assert repeats(on_days(*days)) == []

    def test_the_longer_period_begins_364_days_before(self):
        rows = repeats(on_days(4, 5, 6, 7, 364), on_days(4, 5, 6, 7, 365, block="002XX N STATE ST"), period="365d")
        assert [(row["block"], row["first_crime_on"]) for row in rows] == [("001XX N STATE ST", date(2023, 2, 22))]

    def test_another_kind_or_another_block_is_no_repeat(self):
        others = on_days(3, primary_type="BATTERY"), on_days(3, block="002XX N STATE ST")
        unknown = on_days(1, 2, 3, 4, 5, block=None), on_days(1, 2, 3, 4, 5, primary_type=None)
        assert repeats(on_days(4, 5, 6, 7), *others, *unknown) == []

    def test_letter_case_does_not_part_a_block(self):
        (row,) = repeats(on_days(3, 4, 6), on_days(5, 7, block="001XX N State St"))
        assert (row["block"], row["crimes"]) == ("001XX N STATE ST", 5)

    def test_most_repeats_come_first_then_most_crimes(self):
        rows = repeats(
            on_days(1, 1, 1, 1, 1, 1, 20, block="C"),
            on_days(1, 1, 1, 2, 3, block="B"),
            on_days(1, 1, 1, 2, 3, 3, block="D"),
            on_days(1, 1, 1, 2, 3, block="A"),
        )
        assert [(row["repeat_rank"], row["block"]) for row in rows] == [(1, "D"), (2, "A"), (3, "B"), (4, "C")]

    def test_the_beat_is_that_of_most_of_the_crimes(self):
        def beat(*beats: str | None) -> object:
            crimes = [row for day, name in enumerate(beats) for row in on_days(day, beat=name)]
            (row,) = repeats(crimes)
            return row["beat"]

        assert beat("0112", "0111", "0112", None, None) == "0112"
        assert beat("0112", "0111", None, None, None) == "0111"
        assert beat(None, None, None, None, None) is None

    def test_two_beats_on_one_day_are_one_day(self):
        (row,) = repeats(on_days(3, 3, 7, beat="0111"), on_days(3, 7, beat="0112"))
        assert (row["crimes"], row["days"], row["repeats_within_14_days"]) == (5, 2, 1)

    def test_every_block_stands_once_for_each_kind(self):
        days = (1, 2, 3, 4, 5)
        rows = repeats(on_days(*days), on_days(*days, primary_type="BATTERY"), on_days(*days, block="B"))
        keys = Counter((row["block"], row["primary_type"]) for row in rows)
        assert keys == {("001XX N STATE ST", "THEFT"): 1, ("001XX N STATE ST", "BATTERY"): 1, ("B", "THEFT"): 1}
