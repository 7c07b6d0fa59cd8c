"""What a query reads, by DuckDB's own plan, and when an answer's `id` is a crime's: nobody can make it seem so."""

from __future__ import annotations

from collections.abc import Iterator

import duckdb
import pytest

from crime_assets.governance.reads import EVERYTHING, is_of_crimes, parsed, what_is_read


@pytest.fixture(scope="module")
def con() -> Iterator[duckdb.DuckDBPyConnection]:
    """As a worker has it, on a gate in memory."""
    with duckdb.connect() as made:
        made.execute("ATTACH ':memory:' AS gate")
        made.execute("USE gate")
        made.execute("CREATE TABLE crimes (id BIGINT, case_number VARCHAR, district VARCHAR, arrest BOOLEAN, d DATE)")
        made.execute("INSERT INTO crimes VALUES (7, 'HX1', '011', true, '2024-01-01'), (8, 'HX2', '012', false, NULL)")
        made.execute("CREATE TABLE crimes_superseded AS FROM crimes")
        made.execute("CREATE TABLE insight_x AS SELECT 1 AS as_of_day, 2 AS n")
        made.execute("SET lock_configuration = true")
        yield made


def read(con: duckdb.DuckDBPyConnection, sql: str) -> tuple[list[str], list[str]]:
    return what_is_read(con, sql, parsed(con, sql))


ALL = "arrest case_number d district id"
READ = {
    "SELECT district FROM crimes WHERE case_number = 'HX1'": "case_number district",
    "SELECT max(case_number) FROM crimes": "case_number",
    "SELECT count(*) FROM crimes": "",
    "SELECT count(*) FROM crimes WHERE false AND arrest": "arrest",
    "SELECT rowid FROM crimes": "",
    "SELECT stats(case_number) FROM crimes LIMIT 1": "case_number",
    "SELECT * FROM (SUMMARIZE crimes)": ALL,
    "SUMMARIZE crimes": ALL,
    "FROM crimes": ALL,
    "SELECT crimes FROM crimes": ALL,
    "SELECT * EXCLUDE (case_number, d) FROM crimes": "arrest district id",
    "FROM crimes SELECT COLUMNS('case.*')": "case_number",
    "WITH c AS (SELECT district, arrest FROM crimes) SELECT district FROM c": "arrest district",
    "SELECT (SELECT max(c2.case_number) FROM crimes c2 WHERE c2.id = c.id) FROM crimes c": "case_number id",
    "SELECT 1 WHERE EXISTS (SELECT arrest FROM crimes)": "arrest",
    "SELECT district, count(*) FILTER (arrest) FROM crimes GROUP BY ALL ORDER BY min(d)": "arrest d district",
    "SELECT a.id FROM crimes a JOIN crimes b ON a.d = b.d": "d id",
    "SELECT a.id FROM crimes a ASOF JOIN crimes b ON a.d >= b.d": "d id",
    "SELECT count(*) OVER (PARTITION BY d) FROM crimes TABLESAMPLE 10%": "d",
    "SELECT id FROM crimes QUALIFY row_number() OVER (ORDER BY d) < 3": "d id",
    "SELECT unnest([id]) FROM crimes, range(3)": "id",
    "SELECT [x FOR x IN (SELECT list(case_number) FROM crimes)]": "case_number",
    "FROM (PIVOT crimes ON district IN ('011') USING count(id) GROUP BY arrest)": "arrest district id",
    "SELECT id FROM crimes UNION ALL SELECT id FROM crimes WHERE arrest": "arrest id",
    "SELECT id FROM gate.main.crimes AS crimes (a, id)": "case_number",
    "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r, crimes WHERE crimes.id = n) FROM r": "id",
}


@pytest.mark.parametrize("sql", READ)
def test_the_columns_that_a_query_reads(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert read(con, sql) == (["crimes"], [f"crimes.{name}" for name in READ[sql].split()])


def test_the_tables_that_a_query_reads(con: duckdb.DuckDBPyConnection) -> None:
    found = read(con, "SELECT arrest FROM crimes_superseded UNION ALL SELECT n > 1 FROM insight_x")
    assert found == (["crimes_superseded", "insight_x"], ["crimes_superseded.arrest", "insight_x.n"])
    for sql in ("SELECT 1", "VALUES (2)", "DESCRIBE crimes", "SHOW TABLES", "FROM range(9)", "FROM duckdb_columns()"):
        assert read(con, sql) == ([], []), sql


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM pragma_storage_info('crimes')",  # the least and greatest value of each column
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql('SELECT case_number FROM crimes'))",
        "SELECT * FROM query('SELECT case_number FROM crimes')",
        "SELECT * FROM query_table('crimes')",
        # Bound once for the trail and once for the answer, it may be either.
        "FROM query(CASE WHEN random() < 0.5 THEN 'SELECT 1' ELSE 'SELECT case_number FROM crimes' END)",
        "SELECT 1 WHERE EXISTS (FROM query('FROM ' || CASE WHEN random() < 0.5 THEN 'range(1)' ELSE 'crimes' END))",
        "SELECT * FROM test_all_types()",
        "SELECT nothing FROM crimes",
        "SELECT $1 FROM crimes",
        "EXPLAIN ANALYZE SELECT case_number FROM crimes",
        "no SQL",
        "",
        "SELECT 1; SELECT case_number FROM crimes",
        "SELECT " + "(" * 3_000 + "1" + ")" * 3_000,
    ],
    ids=lambda sql: sql[:40],
)
def test_in_doubt_all_was_read(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert read(con, sql) == (EVERYTHING, EVERYTHING)


@pytest.mark.parametrize(
    "sql",
    [
        "FROM crimes",
        "TABLE crimes_superseded",
        "SELECT id FROM crimes",
        "SELECT c.ID, arrest, arrest FROM gate.main.Crimes c WHERE d > DATE '2020-01-01' AND case_number LIKE 'H%'",
        "SELECT *, id FROM crimes WHERE id IN (7, 8) OR NOT arrest ORDER BY d DESC, 1 LIMIT 5 OFFSET 1",
        "(SELECT id, CASE_NUMBER FROM crimes WHERE district BETWEEN '010' AND '012' AND d IS NOT NULL)",
    ],
)
def test_an_answer_of_crimes(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert is_of_crimes(parsed(con, sql))
    assert {int(row[0]) for row in con.execute(f"SELECT id FROM ({sql})").fetchall()} <= {7, 8}


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 5 AS id",
        "SELECT 5 AS id FROM crimes",
        "SELECT id + 1 AS id FROM crimes",
        "SELECT case_number AS id FROM crimes",
        "SELECT id: case_number FROM crimes",
        "SELECT id AS id FROM crimes",
        "SELECT case_number, id AS case_number FROM crimes",
        "SELECT * REPLACE (5 AS id) FROM crimes",
        "SELECT * RENAME (case_number AS id) FROM crimes",
        "SELECT * EXCLUDE (id), 5 AS id FROM crimes",
        "SELECT COLUMNS(*) FROM crimes",
        "SELECT COLUMNS('id') + 1 FROM crimes",
        "SELECT id FROM crimes AS c (case_number, id)",
        "SELECT id FROM crimes, insight_x",
        "SELECT crimes.id FROM crimes JOIN crimes_superseded USING (id)",
        "SELECT id FROM crimes UNION ALL SELECT 5",
        "SELECT id FROM crimes EXCEPT SELECT 5",
        "SELECT DISTINCT id FROM crimes",
        "SELECT id FROM crimes GROUP BY id",
        "SELECT id, count(*) FROM crimes GROUP BY ALL",
        "SELECT id, max(case_number) OVER () FROM crimes",
        "SELECT id, (SELECT max(case_number) FROM crimes) FROM crimes",
        "SELECT id FROM crimes WHERE EXISTS (SELECT 1 FROM crimes WHERE id = 8 AND arrest)",
        "SELECT id FROM crimes WHERE id = 7 AND stats(case_number) LIKE '%HX2%'",
        "SELECT id FROM crimes ORDER BY (SELECT max(arrest) FROM crimes)",
        "SELECT id FROM crimes LIMIT (SELECT count(*) FROM crimes WHERE arrest)",
        "SELECT id FROM crimes QUALIFY max(arrest) OVER ()",
        "SELECT id FROM crimes TABLESAMPLE 50%",
        "SELECT id FROM crimes USING SAMPLE 1",
        "SELECT id FROM crimes AT (VERSION => 1)",
        "WITH crimes AS (SELECT 5 AS id) SELECT id FROM crimes",
        "SELECT id FROM (SELECT 5 AS id) AS crimes",
        "SELECT id FROM (VALUES (5)) AS crimes (id)",
        "SELECT id FROM memory.main.crimes",
        "SELECT id FROM temp.crimes",
        "SELECT n AS id FROM insight_x",
        "SELECT id FROM query_table('crimes')",
        "SELECT id FROM range(5) AS crimes (id)",
        "FROM (SUMMARIZE crimes)",
        "SELECT id FROM crimes; SELECT 1",
        "no SQL",
    ],
)
def test_no_answer_of_crimes(con: duckdb.DuckDBPyConnection, sql: str) -> None:
    assert not is_of_crimes(parsed(con, sql))
