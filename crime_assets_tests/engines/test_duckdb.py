"""The embedded engine: people's queries, with nothing but the lake in reach. The contract is in test_contract."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.envelopes import seal
from crime_assets.core.errors import LakeError, UsageError
from crime_assets.core.insights import Insight, all_insights
from crime_assets.core.keys import deliveries_prefix
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writers import EmbeddedWriter
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventories
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.engines.changing import edited_lake


@pytest.fixture(scope="module")
def filled_lake(tmp_path_factory: pytest.TempPathFactory) -> Lake:
    return edited_lake(tmp_path_factory.mktemp("filled") / "lake")


@pytest.fixture
def filled(filled_lake: Lake) -> DuckDBEngine:
    return DuckDBEngine(filled_lake, CHICAGO)


@pytest.mark.parametrize(
    ("sql", "rows"),
    [
        ("FROM crimes SELECT count(*)", [(3,)]),
        ("SELECT count(*) FROM crimes;", [(3,)]),
        ("-- how many\nSELECT count(*) FROM crimes -- all", [(3,)]),
        ("WITH c AS (SELECT id FROM crimes) SELECT max(id) FROM c", [(3,)]),
        ("SELECT 1 WHERE 1 = 2", []),
        ("VALUES (1, 'a')", [(1, "a")]),
        ("SELECT id FROM crimes WHERE id < 3 UNION SELECT 7 ORDER BY id", [(1,), (2,), (7,)]),
        ("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3) SELECT sum(i) FROM n", [(6,)]),
        ('SELECT \'COPY; "type":"COPY_QUERY_NODE"\'', [('COPY; "type":"COPY_QUERY_NODE"',)]),
        ("SELECT column_name FROM (DESCRIBE crimes) LIMIT 1", [("id",)]),
        ("SELECT DATE '290000-01-01'", [("290000-01-01",)]),
        ("SELECT 'a\0b'", [("a\0b",)]),
    ],
)
def test_any_select_is_answered(filled: DuckDBEngine, sql: str, rows: list[tuple[object, ...]]) -> None:
    assert filled.query(sql).rows == rows


def test_an_empty_table_has_the_types_of_a_full_one(filled: DuckDBEngine, tmp_path: Path) -> None:
    empty = DuckDBEngine(Lake(tmp_path / "empty"), CHICAGO)
    for name in ("crimes", "crimes_quarantine"):
        asked = f"SELECT column_name, column_type FROM (DESCRIBE {name})"
        assert empty.query(asked).rows == filled.query(asked).rows


FIRST = date(2024, 1, 1)


def test_each_day_of_a_range_has_its_own_parts_of_statements(filled: DuckDBEngine) -> None:
    shared = Insight("shared", 99, "A part.", (), "WITH pulls AS (SELECT :as_of_day AS day) SELECT day FROM pulls")
    days = [FIRST + timedelta(days=number) for number in range(40)]
    for _ in range(2):
        assert [filled.insight(shared, day).column("day").to_pylist() for day in days] == [[day] for day in days]


def test_a_part_that_another_statement_has_otherwise_is_made_again(filled: DuckDBEngine) -> None:
    statements = [f"WITH pulls AS (SELECT {number} AS number) SELECT number FROM pulls" for number in (1, 2, 1)]
    found = [filled.insight(Insight("shared", 99, "A part.", (), sql), FIRST) for sql in statements]
    assert [rows.column("number").to_pylist() for rows in found] == [[1], [2], [1]]


@pytest.mark.parametrize(
    ("merged", "since"),
    [("", 1), ("1 2 3 4 5", 1), ("1 3 4 5 6", 3), ("1 2", 1), ("2 3 4 5", 2), ("1 4", 4), ("1 2 4 7", 6), ("7 8", 6)],
)
def test_insights_know_since_when_no_change_day_is_missing(
    filled_lake: Lake, monkeypatch: pytest.MonkeyPatch, merged: str, since: int
) -> None:
    monkeypatch.setattr("crime_assets.engines.known.history_before", lambda *_: FIRST)
    days = [date(2024, 1, int(day)) for day in merged.split()]
    asked = Insight("since", 99, "Since when.", (), "SELECT :pulled_since AS since")
    found = DuckDBEngine(filled_lake, CHICAGO, lambda: days).insight(asked, date(2024, 1, 5))
    assert found.column("since").to_pylist() == [date(2024, 1, since)]


def everything(home: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in sorted(home.rglob("*")) if path.is_file()}


@pytest.mark.parametrize(
    "sql",
    [
        "COPY crimes TO '{data}'",
        "COPY (SELECT 1) TO '{new}'",
        "COPY (SELECT 1) TO '{outside}'",
        "WITH x AS (COPY crimes TO '{data}') SELECT * FROM x",
        "WITH x AS (COPY crimes TO '{new}') SELECT * FROM x",
        "SELECT * FROM (WITH x AS (COPY crimes TO '{new}') SELECT * FROM x)",
        "SELECT (WITH x AS (COPY crimes TO '{new}') SELECT count(*) FROM x)",
        "SELECT 1 UNION ALL (WITH x AS (COPY crimes TO '{new}') SELECT 1 FROM x)",
        "SELECT * FROM query('COPY crimes TO ''{new}''')",
        "EXPLAIN ANALYZE COPY crimes TO '{new}'",
        "SELECT 1; COPY crimes TO '{new}'",
        "COPY crimes TO '{new}'; SELECT 1",
        "PREPARE p AS COPY crimes TO '{new}'",
        "EXPORT DATABASE '{outside}'",
        "ATTACH '{new}' AS other",
        "ATTACH '{outside}' AS other",
        "WITH x AS (INSERT INTO crimes SELECT * FROM crimes RETURNING id) SELECT * FROM x",
        "CREATE TABLE mine (i INT)",
        "CREATE TABLE mine (i INT); SELECT 1",
        "CREATE OR REPLACE VIEW crimes AS SELECT 1",
        "CREATE MACRO f() AS 1",
        "DROP VIEW crimes",
        "DELETE FROM crimes",
        "INSERT INTO crimes SELECT * FROM crimes",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "SET lock_configuration = false; SELECT 1",
        "RESET allowed_directories",
        "PRAGMA enable_profiling = 'json'",
        "PRAGMA database_list",
        "CALL pragma_version()",
        "CHECKPOINT",
        "BEGIN",
        "VACUUM",
        "USE memory",
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM read_text('{warehouse}/../../../../../../../../etc/passwd')",
        "SELECT * FROM read_text('{warehouse}/../lake.json')",
        "SELECT * FROM read_parquet('http://127.0.0.1:1/x.parquet')",
        "SELECT * FROM sqlite_scan('{catalog}', 'iceberg_tables')",
        "SELECT getenv('HOME')",
        "SELECT * FROM con",
        "SELECT * FROM no_such_table",
        "SELEC 1",
        "SELECT ?",
        "SELECT $name",
        "SELECT '\ud800'",
        "SELECT CAST('x' AS INTEGER)",
        "SELECT " + "(" * 5000 + "1" + ")" * 5000,
        "",
        "  \n ",
        "-- nothing",
        ";",
        "\0",
    ],
)
def test_no_query_does_harm_and_each_refusal_is_one_sentence(filled_lake: Lake, filled: DuckDBEngine, sql: str) -> None:
    home = filled_lake.home
    warehouse = home / "warehouse"
    before = everything(home.parent)
    places = {
        "{data}": str(next(warehouse.rglob("*.parquet"))),
        "{new}": str(warehouse / "new.parquet"),
        "{outside}": str(home.parent / "outside"),
        "{warehouse}": str(warehouse),
        "{catalog}": str(home / "catalog.db"),
    }
    for name, place in places.items():
        sql = sql.replace(name, place)

    with pytest.raises(UsageError) as raised:
        filled.query(sql)

    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith("The query ")
    assert everything(home.parent) == before
    assert filled.query("SELECT count(*) FROM crimes").rows == [(3,)]


def test_a_data_file_that_is_gone_ends_in_one_sentence(tmp_path: Path) -> None:
    lake = edited_lake(tmp_path / "lake")
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    for path in tables.fetch(table, tables.data_files(table)):
        Path(path).unlink()
    writer = EmbeddedWriter(lake, CHICAGO, landing := DirectoryStore(lake.landing))
    day = date(2024, 1, 25)
    line = seal(record(1, "2024-01-25"), "chicago", day, "batch", datetime(2024, 1, 26, tzinfo=UTC))
    landing.write(f"{deliveries_prefix('chicago', day)}one", line)

    with pytest.raises(LakeError, match=r"cannot be read \(.*restore it if it is missing"):
        DuckDBEngine(lake, CHICAGO).insight(all_insights()[0], day)
    with pytest.raises(LakeError, match=r"cannot be read \(.*restore it if it is missing"):
        writer.merge(take_inventories(landing, "chicago", [day]), {})
