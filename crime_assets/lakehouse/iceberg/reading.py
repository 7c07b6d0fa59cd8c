"""Reading data files of a table with DuckDB, old ones too: a column that a file lacks is NULL in its rows."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import duckdb
import pyarrow.parquet as pq

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.place.lake import Lake, is_disk_full
from crime_assets.lakehouse.place.warehouse import fetch

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table
    from pyiceberg.types import NestedField, PrimitiveType

DUCKDB_TYPES = {
    "long": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
    "float": "FLOAT",
    "time": "TIME",
    "uuid": "UUID",
    "binary": "BLOB",
}
"""Type of a column in Iceberg → in DuckDB; decimals have the same name."""

_DECIMAL = re.compile(r"decimal[(][0-9]+, [0-9]+[)]")


@contextmanager
def explained(lake: Lake) -> Iterator[None]:
    """Turn DuckDB's disk errors into one sentence; the lake reports a full disk."""
    try:
        yield
    except duckdb.IOException as error:
        if is_disk_full(error):
            raise
        said = str(error).partition("\n")[0]
        raise LakeError(
            f"A file of the lake {lake.name} cannot be read ({said}): restore it if it is missing, and run again."
        ) from error


def rows_of(
    table: Table, files: Iterable[DataFile], columns: Sequence[str] | None = None, *, filename: bool = False
) -> str:
    """A query for the rows of data files, with these columns or all of the table; `filename` adds the file's path.

    A column that the table does not have is a text.
    """
    fields = {field.name: field for field in table.schema().fields}
    wanted = list(columns or fields)
    same: dict[frozenset[str], list[str]] = defaultdict(list)
    files = list(files)
    for file, path in zip(files, fetch(table, files), strict=True):
        held = _held(file, path, fields)
        same[frozenset(name for name in wanted if name not in held)].append(literal(path))

    def select(lacking: Collection[str]) -> str:
        return ", ".join(
            f"NULL::{duckdb_type(table, fields[name]) if name in fields else 'VARCHAR'} AS {identifier(name)}"
            if name in lacking
            else identifier(name)
            for name in wanted
        )

    if not same:
        return f"SELECT {select(wanted)}{', NULL::VARCHAR AS filename' if filename else ''} LIMIT 0"
    return " UNION ALL ".join(
        f"SELECT {select(lacking)}{', filename' if filename else ''} "
        f"FROM read_parquet([{', '.join(paths)}], hive_partitioning = false{', filename = true' if filename else ''})"
        for lacking, paths in same.items()
    )


def duckdb_type(table: Table, field: NestedField) -> str:
    """The DuckDB type of a column; LakeError for a column that another writer has given a nested type."""
    name = str(field.field_type)
    if name in DUCKDB_TYPES:
        return DUCKDB_TYPES[name]
    if _DECIMAL.fullmatch(name):
        return name.upper()
    raise LakeError(
        f"The column {field.name} of {'.'.join(table.name())} is of the type {name}, which this engine cannot write: "
        "drop it, or keep it in a table of its own."
    )


def _held(file: DataFile, path: str, fields: Mapping[str, NestedField]) -> Collection[str]:
    """The columns that a file was written with."""
    if file.column_sizes:
        return {name for name, field in fields.items() if field.field_id in file.column_sizes}
    # Its manifest says nothing, and opening every file would take as long as answering a query.
    names: list[str] = pq.read_schema(path).names
    return names


def may_hold(table: Table, files: Mapping[str, DataFile], ids: Sequence[Any]) -> list[str]:
    """The files (path → file) whose range of ids, by their manifests, includes one of `ids`, which are sorted."""
    from pyiceberg.conversions import from_bytes

    key = table.schema().find_field("id")
    field, kind = key.field_id, cast("PrimitiveType", key.field_type)
    found = []
    for path, file in files.items():
        lower, upper = (bounds.get(field) for bounds in (file.lower_bounds or {}, file.upper_bounds or {}))
        if lower is not None and upper is not None:
            first, last = (from_bytes(kind, bound) for bound in (lower, upper))
            next_id = bisect_left(ids, first)
            if next_id == len(ids) or ids[next_id] > last:
                continue
        found.append(path)
    return found
