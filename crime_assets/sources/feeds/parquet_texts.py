"""A Parquet file's columns as the API's texts, and which of its columns hold none."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crime_assets.sources.feeds.packed import RefusedError

_ROWS = 16_384


def titles(path: Path) -> list[str]:
    """The titles of the columns whose values have a text: all except bytes."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        return [schema.field(number).name for number in _taken(schema)]


def titles_left_out(path: Path) -> dict[str, str]:
    """The titles of the other columns, with the types of their values."""
    with pq.ParquetFile(path) as file:
        schema = file.schema_arrow
        others = set(range(len(schema))).difference(_taken(schema))
        return {schema.field(number).name: str(_stored(schema.field(number).type)) for number in sorted(others)}


def read(path: Path, timezone: str) -> Iterator[list[pa.Array]]:
    """The columns of `titles` as texts, empty ones as NULL, some thousand rows at a time.

    Times with a zone become those of the clock of `timezone`. ArrowException or OSError if the file is not whole,
    RefusedError if a column's values do not match its declared type.
    """
    with pq.ParquetFile(path) as file:
        taken = _taken(file.schema_arrow)
        for batch in file.iter_batches(_ROWS):
            yield [_checked_text(batch.schema.names[number], batch.column(number), timezone) for number in taken]


def _taken(schema: pa.Schema) -> list[int]:
    """Which columns are taken. A file without any text column has its texts as bytes, as old writers do."""
    kinds = [_stored(kind) for kind in schema.types]
    bytes_are_texts = not any(_is_text(kind) for kind in kinds)
    return [n for n, kind in enumerate(kinds) if _has_text(kind) or (bytes_are_texts and _is_bytes(kind))]


def _stored(kind: pa.DataType) -> pa.DataType:
    """The type in which values are stored."""
    if isinstance(kind, pa.BaseExtensionType):
        return _stored(kind.storage_type)
    return _stored(kind.value_type) if pa.types.is_dictionary(kind) else kind


def _is_text(kind: pa.DataType) -> bool:
    return kind in (pa.string(), pa.large_string(), pa.string_view())


def _is_bytes(kind: pa.DataType) -> bool:
    return kind in (pa.binary(), pa.large_binary(), pa.binary_view())


def _has_text(kind: pa.DataType) -> bool:
    """Whether values of a type can be written as text, and read from it again."""
    kind = _stored(kind)
    if pa.types.is_nested(kind):
        return all(_has_text(kind.field(number).type) for number in range(kind.num_fields))
    is_plain = pa.types.is_boolean(kind) or pa.types.is_integer(kind) or pa.types.is_floating(kind)
    is_exact = pa.types.is_decimal(kind) or pa.types.is_date(kind) or pa.types.is_time(kind)
    return is_plain or is_exact or pa.types.is_timestamp(kind) or pa.types.is_null(kind) or _is_text(kind)


def _checked_text(title: str, column: pa.Array, timezone: str) -> pa.Array:
    try:
        text = _as_text(column, timezone)
        # Parquet readers do not check bytes that the writer declared as text.
        text.validate(full=True)
    except pa.ArrowInvalid as error:
        raise RefusedError(
            f"has values that are not text in its column {title!r} ({error}): leave the column out, or fetch it again"
        ) from error
    return text


def _as_text(column: pa.Array, timezone: str) -> pa.Array:
    """Values as the API writes them: whole numbers without a point, times as ISO 8601, nested values as JSON."""
    column = _unwrapped(column)
    kind = column.type
    if pa.types.is_nested(kind):
        return pa.array([None if value is None else _json(value) for value in column.to_pylist()], pa.string())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
        whole = pc.equal(pc.floor(column), column)
        digits = pc.if_else(pc.and_(whole, pc.less(pc.abs(column), 2.0**53)), column, None).cast(pa.int64())
        return pc.coalesce(digits.cast(pa.string()), column.cast(pa.string()))
    if pa.types.is_timestamp(kind) and kind.tz:
        column = pc.local_timestamp(column.cast(pa.timestamp(kind.unit, timezone)))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pc.replace_substring(column.cast(pa.timestamp("ms"), safe=False).cast(pa.string()), " ", "T")
    text = column.cast(pa.string())
    is_empty = pc.equal(text, "")
    # To copy every text takes as long as to read it.
    return pc.if_else(is_empty, None, text) if pc.any(is_empty).as_py() else text


def _unwrapped(column: pa.Array) -> pa.Array:
    """The same values in a type that Arrow's functions support."""
    if isinstance(column.type, pa.BaseExtensionType):
        return _unwrapped(column.storage)
    if pa.types.is_dictionary(column.type):
        return _unwrapped(column.dictionary_decode())
    return column.cast(pa.float32()) if column.type == pa.float16() else column


def _json(value: object) -> str:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
