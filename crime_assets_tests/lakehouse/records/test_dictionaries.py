"""Records whose texts are encoded by dictionaries are typed, and digested, as the texts are."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime

import duckdb
import pyarrow as pa
import pytest

from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.records.arrow_texts import has_control_characters, is_plain, is_trimmed
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets_tests.build import CHICAGO

VALUES = {
    "id": ("1", "2.0", "x"),
    "case_number": ("HZ1", "é", 'H"Z'),
    "date": ("11/01/2018 12:01:00 AM", " 11/01/2018 12:01:00 AM", "epoch", None),
    "updated_on": ("11/19/2018 04:01:28 PM", "", None),
    "arrest": ("true", "TRUE", "false", "maybe", "1", None),
    "ward": ("1", "01", "3.00", "-1", "1e1", "1234567890", None),
    "description": ("", " a ", "a\\b", "tab\t", "null", None),
    "latitude": ("41.5", "41,5", "north", None),
    "zip_code": ("60601", '"', None),
}


def random_records(rng: random.Random) -> pa.Table:
    rows = rng.randrange(1, 60)
    columns: dict[str, list[str | None]] = {
        name: [rng.choice(values) for _ in range(rows)] for name, values in VALUES.items()
    }
    if rng.random() < 0.5:
        columns["case_number"] = ["HZ1"] * rows
    columns[DAMAGE] = [None] * rows
    columns[RAW] = [None] * rows
    return pa.table(columns, schema=pa.schema([(name, pa.string()) for name in columns]))


def encoded(rng: random.Random, records: pa.Table) -> pa.Table:
    """The same with some columns encoded, in one chunk or in two."""
    halves = [records.slice(0, len(records) // 2), records.slice(len(records) // 2)]
    for name in rng.sample(records.column_names, rng.randrange(1, len(VALUES))):
        at = records.schema.get_field_index(name)
        halves = [half.set_column(at, name, half.column(name).combine_chunks().dictionary_encode()) for half in halves]
    table = pa.concat_tables(halves)
    return table.unify_dictionaries().combine_chunks() if rng.random() < 0.5 else table


def typed(records: pa.Table) -> list[tuple[object, ...]]:
    with duckdb.connect() as con:
        typing.prepare_functions(con)
        typing.prepare(con, CHICAGO)
        typing.raw_from_history(con, records, CHICAGO, datetime(2018, 11, 20, tzinfo=UTC), date(2018, 11, 20))
        return con.sql(f"SELECT * FROM ({typing.typed_query(CHICAGO)}) ORDER BY ALL").fetchall()


@pytest.mark.parametrize("seed", range(6))
def test_they_are_typed_and_digested_the_same(seed: int) -> None:
    rng = random.Random(seed)
    records = random_records(rng)
    assert typed(encoded(rng, records)) == typed(records)


@pytest.mark.parametrize("ask", [is_plain, has_control_characters, is_trimmed])
def test_what_is_asked_of_a_column_is_asked_of_the_texts_it_uses(ask: Callable[[pa.ChunkedArray], bool]) -> None:
    rng = random.Random(1)
    answers = set()
    for _ in range(100):
        texts = pa.array(rng.choices(["a", "b", None], k=5) + rng.choices([" a", '"', "\\", "\n", "a"], k=1))
        column = pa.chunked_array([texts.dictionary_encode()])
        for part in (column, column.slice(0, 5)):
            answers.add(ask(part))
            assert ask(part) == ask(pa.chunked_array([part.combine_chunks().dictionary_decode()]))
    assert answers == {True, False}
