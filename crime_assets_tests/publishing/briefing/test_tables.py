"""The statements of sql/briefing, on a few rows made by hand."""

from __future__ import annotations

from collections.abc import Sequence

import duckdb
import pytest

from crime_assets.core.sql import statement


@pytest.fixture
def connection() -> duckdb.DuckDBPyConnection:
    return duckdb.connect()


def create(con: duckdb.DuckDBPyConnection, table: str, columns: str, rows: Sequence[Sequence[object]]) -> None:
    con.execute(f"CREATE TABLE {table} ({columns})")
    con.executemany(f"INSERT INTO {table} VALUES ({', '.join('?' * len(rows[0]))})", rows)


def ask(con: duckdb.DuckDBPyConnection, name: str) -> list[tuple[object, ...]]:
    return con.execute(statement("briefing", name)).fetchall()


def test_a_hot_cell_stands_beside_its_own_year_and_the_citys(connection: duckdb.DuckDBPyConnection) -> None:
    create(
        connection,
        "insight_hotspots",
        "period VARCHAR, offense_class VARCHAR, cell VARCHAR, crimes BIGINT, local_crimes BIGINT, is_hot BIGINT",
        [
            ("28d", "all", "a", 9, 17, 1),
            ("28d", "all", "b", 8, 17, 1),
            ("28d", "all", "d", 3, 3, 0),
            ("28d", "violent", "c", 7, 7, 1),
            ("365d", "all", "a", 90, 170, 1),
            ("365d", "all", "b", 80, 170, 0),
            ("365d", "all", "d", 30, 30, 1),
            ("365d", "violent", "a", 14, 14, 1),
        ],
    )
    cells = "cell VARCHAR, district VARCHAR, beat VARCHAR, community_area VARCHAR"
    create(connection, "cells", cells, [("a", "001", "0111", "32"), ("b", "011", "1111", "27")])
    assert ask(connection, "hot_cells") == [
        ("all", "a", 9, "001", "32", 17, 170, 0.1, 4),
        ("all", "b", 8, "011", "27", 17, 170, 0.1, 4),
        ("violent", "c", 7, None, None, 7, None, 0.5, 4),
    ]


def test_a_series_stands_beside_its_own_year(connection: duckdb.DuckDBPyConnection) -> None:
    create(
        connection,
        "insight_repeat_blocks",
        "period VARCHAR, repeat_rank BIGINT, block VARCHAR, beat VARCHAR, primary_type VARCHAR, crimes BIGINT, "
        "days BIGINT, first_crime_on DATE, last_crime_on DATE",
        [
            ("28d", 1, "A", "0111", "THEFT", 6, 5, "2024-01-02", "2024-01-20"),
            ("28d", 2, None, None, "THEFT", 3, 2, "2024-01-03", "2024-01-10"),
            ("365d", 1, "A", "0111", "THEFT", 10, 9, "2023-05-02", "2024-01-20"),
            ("365d", 2, "A", "0111", "BATTERY", 40, 30, "2023-03-02", "2024-01-20"),
            ("365d", 3, None, None, "THEFT", 4, 3, "2023-03-02", "2024-01-20"),
        ],
    )
    found = [(row[0], row[2], row[3], row[4], row[-2], row[-1]) for row in ask(connection, "series")]
    assert found == [("A", "THEFT", 6, 5, 10, 3), (None, "THEFT", 3, 2, 4, 3)]


def test_a_beat_is_at_home_where_most_of_its_crimes_are(connection: duckdb.DuckDBPyConnection) -> None:
    create(
        connection,
        "places",
        "period VARCHAR, beat VARCHAR, district VARCHAR, community_area BIGINT, crimes BIGINT",
        [
            ("all", "0111", "001", 32, 5),
            ("all", "0111", "001", 33, 4),
            ("all", "0111", "018", 8, 6),
            ("all", "0111", "001", None, 50),
            ("28d", "0111", "018", 8, 900),
            ("all", "0112", None, None, 7),
            ("all", None, "018", 8, 7),
        ],
    )
    assert ask(connection, "homes") == [("0111", "001", "8"), ("0112", None, None)]
