"""The same odd value ends as the same row or with the same reason, whatever road it came by.

Roads are the feeds, a history or the changes of a day, and deliveries that are read by columns or line by line.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crime_assets.core.envelopes import seal
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.writing.delivered import Delivered, type_deliveries
from crime_assets.sources.feeds import Feed
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.socrata import SocrataFeed
from crime_assets.streams.inventory import PlainObject
from crime_assets_tests.build import CHICAGO, envelope, kinds_of, record
from crime_assets_tests.sources.feeds.histories import read_history
from crime_assets_tests.sources.feeds.soda_server import SodaServer

Row = dict[str, Any]

UPDATED, DAY, LATER, TODAY = "2024-01-20", date(2024, 1, 20), date(2024, 1, 21), date(2024, 1, 25)
PULLED_AT = datetime(2024, 1, 21, 8, tzinfo=UTC)

_NO = object()
"""No value: the record goes to quarantine."""
_FLAGS: dict[str, object] = {
    **dict.fromkeys(("true", "TRUE", "True", " true ", "t", "Y", "y", "yes", "YES", "1", "1.0"), True),
    **dict.fromkeys(("false", "FALSE", "False", "f", "N", "n", "no", "0", "0.0"), False),
    **dict.fromkeys(("", "  "), None),
    **dict.fromkeys(("NULL", "null", "N/A", "NaN", "2", "1.00", "-1", "maybe", "true,", "wahr"), _NO),
}
_WHOLE: dict[str, object] = {
    **dict.fromkeys(("12", " 12 ", "12.0", "12.00", "0012"), 12),
    **dict.fromkeys(("", " "), None),
    **dict.fromkeys(
        ("12.5", "1,200", "1.200,0", "1 200", "12,0", "-12", "1e1", "NULL", "NA", "nan", "#N/A", "\t12"), _NO
    ),
}
_FEET: dict[str, object] = {
    **dict.fromkeys(("1198544", " 1198544 ", "1198544.0", "1198544.", "1198544,0", "1198544,"), 1198544.0),
    **dict.fromkeys(("1198544,25", "1198544.25", "1198544,250"), 1198544.25),
    **dict.fromkeys(("", " "), None),
    **dict.fromkeys(
        ("198,544", "1,198,544", "1,198,544.0", "1.198.544", "1 198 544", "1e5", "NULL", "inf", "NaN"), _NO
    ),
}
_DEGREES: dict[str, object] = {
    **dict.fromkeys(("41.890240611", "41,890240611", " 41.890240611 "), 41.890240611),
    **dict.fromkeys(("41.890", "41,890", "41.89"), 41.89),
    **dict.fromkeys(("41", "41.", "41,", "41.0"), 41.0),
    **dict.fromkeys(("", " "), None),
    **dict.fromkeys(("4.189.024", "41,890,240", "41°53'", "41.89N", "1e1", "NULL", "NaN"), _NO),
}
_TIMES: dict[str, object] = {
    **dict.fromkeys(
        (
            *("2024-01-05T13:05:00.000", "2024-01-05T13:05:00", "2024-01-05 13:05:00", "01/05/2024 01:05:00 PM"),
            *("01/05/2024 13:05:00", "01/05/2024 13:05", "1/5/2024 13:05", " 01/05/2024 01:05:00 PM "),
        ),
        datetime(2024, 1, 5, 13, 5),
    ),
    **dict.fromkeys(
        ("epoch", "infinity", "2024-01-05", "05.01.2024 13:05", "45296.545", "13/25/2024 01:05:00 PM", "NULL", "", " "),
        _NO,
    ),
}
ODD: dict[str, dict[str, object]] = {
    "arrest": _FLAGS,
    "domestic": _FLAGS,
    "id": {text: value if value is not None else _NO for text, value in _WHOLE.items()},
    "ward": _WHOLE,
    "community_area": _WHOLE,
    "year": {"2024": 2024, "2024.0": 2024, " 2024 ": 2024, "2,024": _NO, "24": _NO, "": None, "NULL": _NO},
    "x_coordinate": _FEET,
    "y_coordinate": _FEET,
    "latitude": _DEGREES,
    "longitude": _DEGREES,
    "date": _TIMES,
    "updated_on": _TIMES,
    "beat": {"0424": "0424", "424": "0424", "424.0": "0424", " 424 ": "0424", "2,522": _NO, "": None},
    "district": {"011": "011", "11": "011", "11.0": "011", "1,011": _NO, "": None},
    "iucr": {"031a": "031A", "460": "0460", "1,811": _NO, "": None},
    "fbi_code": {"08b": "08B", "06": "06", " 03 ": "03", "": None},
    "block": {" 001XX N STATE ST ": "001XX N STATE ST", "NULL": "NULL", "N/A": "N/A", "": None, " ": None},
}
"""Source field → odd text → what the row has in its column."""

NATIVE: dict[str, tuple[object, ...]] = {
    "arrest": (True, False, 1, 0, 1.0, 2, {"a": 1}, [True]),
    "domestic": (True, 0),
    "id": (12, 12.0, 12.5, 1e20, True),
    "ward": (12, 12.0, 12.5, -1, False),
    "year": (2024, 2024.0),
    "x_coordinate": (1198544, 1198544.25, 0.00001),
    "latitude": (41.890240611, 41, 1e-7),
    "beat": (424, 424.0, 2522),
    "iucr": (460,),
    "block": (5, {"human_address": "é"}),
}
"""Source field → values of JSON that are no texts: each ends as its text does."""


def odd_records(values: Mapping[str, Any], start: int = 1000) -> list[dict[str, object]]:
    """A record for each value of each field; its case number says which."""
    made: list[dict[str, object]] = []
    for field, each in values.items():
        for value in each:
            name = f"{field}={json.dumps(value)}"
            made.append({**record(start + len(made), UPDATED), "case_number": name, field: value})
    return made


TEXTS = odd_records(ODD)
# A portal whose columns are times has no others, nor could it be asked about them.
ISO_ONLY = [r for r in TEXTS if all(str(r[name]).startswith("2024") for name in ("date", "updated_on"))]
ISO_ONLY = [r for r in ISO_ONLY if all("T" in str(r[name]) for name in ("date", "updated_on"))]
NATIVES = odd_records(NATIVE, 5000)


def canonical(value: object) -> str:
    """The JSON of a value, as the canonical JSON of a record has it."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def typed(con: duckdb.DuckDBPyConnection) -> dict[str, Row]:
    """Rows by case number, without when they were pulled."""
    rows = con.sql("FROM typed").to_arrow_table().drop_columns(["ingested_at"]).to_pylist()
    assert len({row["case_number"] for row in rows}) == len(rows)
    return {row["case_number"]: row for row in rows}


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    with connection(tmp_path_factory.mktemp("spill")) as duck:
        typing.prepare_functions(duck)
        yield duck


def by_history(con: duckdb.DuckDBPyConnection, feed: Feed, before: date = LATER) -> dict[str, Row]:
    """What a load of the history makes of the feed's records."""
    typing.prepare(con, CHICAGO)
    typing.raw_from_history(con, read_history(feed, before), CHICAGO, PULLED_AT, PULLED_AT.date())
    con.execute(f"CREATE OR REPLACE TEMP TABLE typed AS {typing.typed_query(CHICAGO)}")
    return typed(con)


def by_day(con: duckdb.DuckDBPyConnection, feed: Feed) -> dict[str, Row]:
    """What the daily changes make of them, the same by columns and line by line."""
    envelopes = [envelope(record) for record in feed.changes(date(1900, 1, 1), DAY)]
    plain = [one for one in envelopes if one.is_plain]
    content = b"".join(seal(one.record, one.city, one.change_day, one.batch, one.pulled_at, one.md5) for one in plain)
    objects: list[Delivered] = [PlainObject(content, len(plain), kinds_of(plain))] if plain else []
    found = []
    for delivered in ([*envelopes], [*objects, *(one for one in envelopes if not one.is_plain)]):
        typing.prepare(con, CHICAGO)
        type_deliveries(con, delivered, CHICAGO, PULLED_AT)
        found.append(typed(con))
    assert found[0] == found[1]
    return found[0]


def csv_feed(place: Path, records: list[dict[str, object]]) -> Feed:
    path = place / "export.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(CHICAGO.source_columns))
        writer.writerow({name: name for name in CHICAGO.source_columns})
        writer.writerows(records)
    return ExportFeed(CHICAGO, str(path), cache=place / "cache", today=TODAY)


def parquet_feed(place: Path, records: list[dict[str, object]]) -> Feed:
    path = place / "export.parquet"
    names = list(CHICAGO.source_columns)
    columns = {name: [_parquet_text(one.get(name)) for one in records] for name in names}
    pq.write_table(pa.table({name: pa.array(texts, pa.string()) for name, texts in columns.items()}), path)
    return ExportFeed(CHICAGO, str(path), cache=place / "cache", today=TODAY)


def _parquet_text(value: object) -> str | None:
    return value if isinstance(value, str | None) else canonical(value)


def socrata_feed(server: SodaServer) -> Feed:
    return SocrataFeed(
        server.city(CHICAGO), scheme="http", page_size=50, now=lambda: datetime(2024, 1, 21, 18, tzinfo=UTC)
    )


@pytest.fixture(scope="module")
def roads(con: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, Row]]:
    """Road → case number → row, for the odd texts."""
    found: dict[str, dict[str, Row]] = {}
    for name, make in (("csv", csv_feed), ("parquet", parquet_feed)):
        feed = make(tmp_path_factory.mktemp(name), TEXTS)
        found[f"history of {name}"], found[f"days of {name}"] = by_history(con, feed), by_day(con, feed)
    with SodaServer(ISO_ONLY) as server:
        feed = socrata_feed(server)
        found["history of socrata"], found["days of socrata"] = by_history(con, feed), by_day(con, feed)
    return found


def compared(row: Row) -> Row:
    """What must be the same whatever the feed: a CSV has no flags, a portal no texts for them."""
    return {name: value for name, value in row.items() if name not in ("raw", "record_md5")}


def test_odd_texts_end_as_they_should(roads: dict[str, dict[str, Row]]) -> None:
    for field, values in ODD.items():
        column = "occurred_at" if field == "date" else field
        for text, expected in values.items():
            name = f"{field}={json.dumps(text)}"
            row = roads["history of csv"][name]
            if expected is _NO:
                assert row["reason"], name
                assert row["reason"].startswith(f"{column} is "), name
            else:
                assert (row["reason"], row[column]) == (None, expected), name


@pytest.mark.parametrize(
    ("field", "text", "reason"),
    [
        ("id", "11,500,000", "id is no whole number; "),
        ("year", "2,018", "year is no year; "),
        ("x_coordinate", "1,198,544.50", "x_coordinate is no number; "),
        ("beat", "2,522", "beat is no code; "),
    ],
)
def test_thousands_separators_are_named(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, field: str, text: str, reason: str
) -> None:
    (row,) = by_history(con, csv_feed(tmp_path, odd_records({field: [text]}))).values()
    assert row["reason"] == f"{reason}numbers with thousands separators are not read; "


def test_all_roads_end_alike(roads: dict[str, dict[str, Row]]) -> None:
    first = roads["history of csv"]
    for road, rows in roads.items():
        expected = first if road.startswith("history") else {n: r for n, r in first.items() if r["change_day"]}
        if "socrata" in road:
            expected = {str(r["case_number"]): first[str(r["case_number"])] for r in ISO_ONLY}
        assert rows.keys() == expected.keys(), road
        assert len(rows) > 150
        for name, row in rows.items():
            assert compared(row) == compared(expected[name]), (road, name)


def test_a_digest_is_the_same_in_a_history_and_in_a_day(roads: dict[str, dict[str, Row]]) -> None:
    for feed in ("csv", "parquet", "socrata"):
        history, days = roads[f"history of {feed}"], roads[f"days of {feed}"]
        for name, row in days.items():
            assert (row["record_md5"], row["raw"]) == (history[name]["record_md5"], history[name]["raw"]), (feed, name)


def test_values_of_json_that_are_no_texts_end_as_their_texts(
    con: duckdb.DuckDBPyConnection, roads: dict[str, dict[str, Row]], tmp_path: Path
) -> None:
    expected = by_history(con, parquet_feed(tmp_path, NATIVES))
    with SodaServer(NATIVES) as server:
        history, days = by_history(con, socrata_feed(server)), by_day(con, socrata_feed(server))
    assert history.keys() == days.keys() == expected.keys()
    assert history == days
    for name, row in expected.items():
        assert compared(history[name]) == compared(row), name
    assert sum(row["reason"] is not None for row in history.values()) == 11


@pytest.mark.parametrize("values", [[True, False, None], [1, 0, None], [12.0, 12.5, 1.0, 0.0, None], [424, 2522]])
def test_columns_of_parquet_that_are_no_texts(
    con: duckdb.DuckDBPyConnection, tmp_path: Path, values: list[object]
) -> None:
    fields = {bool: ("arrest",), int: ("arrest", "beat", "iucr"), float: ("domestic", "ward", "latitude")}[
        type(values[0])
    ]
    records = [{**record(n, UPDATED, case_number=f"HZ{n}"), **dict.fromkeys(fields, v)} for n, v in enumerate(values)]
    expected = by_history(con, parquet_feed(tmp_path, records))
    table = pq.read_table(tmp_path / "export.parquet")
    for field in fields:
        table = table.set_column(table.column_names.index(field), field, pa.array(values))
    pq.write_table(table, tmp_path / "export.parquet")
    feed = ExportFeed(CHICAGO, str(tmp_path / "export.parquet"), cache=tmp_path / "cache", today=TODAY)
    for rows in (by_history(con, feed), by_day(con, feed)):
        assert rows.keys() == expected.keys()
        for name, row in rows.items():
            assert compared(row) == compared({**expected[name], "id_text": row["id_text"]}), name


def test_a_stamp_is_of_the_day_that_its_row_says(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    """So that no record is in a history and in a day, or in neither."""
    records = odd_records({"updated_on": _TIMES})
    feed = csv_feed(tmp_path, records)
    day = date(2024, 1, 5)
    before, all_of_it = by_history(con, feed, day), by_history(con, feed)
    dated = {name for name, row in all_of_it.items() if row["change_day"]}
    assert {str(one["case_number"]) for one in feed.changes(day, day)} == dated
    assert before.keys() == all_of_it.keys() - dated
    assert feed.undated() == len(before) == sum(value is _NO for value in _TIMES.values())


def test_months_are_told_as_rows_are(con: duckdb.DuckDBPyConnection, tmp_path: Path) -> None:
    feed = csv_feed(tmp_path, odd_records({"date": _TIMES}))
    unreadable = sum(value is _NO for value in _TIMES.values())
    found = {month: stamps.records for month, stamps in feed.month_stamps(DAY).items()}
    assert found == {date(2024, 1, 1): len(_TIMES) - unreadable, None: unreadable}
