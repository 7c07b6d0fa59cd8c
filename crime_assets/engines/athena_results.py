"""Turns Athena's answers (CSV) into Arrow with the types that other engines give, a piece at a time.

Everything except NULL is in double quotes, so that an empty text and NULL differ.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from crime_assets.core.errors import CrimeAssetsError

_ARROW = {
    "boolean": pa.bool_(),
    "tinyint": pa.int8(),
    "smallint": pa.int16(),
    "integer": pa.int32(),
    "bigint": pa.int64(),
    "float": pa.float32(),
    "real": pa.float32(),
    "double": pa.float64(),
    "date": pa.date32(),
    "timestamp": pa.timestamp("us"),
}
"""Type name in ResultSetMetadata → Arrow type; values of any other type stay text, as written."""

_INSTANT = "timestamp with time zone"
_UTC = r" (UTC|\+00:00)$"


def read_answer(file: Any, columns: Sequence[Mapping[str, Any]]) -> Iterator[pa.RecordBatch]:
    """The rows of a file in batches, at least one, typed by the ColumnInfo of its columns.

    CrimeAssetsError if a value is not of its type.
    """
    keys = [str(number) for number in range(len(columns))]
    types = {key: _arrow(column) for key, column in zip(keys, columns, strict=True)}
    try:
        reader = pyarrow.csv.open_csv(
            file,
            pyarrow.csv.ReadOptions(column_names=keys, skip_rows_after_names=1, use_threads=False),
            # A row with a single NULL is an empty line.
            pyarrow.csv.ParseOptions(newlines_in_values=True, ignore_empty_lines=False),
            pyarrow.csv.ConvertOptions(
                column_types=types,
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=False,
                true_values=["true"],
                false_values=["false"],
            ),
        )
        yield _named(pa.RecordBatch.from_pylist([], reader.schema), columns)
        for batch in reader:
            yield _named(batch, columns)
    except (pa.ArrowInvalid, ValueError, ZoneInfoNotFoundError) as error:
        raise CrimeAssetsError(
            f"Athena's answer cannot be read ({str(error).splitlines()[0][:200]}): CAST unusual columns to VARCHAR."
        ) from error


def _named(batch: pa.RecordBatch, columns: Sequence[Mapping[str, Any]]) -> pa.RecordBatch:
    values = [
        _instants(texts) if column["Type"] == _INSTANT else texts
        for texts, column in zip(batch.columns, columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(values, names=[str(column["Name"]) for column in columns])


def _arrow(column: Mapping[str, Any]) -> pa.DataType:
    if column["Type"] == "decimal":
        return pa.decimal128(column["Precision"], column["Scale"])
    return _ARROW.get(column["Type"], pa.string())


def _instants(texts: pa.Array) -> pa.Array:
    """Timestamps such as `2024-01-31 02:00:00.000000 UTC`, in UTC."""
    instant = pa.timestamp("us", tz="UTC")
    if pc.all(pc.match_substring_regex(texts, _UTC), min_count=0).as_py() is not False:
        return pc.assume_timezone(pc.replace_substring_regex(texts, _UTC, "").cast(pa.timestamp("us")), "UTC")
    moments = [_moment(text.as_py()) if text.is_valid else None for text in texts]
    return pa.array(moments, instant)


def _moment(text: str) -> datetime:
    clock, _, zone = text.rpartition(" ")
    if zone[:1] in "+-":
        return datetime.fromisoformat(clock + zone)
    return datetime.fromisoformat(clock).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
