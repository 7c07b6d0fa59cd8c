"""Files as Athena writes them become tables: every type, NULL and empty text, odd texts, odd zones."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime
from decimal import Decimal

import pyarrow as pa
import pytest

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.athena_results import read_answer
from crime_assets_tests.cloud.aws.athena_server import Ran, as_csv, column_info


def read(kind: str, *texts: str | None) -> pa.ChunkedArray:
    """A column of a type, as it is read."""
    ran = Ran([column_info("x", kind)], [[text] for text in texts], 0)
    found = pa.Table.from_batches(read_answer(io.BytesIO(as_csv(ran).encode()), ran.columns))
    assert found.column_names == ["x"]
    return found.column("x")


@pytest.mark.parametrize(
    ("kind", "text", "value", "arrow"),
    [
        ("bigint", "-9223372036854775808", -(2**63), pa.int64()),
        ("integer", "7", 7, pa.int32()),
        ("smallint", "7", 7, pa.int16()),
        ("tinyint", "7", 7, pa.int8()),
        ("double", "0.1", 0.1, pa.float64()),
        ("double", "1.0E10", 1e10, pa.float64()),
        ("double", "4.9E-324", 5e-324, pa.float64()),
        ("double", "Infinity", float("inf"), pa.float64()),
        ("float", "0.5", 0.5, pa.float32()),
        ("decimal(38,2)", "-12.50", Decimal("-12.50"), pa.decimal128(38, 2)),
        ("boolean", "true", True, pa.bool_()),
        ("boolean", "false", False, pa.bool_()),
        ("varchar", 'a,"b"\nc', 'a,"b"\nc', pa.string()),
        ("varchar", "", "", pa.string()),
        ("varchar", "NULL", "NULL", pa.string()),
        ("varchar", "007", "007", pa.string()),
        ("varchar", "\\", "\\", pa.string()),
        ("array", "[1, 2]", "[1, 2]", pa.string()),
        ("date", "2024-02-29", date(2024, 2, 29), pa.date32()),
        ("timestamp(3)", "2024-02-29 23:59:59.123", datetime(2024, 2, 29, 23, 59, 59, 123000), pa.timestamp("us")),
        ("timestamp(6)", "1969-12-31 00:00:00.000001", datetime(1969, 12, 31, 0, 0, 0, 1), pa.timestamp("us")),
        (
            "timestamp(6) with time zone",
            "2024-01-31 02:00:00.000001 UTC",
            datetime(2024, 1, 31, 2, 0, 0, 1, tzinfo=UTC),
            pa.timestamp("us", "UTC"),
        ),
        (
            "timestamp(3) with time zone",
            "2024-01-31 02:00:00.000 America/Chicago",
            datetime(2024, 1, 31, 8, tzinfo=UTC),
            pa.timestamp("us", "UTC"),
        ),
        (
            "timestamp(3) with time zone",
            "2024-01-31 02:00:00.000 +05:30",
            datetime(2024, 1, 30, 20, 30, tzinfo=UTC),
            pa.timestamp("us", "UTC"),
        ),
    ],
)
def test_a_value_of_every_type(kind: str, text: str, value: object, arrow: pa.DataType) -> None:
    found = read(kind, text, None, text)
    assert found.type == arrow
    assert found.to_pylist() == [value, None, value]


@pytest.mark.parametrize("kind", ["bigint", "varchar", "boolean", "timestamp with time zone", "decimal(9,2)"])
def test_no_rows_and_rows_of_nothing(kind: str) -> None:
    assert read(kind).to_pylist() == []
    assert read(kind, None, None).to_pylist() == [None, None]
    assert read(kind).type == read(kind, None).type


def test_names_may_repeat_and_be_odd() -> None:
    ran = Ran(
        [column_info('a "b"\n,c', "bigint"), column_info("_col1", "date"), column_info("_col1", "varchar")], [], 0
    )
    found = pa.Table.from_batches(read_answer(io.BytesIO(as_csv(ran).encode()), ran.columns))
    assert found.column_names == ['a "b"\n,c', "_col1", "_col1"]
    assert found.schema.types == [pa.int64(), pa.date32(), pa.string()]


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("date", "292278994-08-17"),
        ("bigint", "many"),
        ("timestamp with time zone", "2024-01-31 02:00:00.000 Mars/Base"),
        ("timestamp with time zone", "soon"),
    ],
)
def test_a_value_that_is_none_of_its_type_ends_in_one_sentence(kind: str, text: str) -> None:
    with pytest.raises(
        CrimeAssetsError, match=r"Athena's answer cannot be read .*: CAST unusual columns to VARCHAR[.]$"
    ) as raised:
        read(kind, text)
    assert "\n" not in str(raised.value)
