"""From a source's texts to typed rows."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime

import pytest

from crime_assets.core.digests import record_digest
from crime_assets.lakehouse.schema import CRIMES, arrow_schema
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.records.texts import (
    NOTHING_WRONG,
    PULLED_AT,
    SODA,
    TYPED,
    column,
    session,
    typed,
    typed_one,
)


def test_every_column_is_typed_from_the_texts_of_the_api() -> None:
    (row,) = typed(envelope(SODA))

    assert row == {**TYPED, "record_md5": record_digest(SODA), **NOTHING_WRONG}


def test_every_column_is_typed_from_the_texts_of_an_export() -> None:
    export = {
        **{name: value for name, value in SODA.items() if name in CHICAGO.source_columns},
        "date": "02/29/2024 11:00:05 PM",
        "updated_on": "03/08/2024 03:49:14 PM",
        "arrest": "true",
        "domestic": "false",
        "location": "(41.708589, -87.612583094)",
    }

    (row,) = typed(envelope(export))

    stamp = {"updated_on": datetime(2024, 3, 8, 15, 49, 14)}
    assert row == {**TYPED, **stamp, "record_md5": record_digest(export), **NOTHING_WRONG}


def test_columns_and_types_are_those_of_the_schema() -> None:
    typed(envelope(SODA))
    table = session().sql("FROM typed").to_arrow_table()

    names = [column.name for column in CRIMES]
    assert table.select(names).schema.remove_metadata() == arrow_schema(CRIMES)
    assert table.schema.names == [*names, "extra", "reason", "raw", "id_text", "updated_on_text"]


def test_a_record_with_nothing_but_what_is_needed_is_typed() -> None:
    least = {"id": "7", "date": "2024-01-05T00:00:00.000", "updated_on": "2024-01-20T00:00:00.000"}

    (row,) = typed(envelope(least))

    assert {name: value for name, value in row.items() if value is not None} == {
        "id": 7,
        "occurred_at": datetime(2024, 1, 5),
        "occurred_on": date(2024, 1, 5),
        "month": date(2024, 1, 1),
        "hour": 0,
        "iso_weekday": 5,
        "time_of_day": "night",
        "offense_class": "unmapped",
        "is_index": False,
        "is_violent": False,
        "is_property": False,
        "updated_on": datetime(2024, 1, 20),
        "change_day": date(2024, 1, 20),
        "record_md5": record_digest(least),
        "ingested_at": PULLED_AT,
    }


@pytest.mark.parametrize(
    ("name", "codes"),
    [
        (
            "iucr",
            {
                "0820": "0820",
                "820": "0820",
                "820.0": "0820",
                "820.": "820.",
                "31a": "031A",
                "ß": "000ß",
                "ŉa": "00ŉa",
                "ﬁ1": "00ﬁ1",
                " 0820 ": "0820",
                "12345": "12345",
                "": None,
            },
        ),
        ("beat", {"111": "0111", "111.0": "0111", "2533": "2533", " ": None}),
        ("district", {"16": "016", "16.0": "016", "1.00": "001", "061": "061", "": None}),
        ("fbi_code", {"04a": "04A", "6": "6", "04ß": "04ß"}),
    ],
)
def test_codes_get_back_their_zeros(name: str, codes: dict[str, str | None]) -> None:
    assert column(name, codes) == list(codes.values())


@pytest.mark.parametrize("name", ["ward", "community_area"])
def test_zero_is_an_unknown_ward_or_community_area(name: str) -> None:
    numbers = {"0": None, "0.0": None, "00": None, "": None, "  ": None, "1": 1, "42.0": 42}

    assert column(name, numbers) == list(numbers.values())


@pytest.mark.parametrize(
    "point",
    [
        {"latitude": "36.619446395", "longitude": "-91.686565684", "x_coordinate": "0", "y_coordinate": "0"},
        {"latitude": "36.619446395", "longitude": "-91.686565684"},
        {"latitude": "36.6194464", "longitude": "-91.6865657"},
        {"x_coordinate": "0", "y_coordinate": "0"},
        {"x_coordinate": "0.0", "y_coordinate": "-0"},
    ],
)
def test_the_unknown_point_is_no_place(point: dict[str, str]) -> None:
    row = typed_one(**point)

    assert [row[name] for name in ("x_coordinate", "y_coordinate", "latitude", "longitude")] == [None] * 4
    assert row["reason"] is None


@pytest.mark.parametrize(
    "point",
    [
        {"x_coordinate": "0", "y_coordinate": "1900927"},
        {"latitude": "36.619446395"},
        {"latitude": "36.62", "longitude": "-91.69"},
    ],
)
def test_half_of_the_unknown_point_is_a_place(point: dict[str, str]) -> None:
    row = typed_one(**point)

    assert {name: row[name] for name in point} == {name: float(text) for name, text in point.items()}


def test_a_city_without_an_unknown_point_keeps_all_but_zero() -> None:
    elsewhere = dataclasses.replace(CHICAGO, unknown_point=None, unknown_markers={})
    far = {**record(1, "2024-01-20"), "latitude": "36.619446395", "longitude": "-91.686565684", "ward": "0"}

    (row,) = typed(envelope(far), city=elsewhere)

    assert (row["latitude"], row["longitude"], row["ward"]) == (36.619446395, -91.686565684, 0)


@pytest.mark.parametrize(
    ("published", "present"),
    [
        ("CRIM SEXUAL ASSAULT", "CRIMINAL SEXUAL ASSAULT"),
        ("NON - CRIMINAL", "NON-CRIMINAL"),
        ("NON-CRIMINAL (SUBJECT SPECIFIED)", "NON-CRIMINAL"),
        ("THEFT", "THEFT"),
        ('O\'HARE "CRIME"; DROP TABLE crimes --', 'O\'HARE "CRIME"; DROP TABLE crimes --'),
    ],
)
def test_renamed_categories_are_one_and_the_original_is_kept(published: str, present: str) -> None:
    row = typed_one(primary_type=published)

    assert (row["primary_type"], row["primary_type_published"]) == (present, published)


@pytest.mark.parametrize(
    ("codes", "offense_class"),
    [
        ("01A 02 03 04A 04B", "violent"),
        ("05 06 07 09", "property"),
        ("08A 08B 01B 10 11 12 13 14 15 16 17 18 19 20 22 24 26", "other"),
        ("6 99 21", "unmapped"),
    ],
)
def test_offense_classes_follow_the_fbi_code(codes: str, offense_class: str) -> None:
    found = typed(*(envelope({**record(n, "2024-01-20"), "fbi_code": code}) for n, code in enumerate(codes.split())))

    assert [row["fbi_code"] for row in found] == codes.split()
    assert {row["offense_class"] for row in found} == {offense_class}
    assert {row["is_violent"] for row in found} == {offense_class == "violent"}
    assert {row["is_property"] for row in found} == {offense_class == "property"}
    assert {row["is_index"] for row in found} == {offense_class in {"violent", "property"}}


@pytest.mark.parametrize("name", ["arrest", "domestic"])
def test_flags_are_read_in_several_spellings(name: str) -> None:
    true = (True, "true", "True", "TRUE", "t", "Y", "yes", "1", " true ")
    false = (False, "false", "False", "F", "n", "NO", "0")

    assert column(name, true) == [True] * len(true)
    assert column(name, false) == [False] * len(false)
    assert column(name, ("", " ")) == [None, None]


@pytest.mark.parametrize(
    ("text", "hour", "weekday", "time_of_day"),
    [
        ("2024-01-01T00:00:00.000", 0, 1, "night"),
        ("2024-01-02T05:59:59.999", 5, 2, "night"),
        ("2024-01-03T06:00:00.000", 6, 3, "morning"),
        ("2024-01-04T11:59:59.999", 11, 4, "morning"),
        ("2024-01-05T12:00:00.000", 12, 5, "afternoon"),
        ("2024-01-06T17:59:59.999", 17, 6, "afternoon"),
        ("2024-01-07T18:00:00.000", 18, 7, "evening"),
        ("01/07/2024 12:00:00 AM", 0, 7, "night"),
        ("01/07/2024 12:00:00 PM", 12, 7, "afternoon"),
        ("12/31/2023 11:59:59 PM", 23, 7, "evening"),
    ],
)
def test_hour_weekday_and_time_of_day(text: str, hour: int, weekday: int, time_of_day: str) -> None:
    row = typed_one(date=text)

    assert (row["hour"], row["iso_weekday"], row["time_of_day"]) == (hour, weekday, time_of_day)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2024-02-29T10:00:00.000", datetime(2024, 2, 29, 10)),
        ("2000-02-29 10:00:00", datetime(2000, 2, 29, 10)),
        ("02/29/2016 10:00", datetime(2016, 2, 29, 10)),
        ("2024-12-31T23:59:59.999999", datetime(2024, 12, 31, 23, 59, 59, 999999)),
        ("1900-01-01T00:00:00", datetime(1900, 1, 1)),
        ("1/5/2024 1:02:03 PM", datetime(2024, 1, 5, 13, 2, 3)),
        # The hour that a change of the clock leaves out or repeats stands as it was published.
        ("2024-03-10T02:30:00.000", datetime(2024, 3, 10, 2, 30)),
        ("2024-11-03T01:30:00.000", datetime(2024, 11, 3, 1, 30)),
    ],
)
def test_times_are_the_citys_own(text: str, moment: datetime) -> None:
    row = typed_one(date=text, updated_on=text)

    assert (row["occurred_at"], row["updated_on"], row["reason"]) == (moment, moment, None)
    assert (row["occurred_on"], row["change_day"]) == (moment.date(), moment.date())
    assert row["month"] == date(moment.year, moment.month, 1)


def test_ids_are_whole_numbers() -> None:
    assert column("id", ("0", "007", " 5 ", "5.0", "9" * 18, 6)) == [0, 7, 5, 5, 10**18 - 1, 6]
