"""The statements of sql/athena: what they make, that places go into them safely, that the examples answer."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime

import duckdb
import pytest
import sqlglot
from sqlglot import exp

from crime_assets.core.envelopes import seal
from crime_assets.core.errors import UsageError
from crime_assets.core.sql import SQL_DIRECTORY, render_table, statement
from crime_assets.engines.athena_external import external_tables
from crime_assets_tests.build import CHICAGO, HEADERS, export_row, record

FILES = sorted(path.stem for path in (SQL_DIRECTORY / "athena").glob("*.sql"))
EXAMPLES = [name for name in FILES if name.startswith("example_")]


def columns(create: str) -> list[str]:
    return [column.name for column in sqlglot.parse_one(create, read="athena").find_all(exp.ColumnDef)]


@pytest.mark.parametrize("name", FILES)
def test_every_file_says_what_it_is_and_is_one_statement_of_athena(name: str) -> None:
    text = statement("athena", name)
    assert text.startswith("-- ")
    (parsed,) = sqlglot.parse(text, read="athena")
    assert isinstance(parsed, exp.Query if name in EXAMPLES else exp.Create)


def test_the_tables_are_made_where_things_lie() -> None:
    database, deliveries, exports = external_tables("s3://crimes-landing/pd/", "s3://crimes-exports")

    assert database == "CREATE DATABASE IF NOT EXISTS crime_landing"
    assert "LOCATION 's3://crimes-landing/pd/raw/'" in deliveries
    assert "LOCATION 's3://crimes-exports/'" in exports
    assert "ROW FORMAT SERDE 'org.apache.hive.hcatalog.data.JsonSerDe'" in deliveries
    assert "'projection.enabled'='true'" in deliveries
    assert "ROW FORMAT SERDE 'org.apache.hadoop.hive.serde2.OpenCSVSerde'" in exports
    assert "'skip.header.line.count'='1'" in exports


def test_a_delivered_line_has_a_column_for_each_of_its_fields() -> None:
    """Under the partitions of the landing layout; `location` is an object, its parts are columns already."""
    line = json.loads(
        seal(record(1, "2024-01-20"), "chicago", date(2024, 1, 20), "batch", datetime(2024, 1, 21, tzinfo=UTC))
    )
    found = columns(external_tables("s3://landing/x", "s3://exports/x")[1])

    assert set(line) <= set(found)
    assert set(CHICAGO.source_columns) - {"location"} <= set(found)
    assert found[-2:] == ["city", "change_day"]


def test_an_export_has_its_columns_in_their_order() -> None:
    found = columns(external_tables("s3://landing/x", "s3://exports/x")[2])
    assert found == [heading.lower().replace(" ", "_") for heading in HEADERS]


@pytest.mark.parametrize(
    "place",
    [
        "",
        "crimes",
        "/crimes",
        "http://crimes/x",
        "s3:/crimes",
        "s3://",
        "s3://UPPER/x",
        "s3://crimes/a//b",
        "s3://crimes/x'; DROP TABLE y; --",
        "s3://crimes/a b",
        "s3://crimes/a\nb",
        "s3://crimes/x\n",
    ],
)
def test_what_is_no_place_in_s3_goes_into_no_statement(place: str) -> None:
    with pytest.raises(UsageError, match="is not a location in S3: write it like s3://bucket/prefix"):
        external_tables("s3://landing/x", place)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("SELECT 1", "creates nothing"),
        ("CREATE TABLE a (i INT) LOCATION :elsewhere", "asks for :elsewhere"),
        ("CREATE DATABASE a; CREATE DATABASE b", "not one statement"),
        ("CREATE TABLE (", "not one statement"),
    ],
)
def test_what_makes_no_table_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        render_table(text, {"landing": "s3://landing/x"})


@pytest.fixture
def landed() -> duckdb.DuckDBPyConnection:
    """Both tables as their SerDes would give them: three lines of two versions of a record, one of another."""
    con = duckdb.connect()
    con.execute("CREATE SCHEMA crime_landing")
    lines = []
    for number, updated, pulled, arrest in (
        (1, "2024-01-20", 21, False),
        (1, "2024-01-20", 22, False),
        (1, "2024-01-22", 23, True),
        (2, "2024-01-22", 23, False),
    ):
        day = date.fromisoformat(updated)
        pulled_at = datetime(2024, 1, pulled, tzinfo=UTC)
        line = json.loads(seal(record(number, updated, arrest=arrest), "chicago", day, f"batch-{pulled}", pulled_at))
        lines.append(
            {
                **{name: str(value).lower() if isinstance(value, bool) else value for name, value in line.items()},
                "city": "chicago",
                "change_day": updated,
            }
        )
    exported = io.StringIO()
    writer = csv.writer(exported)
    writer.writerows([HEADERS, export_row(record(2, "2024-01-22")), export_row(record(3, "2024-01-23"))])
    rows = list(csv.reader(io.StringIO(exported.getvalue())))[1:]
    for name, create, values in (
        ("deliveries", external_tables("s3://landing/x", "s3://exports/x")[1], lines),
        ("exports", external_tables("s3://landing/x", "s3://exports/x")[2], rows),
    ):
        names = columns(create)
        con.execute(f"CREATE TABLE crime_landing.{name} ({', '.join(f'{column} VARCHAR' for column in names)})")
        for value in values:
            row = [value.get(column) for column in names] if isinstance(value, dict) else value
            con.execute(f"INSERT INTO crime_landing.{name} VALUES ({', '.join('?' * len(row))})", row)
    return con


@pytest.mark.parametrize(
    ("name", "rows"),
    [
        ("lines_a_day", [("2024-01-20", 2, 1, 2), ("2024-01-22", 2, 2, 1)]),
        ("repeated_versions", [("1",)]),
        ("edited_records", [("1", 2, True, False)]),
        ("exports_not_delivered", [("3",)]),
    ],
)
def test_an_example_answers(landed: duckdb.DuckDBPyConnection, name: str, rows: list[tuple[object, ...]]) -> None:
    asked = sqlglot.transpile(statement("athena", f"example_{name}"), read="athena", write="duckdb")[0]
    found = landed.execute(asked).fetchall()
    assert [row[: len(rows[0])] for row in found] == rows


def test_every_example_is_answered_here() -> None:
    # That of documents is in test_athena_documents.
    assert EXAMPLES == [
        "example_documents_roles",
        "example_edited_records",
        "example_exports_not_delivered",
        "example_lines_a_day",
        "example_repeated_versions",
    ]
