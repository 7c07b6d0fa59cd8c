"""Answers come in batches straight from the engine, with what it holds for them let go at the end."""

from __future__ import annotations

import io
from datetime import date
from pathlib import Path

import pyarrow as pa
import pytest

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.engines.answers import BATCH_ROWS, Answer, Batches, rows_of, whole
from crime_assets.engines.athena_results import read_answer
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.cloud.aws.athena_server import Ran, as_csv, column_info
from crime_assets_tests.engines.changing import edited_lake


@pytest.fixture
def engine(tmp_path: Path) -> DuckDBEngine:
    """Over a lake in which nothing is."""
    return DuckDBEngine(Lake(tmp_path / "lake"), CHICAGO)


def test_the_first_batch_is_taken_at_once_and_the_others_when_they_are_read() -> None:
    taken = []

    def batches() -> Batches:
        for number in range(3):
            taken.append(number)
            yield [(number,)]

    answer = Answer(["n"], batches())
    assert taken == [0]
    reading = answer.batches()
    assert [next(reading), next(reading)] == [[(0,)], [(1,)]]
    assert taken == [0, 1]
    answer.close()
    assert (list(reading), taken) == ([], [0, 1])


def test_rows_are_all_of_them_and_can_be_looked_at_again() -> None:
    answer = whole(["n"], [(1,), (2,)])
    assert (answer.rows, answer.rows) == ([(1,), (2,)], [(1,), (2,)])
    assert whole(["n"], []).rows == []


def test_every_row_of_many_batches_is_there_once_and_in_order(engine: DuckDBEngine) -> None:
    rows = 5 * BATCH_ROWS + 7
    with engine.query(f"SELECT range FROM range({rows}) ORDER BY range DESC") as answer:
        batches = list(answer.batches())
    assert [row for batch in batches for row in batch] == [(number,) for number in reversed(range(rows))]
    assert max(map(len, batches)) <= BATCH_ROWS


def test_an_answer_that_is_left_lets_the_next_be_asked(engine: DuckDBEngine) -> None:
    for _ in range(3):
        with engine.query("SELECT range FROM range(3000000)") as answer:
            assert len(next(iter(answer.batches()))) == BATCH_ROWS
    with pytest.raises(StopIteration):
        next(iter(answer.batches()))


def test_a_value_that_fails_on_the_way_is_the_querys_fault(engine: DuckDBEngine) -> None:
    sql = "SELECT CASE WHEN range = 900000 THEN CAST('x' AS INT) ELSE range END FROM range(1000000)"
    with pytest.raises(UsageError, match=r"^The query cannot be answered: Conversion Error: .*'x'"):
        _ = engine.query(sql).rows


def test_a_file_that_is_gone_is_the_lakes(tmp_path: Path) -> None:
    lake = edited_lake(tmp_path / "lake")
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    for path in tables.fetch(table, tables.data_files(table)):
        Path(path).unlink()
    with pytest.raises(LakeError, match=r"cannot be read \(.*restore it if it is missing"):
        _ = DuckDBEngine(lake, CHICAGO).query("SELECT * FROM crimes").rows


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("INTERVAL '1 month 2 days'", "1 month 2 days"),
        ("age(DATE '2024-03-01', DATE '2022-12-30')", "1 year 2 months 2 days"),
        ("TIMESTAMP '2024-01-02' - TIMESTAMP '2024-01-01'", "1 day"),
        ("[INTERVAL 1 month]", "[1 month]"),
        ("MAP {'k': to_months(2)}", "{k=2 months}"),
        ("'2024-01-01 00:00:00.123456789'::TIMESTAMP_NS", "2024-01-01 00:00:00.123456789"),
    ],
)
def test_what_python_would_round_comes_as_duckdb_writes_it(engine: DuckDBEngine, value: str, text: str) -> None:
    answer = engine.query(f"SELECT 1 AS n, {value} AS n, DATE '2024-01-01' -- as it is\n;")
    assert answer.columns[:2] == ["n", "n"]
    assert answer.rows == [(1, text, date(2024, 1, 1))]


def test_such_a_value_leaves_the_order_alone(engine: DuckDBEngine) -> None:
    rows = engine.query("SELECT range, to_months(1) FROM range(200000) ORDER BY range DESC").rows
    assert rows == [(number, "1 month") for number in reversed(range(200_000))]


def test_numbers_of_any_size_are_whole(engine: DuckDBEngine) -> None:
    ((huge, unsigned),) = engine.query(f"SELECT {2**127 - 1}::HUGEINT, {2**128 - 1}::UHUGEINT").rows
    assert (huge, unsigned) == (2**127 - 1, 2**128 - 1)


def test_athenas_file_is_read_in_pieces() -> None:
    rows = 60_000
    ran = Ran([column_info("n", "bigint"), column_info("t", "varchar")], [[str(n), "x" * 40] for n in range(rows)], 0)
    batches = list(read_answer(io.BytesIO(as_csv(ran).encode()), ran.columns))
    assert len(batches) > 2
    assert pa.Table.from_batches(batches).column("n").to_pylist() == list(range(rows))
    assert max(batch.nbytes for batch in batches) < 2_000_000


def test_a_value_that_python_has_not_ends_in_one_sentence() -> None:
    odd = pa.record_batch([pa.array([2**31 - 1], pa.date32())], names=["d"])
    with pytest.raises(UsageError, match=r"answer cannot be read \(.+\): CAST unusual columns to VARCHAR\.$"):
        rows_of(odd, "VARCHAR")
