"""From a source's texts to typed rows, and what goes to quarantine instead."""

from __future__ import annotations

import atexit
import dataclasses
import json
import random
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb
import pytest

from crime_assets.core.digests import canonical_json, record_digest, text_digest
from crime_assets.core.envelopes import Envelope, seal
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.schema import CRIMES, arrow_schema
from crime_assets.lakehouse.writing.delivered import Delivered, type_deliveries
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.streams.deliveries import DamagedLine
from crime_assets.streams.inventory import PlainObject
from crime_assets_tests.build import CHICAGO, envelope, kinds_of, record
from crime_assets_tests.lakehouse.lakes import ListFeed, raw_of
from crime_assets_tests.sources.feeds.histories import read_history

FOUND_AT = datetime(2024, 1, 22, tzinfo=UTC)
PULLED_AT = datetime(2024, 1, 21, 8, tzinfo=UTC)


@cache
def _session() -> duckdb.DuckDBPyConnection:
    """One connection for all tests of deliveries: opening it takes longer than typing a record."""
    stack = ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(connection(Path(stack.enter_context(TemporaryDirectory()))))


def typed(*lines: Envelope | DamagedLine, city: City = CHICAGO) -> list[dict[str, Any]]:
    """The typed rows, reason and all, in the order of the lines; the same read by line and by column."""
    by_line = _typed(lines, city)
    if plain := [line for line in lines if isinstance(line, Envelope) and line.is_plain]:
        content = b"".join(
            seal(line.record, city.name, line.change_day, line.batch, line.pulled_at, line.md5) for line in plain
        )
        digests = {line.md5 for line in plain}
        by_column = _typed([PlainObject(content, len(plain), kinds_of(plain))], city)
        assert sorted(by_column, key=repr) == sorted((r for r in by_line if r["record_md5"] in digests), key=repr)
    order = {line.md5: number for number, line in enumerate(lines)}
    return sorted(by_line, key=lambda row: order[row["record_md5"]])


def _typed(delivered: Iterable[Delivered], city: City) -> list[dict[str, Any]]:
    con = _session()
    typing.prepare(con, city)
    type_deliveries(con, delivered, city, FOUND_AT)
    return list(con.sql("FROM typed").to_arrow_table().to_pylist())


def typed_one(**fields: object) -> dict[str, Any]:
    """One record with these fields, typed."""
    (row,) = typed(envelope({**record(1, "2024-01-20"), **fields}))
    return row


def typed_history(records: list[dict[str, object]]) -> list[dict[str, Any]]:
    """The same from a feed's history."""
    with TemporaryDirectory() as spill, connection(Path(spill)) as con:
        typing.prepare(con, CHICAGO)
        typing.prepare_functions(con)
        typing.raw_from_history(con, read_history(ListFeed(records), date.max), CHICAGO, PULLED_AT)
        return con.sql(typing.typed_query(CHICAGO)).to_arrow_table().to_pylist()


def typed_each(name: str, values: Iterable[object]) -> list[dict[str, Any]]:
    """One record for each value of the field, typed together."""
    source = "date" if name == "occurred_at" else name
    return typed(*(envelope({**record(n, "2024-01-20"), source: value}) for n, value in enumerate(values)))


def column(name: str, values: Iterable[object]) -> list[object]:
    """What rows have in the column when their source texts are `values`."""
    found = typed_each(name, values)
    assert {row["reason"] for row in found} == {None}
    return [row[name] for row in found]


def reasons(name: str, values: Iterable[object]) -> list[str]:
    return [row["reason"].rstrip("; ") for row in typed_each(name, values)]


SODA = {
    "id": "11516594",
    "case_number": "JB528186",
    "date": "2024-02-29T23:00:05.000",
    "block": "019XX N MOZART ST",
    "iucr": "031A",
    "primary_type": "ROBBERY",
    "description": "ARMED: HANDGUN",
    "location_description": "SIDEWALK",
    "arrest": True,
    "domestic": False,
    "beat": "0424",
    "district": "004",
    "ward": "10",
    "community_area": "51",
    "fbi_code": "03",
    "x_coordinate": "1192770",
    "y_coordinate": "1837431",
    "year": "2024",
    "updated_on": "2024-03-08T15:49:14.123",
    "latitude": "41.708589",
    "longitude": "-87.612583094",
    "location": {"latitude": "41.708589", "longitude": "-87.612583094", "human_address": "{}"},
    ":@computed_region_awaf_s7ux": "43",
}
TYPED = {
    "id": 11516594,
    "case_number": "JB528186",
    "occurred_at": datetime(2024, 2, 29, 23, 0, 5),
    "occurred_on": date(2024, 2, 29),
    "month": date(2024, 2, 1),
    "hour": 23,
    "iso_weekday": 4,
    "time_of_day": "evening",
    "block": "019XX N MOZART ST",
    "iucr": "031A",
    "primary_type": "ROBBERY",
    "primary_type_published": "ROBBERY",
    "description": "ARMED: HANDGUN",
    "location_description": "SIDEWALK",
    "arrest": True,
    "domestic": False,
    "beat": "0424",
    "district": "004",
    "ward": 10,
    "community_area": 51,
    "fbi_code": "03",
    "offense_class": "violent",
    "is_index": True,
    "is_violent": True,
    "is_property": False,
    "x_coordinate": 1192770.0,
    "y_coordinate": 1837431.0,
    "year": 2024,
    "latitude": 41.708589,
    "longitude": -87.612583094,
    "updated_on": datetime(2024, 3, 8, 15, 49, 14, 123000),
    "change_day": date(2024, 3, 8),
    "ingested_at": PULLED_AT,
}
NOTHING_WRONG = {"extra": None, "reason": None, "raw": None, "id_text": None, "updated_on_text": None}


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


def test_a_history_is_typed_as_deliveries_are() -> None:
    (row,) = typed_history([{name: value for name, value in SODA.items() if name in CHICAGO.source_columns}])

    # The computed regions, which the feed leaves out, are no part of the digest either.
    assert row == {**TYPED, "record_md5": record_digest(SODA), **NOTHING_WRONG}


def test_columns_and_types_are_those_of_the_schema() -> None:
    typed(envelope(SODA))
    table = _session().sql("FROM typed").to_arrow_table()

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
        "offense_class": "other",
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
        ("08A 08B 01B 10 11 12 13 14 15 16 17 18 19 20 22 24 26 6 99", "other"),
    ],
)
def test_offense_classes_follow_the_fbi_code(codes: str, offense_class: str) -> None:
    found = typed(*(envelope({**record(n, "2024-01-20"), "fbi_code": code}) for n, code in enumerate(codes.split())))

    assert [row["fbi_code"] for row in found] == codes.split()
    assert {row["offense_class"] for row in found} == {offense_class}
    assert {row["is_violent"] for row in found} == {offense_class == "violent"}
    assert {row["is_property"] for row in found} == {offense_class == "property"}
    assert {row["is_index"] for row in found} == {offense_class != "other"}


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


NO_TIMES = (
    "2023-02-29T10:00:00.000",
    "1900-02-29T10:00:00.000",
    "2024-01-05",
    "2024-13-05T10:00:00.000",
    "2024-01-05T24:00:00.000",
    "2024-01-05T10:00:00.000Z",
    "13/01/2024 01:00:00 PM",
    "01/05/2024 13:00:00 PM",
    "01/05/24 01:00:00 PM",
    "1899-12-31T23:59:59.000",
    "2101-01-01T00:00:00.000",
    "9999999-01-01T00:00:00.000",
    "-2024-01-05T10:00:00.000",
    "infinity",
    "-infinity",
    "epoch",
    "now",
    "NaN",
    "1704460800",
    "\u0662\u0660\u0662\u0664-01-05T10:00:00.000",
    "2024-01-05T10:00:00.000\x00",
    "2024-01-05T10:00:00'; DROP TABLE crimes; --",
)


@pytest.mark.parametrize("name", ["occurred_at", "updated_on"])
def test_what_is_no_time_is_quarantined(name: str) -> None:
    assert reasons(name, NO_TIMES) == [f"{name} is no time"] * len(NO_TIMES)


NO_IDS = (
    "-5",
    "+5",
    "1e5",
    "1.5",
    "0x10",
    "NaN",
    "inf",
    "12 34",
    "12,345",
    "1" * 19,
    "9" * 5000,
    "1\x00",
    "'1'",
    "1;2",
    "\u0661\u0662\u0663",
    "\uff11\uff12\uff13",
    "²",
    "true",
    "null",
)


def test_what_is_no_whole_number_is_no_id() -> None:
    found = typed_each("id", NO_IDS)

    assert [row["id_text"] for row in found] == list(NO_IDS)
    assert all(row["reason"].startswith("id is no whole number; ") for row in found)


def test_ids_are_whole_numbers() -> None:
    assert column("id", ("0", "007", " 5 ", "5.0", "9" * 18, 6)) == [0, 7, 5, 5, 10**18 - 1, 6]


NO_NUMBERS = ("NaN", "inf", "-infinity", "1e5", "41.8,5", "0x1p3", "--1", ".", "1" * 400)


@pytest.mark.parametrize(
    ("name", "values", "sentence"),
    [
        ("id", ("", " "), "id is missing"),
        ("occurred_at", ("", " "), "occurred_at is missing"),
        ("updated_on", ("", " "), "updated_on is missing"),
        ("arrest", ("maybe", "2", {"a": [1, "'"]}), "arrest is neither true nor false"),
        ("domestic", ("maybe", 2), "domestic is neither true nor false"),
        ("ward", ("-1", "1e5", "99999999999", "LOOP", "\u0663", [1], "1.5"), "ward is no whole number"),
        ("community_area", ("-1", "1e5", "99999999999", "LOOP"), "community_area is no whole number"),
        ("year", ("24", "20240", "MMXX", "2024.5"), "year is no year"),
        ("x_coordinate", NO_NUMBERS, "x_coordinate is no number"),
        ("y_coordinate", NO_NUMBERS, "y_coordinate is no number"),
        ("latitude", (*NO_NUMBERS, "4188.0"), "latitude is no number"),
        ("longitude", (*NO_NUMBERS, "-8762.8"), "longitude is no number"),
    ],
)
def test_each_reason_for_quarantine(name: str, values: tuple[object, ...], sentence: str) -> None:
    assert reasons(name, values) == [sentence] * len(values)


def test_a_missing_field_is_a_reason_only_where_it_is_needed() -> None:
    without = {gone: {k: v for k, v in SODA.items() if k != gone} for gone in CHICAGO.source_columns}
    rows = typed(*map(envelope, without.values()))
    absent = dict(zip(without, (row["reason"] for row in rows), strict=True))

    assert {name: text for name, text in absent.items() if text} == {
        "id": "id is missing; ",
        "date": "occurred_at is missing; ",
        "updated_on": "updated_on is missing; ",
    }


def test_all_reasons_are_told_at_once() -> None:
    bad = {"id": "x", "date": "y", "updated_on": "", "arrest": "?", "ward": "W", "year": "MMXX", "longitude": "west"}

    assert typed_one(**bad)["reason"] == (
        "id is no whole number; occurred_at is no time; updated_on is missing; arrest is neither true nor false; "
        "ward is no whole number; year is no year; longitude is no number; "
    )


HOSTILE = (
    'it\'s "quoted" \\ and; -- more',
    "nul\x00inside",
    "\x01\x1f\x7f\u2028\ufeff",
    "é 🚓 \u0131\u202e",
    "x" * 100_000,
    "NaN",
    "inf",
    "1e5",
    "<script>",
    "\t\n\r",
)


def test_hostile_texts_stay_as_they_are_in_free_text() -> None:
    for name in ("block", "description", "case_number", "location_description", "primary_type"):
        assert column(name, HOSTILE) == list(HOSTILE)


def test_the_raw_record_is_kept_untouched() -> None:
    bad = {**SODA, "id": "A\x00'\"\\\n\u202e1", "date": " ", "unheard_of": {"b": [1, None, 2.5], "a": "é"}}

    (row,) = typed(envelope(bad))

    kept = {name: value for name, value in bad.items() if not name.startswith(":@computed_region_")}
    assert row["raw"] == raw_of(kept)
    assert json.loads(row["raw"]) == kept
    assert row["id_text"] == bad["id"]
    assert row["updated_on_text"] == bad["updated_on"]


def test_a_damaged_line_is_quarantined_as_it_stands() -> None:
    line = DamagedLine("not JSON", '{"id": "1", \x01 \'; DROP')

    (row,) = typed(line)

    assert (row["reason"], row["raw"], row["record_md5"]) == ("not JSON", line.raw, text_digest(line.raw))
    assert (row["ingested_at"], row["id"], row["id_text"]) == (FOUND_AT, None, None)


def test_lone_surrogates_do_not_stop_a_delivery() -> None:
    sound, broken = envelope({**SODA, "block": "\ud800 ST"}), envelope({**SODA, "id": "\udfff"})

    first, second = typed(
        sound._replace(record={**SODA, "block": "\ud800 ST"}),
        broken._replace(record={**SODA, "id": "\udfff"}),
    )

    assert (first["block"], first["reason"]) == ("? ST", None)
    assert (second["reason"], second["id_text"]) == ("id is no whole number; ", "?")


def test_damaged_lines_of_a_history_are_quarantined_as_they_stand() -> None:
    line = "a,\"b\n\x0b\\u001F'; --"

    (row,) = typed_history([{DAMAGE: "too few fields", RAW: line}])

    assert (row["reason"], row["raw"], row["record_md5"]) == ("too few fields", line, text_digest(line))


_PIECES = [
    *"\"\\/\b\f\n\r\t\x00\x01\x0b\x1b\x1f\x7f '",
    *("é", "ß", "漢", "🚓", "\u2028", "\u202e", "\ufeff", "\\u001F", "\\n", "{", "}", ",", ":", "null", "0"),
]


def _random_text(rng: random.Random) -> str:
    return "".join(rng.choice(_PIECES) for _ in range(rng.randrange(6)))


def _random_record(rng: random.Random, number: int) -> dict[str, object]:
    texts: dict[str, object] = {
        name: _random_text(rng)
        for name, kind in CHICAGO.source_columns.items()
        if kind == "text" and rng.random() < 0.7
    }
    texts["id"] = str(number)
    if rng.random() < 0.6:
        texts["location"] = {"longitude": _random_text(rng), "latitude": _random_text(rng), "human_address": "{}"}
    return {**texts, "arrest": rng.random() < 0.5, "domestic": rng.random() < 0.5}


def test_a_history_has_the_digests_of_the_same_records_delivered() -> None:
    rng = random.Random(5)
    records = [_random_record(rng, number) for number in range(1500)]

    found = typed_history(records)

    assert {int(row["id"] or row["id_text"]): row["record_md5"] for row in found} == {
        int(str(source["id"])): record_digest(source) for source in records
    }
    raws = {row["record_md5"]: row["raw"] for row in found if row["reason"]}
    assert len(raws) > 1000
    assert raws == {
        record_digest(source): canonical_json(source) for source in records if record_digest(source) in raws
    }


@pytest.mark.parametrize("blank", ["", " ", "\u00a0", "\t"])
def test_a_history_is_trimmed_if_any_text_of_it_needs_it(monkeypatch: pytest.MonkeyPatch, blank: str) -> None:
    rng = random.Random(9)
    records = [record(number, "2024-01-20") for number in range(30)]
    texts = [name for name, value in records[0].items() if isinstance(value, str) and name != "id"]
    for source in rng.sample(records, 12):
        name = rng.choice(texts)
        source[name] = rng.choice([blank, f"{source[name]}{blank}", f"{blank}{source[name]}"])

    def in_order(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return sorted(found, key=lambda row: str(row["record_md5"]))

    found = in_order(typed_history(records))
    monkeypatch.setattr(typing, "is_trimmed", lambda _: False)

    assert found == in_order(typed_history(records))
    assert found == in_order(typed(*(envelope(source) for source in records)))


def test_a_history_that_needs_no_trimming_is_not_trimmed(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    whole = typing.statement

    def statement(folder: str, name: str) -> str:
        asked.append(name)
        return whole(folder, name)

    monkeypatch.setattr(typing, "statement", statement)
    clean = typed_history([record(1, "2024-01-20"), record(2, "2024-01-20", ward=None)])
    assert asked == ["typed"]
    typed_history([record(1, "2024-01-20", ward="")])

    assert asked == ["typed", "trimmed", "typed"]
    assert [row["ward"] for row in clean] == [42, None]
