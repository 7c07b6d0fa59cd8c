"""The SQL that writes canonical JSON: the same text as the Python that defines it, for any table."""

from __future__ import annotations

import json
import random

import duckdb
import pyarrow as pa
import pytest

from crime_assets.core.digests import canonical_json
from crime_assets.lakehouse.records.record_json import record_json
from crime_assets.lakehouse.records.typing import prepare_functions

PLAIN = ("", "a", "THEFT", "041", " x ", "{", "}", ",", ":", "null", "true", "%", "'", "--")
ESCAPED = ('"', "\\", "\\u001F", "\\n", "/", "'\"")
CONTROL = ("\b", "\f", "\n", "\r", "\t", "\x00", "\x01", "\x0b", "\x1b", "\x1f")
FOREIGN = ("é", "漢", "🚓", "\u2028", "\u202e", "\ufeff", "\x7f", "\x85")
ALPHABETS = (PLAIN, PLAIN + ESCAPED, PLAIN + FOREIGN, PLAIN + ESCAPED + CONTROL + FOREIGN)
"""A table takes those up to one of them: a single control character would have Python write all of its texts anew."""
NAMES = ("a", "Z", "it's", 'quo"te', "é", "zip code", "select", "location", "_own", ":@computed_region_x", ":id", "n.1")


def nulls(rng: random.Random) -> float:
    """What share of a column is NULL."""
    return rng.choice([0.0, 0.0, 0.3, 1.0])


def texts(rng: random.Random, rows: int, hardest: int) -> list[str | None]:
    alphabet, share = rng.choice(ALPHABETS[: hardest + 1]), nulls(rng)
    made = ["".join(rng.choices(alphabet, k=rng.randrange(5))) for _ in range(rows)]
    return [None if rng.random() < share else text for text in made]


def column(rng: random.Random, rows: int, kind: str, hardest: int) -> list[str | bool | None]:
    if kind == "text":
        return [*texts(rng, rows, hardest)]
    if kind == "flag":
        share = nulls(rng)
        return [None if rng.random() < share else rng.random() < 0.5 for _ in range(rows)]
    held = texts(rng, rows, hardest)
    return [None if text is None else canonical_json({"b": text, "a": {"é": [text, 1, None]}}) for text in held]


def cut(rng: random.Random, values: list[str | bool | None], kind: pa.DataType, neighbour: str) -> pa.ChunkedArray:
    """The values in chunks of any length, some of them with neighbours that are none of the column's."""
    around: list[str | bool | None] = [None, True if pa.types.is_boolean(kind) else neighbour]
    chunks, start = [], 0
    while start < len(values):
        end = start + rng.randint(1, len(values))
        padded = pa.array([*around, *values[start:end], *around], kind)
        chunks.append(
            padded.slice(2, len(values[start:end])) if rng.random() < 0.5 else pa.array(values[start:end], kind)
        )
        start = end
    return pa.chunked_array(chunks, kind)


def random_table(rng: random.Random, rows: int) -> pa.Table:
    names = rng.sample(NAMES, rng.randint(1, len(NAMES)))
    if not any(not name.startswith(("_", ":@")) for name in names):
        names.append("a")
    fields, columns = [], []
    hardest, neighbour = rng.randrange(len(ALPHABETS)), rng.choice(["a", "a", "\n"])
    for name in names:
        kind = rng.choices(("text", "flag", "object"), (6, 2, 2))[0]
        kind_of_values = pa.bool_() if kind == "flag" else pa.string()
        fields.append(pa.field(name, kind_of_values, metadata={"json": "true"} if kind == "object" else None))
        columns.append(cut(rng, column(rng, rows, kind, hardest), kind_of_values, neighbour))
    table = pa.table(columns, schema=pa.schema(fields))
    return table.slice(rng.randrange(rows // 2), rows // 2) if rng.random() < 0.5 else table


def written(con: duckdb.DuckDBPyConnection, table: pa.Table) -> list[str]:
    con.register("records", table)
    return [text for (text,) in con.execute(f"SELECT {record_json(table)} FROM records").fetchall()]


def expected(table: pa.Table) -> list[str]:
    objects = {field.name for field in table.schema if field.metadata}
    return [
        canonical_json({n: json.loads(v) if n in objects and v is not None else v for n, v in row.items()})
        for row in table.to_pylist()
    ]


@pytest.fixture(scope="module")
def con() -> duckdb.DuckDBPyConnection:
    made = duckdb.connect(config={"threads": 1})
    prepare_functions(made)
    return made


@pytest.mark.parametrize("seed", range(10))
def test_it_is_what_python_writes(con: duckdb.DuckDBPyConnection, seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(20):
        table = random_table(rng, 40)
        assert written(con, table) == expected(table)


@pytest.mark.parametrize("absent", [(), (0,), (1,), (2,), (0, 1), (1, 2), (0, 2), (0, 1, 2)])
@pytest.mark.parametrize("text", ["plain", 'a "b" \\', "a\x1fb", "é\n"])
def test_members_that_are_absent_take_their_commas_with_them(
    con: duckdb.DuckDBPyConnection, absent: tuple[int, ...], text: str
) -> None:
    whole = {name: [text, text] for name in "abc"}
    gone = {name: [None if number in absent else text, text] for number, name in enumerate("abc")}
    always = {name: [None if number in absent else text] * 2 for number, name in enumerate("abc")}
    schema = pa.schema([(name, pa.string()) for name in "abc"])
    for columns in (whole, gone, always):
        table = pa.table(columns, schema=schema)
        assert written(con, table) == expected(table)


def test_columns_that_are_not_the_records_own_do_not_count(con: duckdb.DuckDBPyConnection) -> None:
    table = pa.table({"b": ["1"], "_damage": ["\n"], ":@computed_region_awaf_s7ux": ["7"], "a": [False]})

    assert written(con, table) == ['{"a":false,"b":"1"}']
