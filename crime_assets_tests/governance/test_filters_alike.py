"""A filter selects the same crimes in DuckDB, by Lake Formation's grammar, and in Trino where TRINO_URL names one."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pytest

from crime_assets.governance.filters import check, check_types, duckdb_filter, lakeformation_filter, trino_filter
from crime_assets_tests.governance.lakeformation import Filter
from crime_assets_tests.governance.policies import TYPES
from crime_assets_tests.sql.trino_server import TRINO_URL, cursor

COLUMNS = ("id", "district", "beat", "ward", "community_area", "primary_type", "location_description", "domestic")
DISTRICTS = ("011", "025")
FILTERS = 150
Row = dict[str, object]
_READ = """
SELECT ID AS id, lpad(District, 3, '0') AS district, lpad(Beat, 4, '0') AS beat, Ward AS ward,
    "Community Area" AS community_area, "Primary Type" AS primary_type,
    "Location Description" AS location_description, Domestic AS domestic
FROM read_csv($file, types = {'District': 'VARCHAR', 'Beat': 'VARCHAR', 'Ward': 'INT', 'Community Area': 'INT'})
WHERE ID % 97 = 0 OR District IS NULL OR Ward IS NULL
ORDER BY id
"""


@pytest.fixture(scope="module")
def rows(shared_data: Path) -> list[Row]:
    """Some thousand real crimes; all of those without a ward are there."""
    files = sorted((shared_data / "chicago").glob("Crimes_-_2016.csv.gz"))
    if not files:
        pytest.skip(f"there is no Crimes_-_2016.csv.gz in {shared_data / 'chicago'}")
    found = duckdb.execute(_READ, {"file": str(files[0])}).fetchall()
    crimes: list[Row] = [dict(zip(COLUMNS, row, strict=True)) for row in found[:4_000]]
    # Real ones have no quote in a text, and few lack anything.
    crimes += [{**row, "id": -n, "primary_type": "IT'S", "district": None} for n, row in enumerate(crimes[:50], 1)]
    return [*crimes, *({**row, "id": -n - 100, "ward": None, "domestic": None} for n, row in enumerate(crimes[:50]))]


@pytest.fixture(scope="module")
def in_duckdb(rows: list[Row]) -> Callable[[str], list[object]]:
    con = duckdb.connect()
    con.register("crimes", pa.Table.from_pylist(rows))
    return lambda where: [row[0] for row in con.execute(f"SELECT id FROM crimes WHERE {where} ORDER BY id").fetchall()]


def in_trino(rows: Sequence[Row], conditions: Sequence[str]) -> list[list[object]]:
    """For each condition, the ids that it selects."""

    def said(value: object) -> str:
        if isinstance(value, str):
            return "'{}'".format(value.replace("'", "''"))
        return "NULL" if value is None else str(value)

    values = ", ".join(f"({', '.join(map(said, row.values()))})" for row in rows)
    asked = ", ".join(f"({condition})" for condition in conditions)
    server = cursor()
    server.execute(f"SELECT id, {asked} FROM (VALUES {values}) AS crimes ({', '.join(COLUMNS)}) ORDER BY id")
    found = server.fetchall()
    return [[row[0] for row in found if row[n] is True] for n in range(1, len(conditions) + 1)]


def random_filter(chance: random.Random, rows: Sequence[Row], depth: int = 3) -> str:
    """A condition of our language over the rows' own values, some of them changed."""
    if depth and chance.random() < 0.6:
        one, other = random_filter(chance, rows, depth - 1), random_filter(chance, rows, depth - 1)
        return chance.choice([f"({one} AND {other})", f"({one} OR {other})", f"NOT ({one})", f"NOT {one} AND {other}"])
    column = chance.choice([name for name in COLUMNS if name != "id"])

    def value() -> str:
        found = chance.choice(rows)[column]
        if TYPES[column] == "string":
            return "'{}'".format(str(found or "X").replace("'", "''"))
        return str(found if found is not None else TYPES[column] == "boolean" or -1).upper()

    first, second = value(), value()
    kinds = [f"{column} = {first}", f"{column} <> {first}", f"{column} IN ({first}, {second})", f"{column} IS NULL"]
    kinds += [f"{column} IS NOT NULL", f"{column} != {second}", f"{column} NOT IN ({second})"]
    if TYPES[column] != "boolean":
        kinds += [f"{column} {sign} {first}" for sign in ("<", ">", "<=", ">=")]
        kinds += [f"{column} BETWEEN {first} AND {second}", f"{column} NOT BETWEEN {first} AND {second}"]
    if TYPES[column] == "string":
        inner = first[1:-1].replace("''", "")
        part = f"'{inner[:2]}%{inner[-1:]}'" if chance.random() < 0.5 else f"'_{inner[1:]}%'"
        kinds += [f"{column} LIKE {part}", f"NOT {column} LIKE {part}", f"{column} NOT LIKE {part}"]
    if column == "district":
        kinds += ["district IN (:districts)"]
    return chance.choice(kinds)


@pytest.mark.parametrize("seed", range(3))
def test_random_filters_select_the_same_crimes(
    rows: list[Row], in_duckdb: Callable[[str], list[object]], seed: int
) -> None:
    chance = random.Random(seed)
    sizes = set()
    for _ in range(FILTERS // 3):
        told = random_filter(chance, rows)
        check(told, set(COLUMNS), "roles.x")
        check_types(told, TYPES, "roles.x")
        found = in_duckdb(duckdb_filter(told, DISTRICTS))
        filter_ = Filter(lakeformation_filter(told, DISTRICTS, TYPES, "roles.x"))
        assert sorted(row["id"] for row in rows if filter_.selects(row)) == found, told
        sizes.add(len(found))
    assert len(sizes) > FILTERS / 10


@pytest.mark.skipif(not TRINO_URL, reason="TRINO_URL names no Trino server: see `make test-trino`")
def test_random_filters_select_the_same_crimes_in_trino(
    rows: list[Row], in_duckdb: Callable[[str], list[object]]
) -> None:
    chance, few = random.Random(9), [*rows[:1_500], *rows[-100:]]
    ids = {row["id"] for row in few}
    told = [random_filter(chance, few) for _ in range(FILTERS // 3)]
    found = in_trino(few, [trino_filter(one, DISTRICTS) for one in told])
    for one, selected in zip(told, found, strict=True):
        assert selected == [id_ for id_ in in_duckdb(duckdb_filter(one, DISTRICTS)) if id_ in ids], one
