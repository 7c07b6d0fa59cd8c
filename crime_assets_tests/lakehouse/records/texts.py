"""Texts as sources publish them, good and bad, and rows typed from them."""

from __future__ import annotations

import atexit
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import duckdb

from crime_assets.core.envelopes import Envelope, seal
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.writing.delivered import Delivered, type_deliveries
from crime_assets.sources.cities import City
from crime_assets.streams.deliveries import DamagedLine
from crime_assets.streams.inventory import PlainObject
from crime_assets_tests.build import CHICAGO, envelope, kinds_of, record
from crime_assets_tests.lakehouse.lakes import ListFeed
from crime_assets_tests.sources.feeds.histories import read_history

FOUND_AT = datetime(2024, 1, 22, tzinfo=UTC)
PULLED_AT = datetime(2024, 1, 21, 8, tzinfo=UTC)


@cache
def session() -> duckdb.DuckDBPyConnection:
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
    con = session()
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
        typing.raw_from_history(con, read_history(ListFeed(records), date.max), CHICAGO, PULLED_AT, PULLED_AT.date())
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
UNPUBLISHED = dict.fromkeys(
    ("reported_at", "report_type", "offense_code", "neighborhood", "nibrs_code", "nibrs_offense")
)
TYPED = {
    **UNPUBLISHED,
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
NO_NUMBERS = ("NaN", "inf", "-infinity", "1e5", "41.8,5", "0x1p3", "--1", ".", "1" * 400)
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
