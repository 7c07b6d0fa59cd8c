"""Reading data files of a table with DuckDB, old ones too: what a file was written without is NULL in its rows."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from crime_assets.lakehouse.duck import identifier, literal
from crime_assets.lakehouse.tables import local_path

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_DUCKDB_TYPES = {
    "long": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "timestamp": "TIMESTAMP",
    "timestamptz": "TIMESTAMPTZ",
}


def rows_of(
    table: Table, files: Iterable[DataFile], columns: Sequence[str] | None = None, *, filename: bool = False
) -> str:
    """A query for the rows of data files, with these columns or all of the table; `filename` adds the file's path.

    A column that the table does not have either is a text.
    """
    fields = {field.name: field for field in table.schema().fields}
    wanted = list(columns or fields)
    same: dict[frozenset[str], list[str]] = defaultdict(list)
    for file in files:
        # DuckDB would open every file to find out, for each question anew.
        held = file.column_sizes.keys() if file.column_sizes else {field.field_id for field in fields.values()}
        lacking = frozenset(name for name in wanted if name not in fields or fields[name].field_id not in held)
        same[lacking].append(literal(local_path(file.file_path)))
    types = {name: _DUCKDB_TYPES[str(fields[name].field_type)] if name in fields else "VARCHAR" for name in wanted}
    path = ", filename" if filename else ""
    if not same:
        nulls = ", ".join(f"NULL::{types[name]} AS {identifier(name)}" for name in wanted)
        return f"SELECT {nulls}{', NULL::VARCHAR AS filename' if filename else ''} LIMIT 0"
    return " UNION ALL ".join(
        f"SELECT {_select(wanted, types, lacking)}{path} "
        f"FROM read_parquet([{', '.join(paths)}], hive_partitioning = false{', filename = true' if filename else ''})"
        for lacking, paths in same.items()
    )


def may_hold(table: Table, files: Mapping[str, DataFile], ids: Sequence[int]) -> list[str]:
    """Those of the files (path → file) whose range of ids has one of `ids`, which are sorted: as the manifests say."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import LongType

    field = table.schema().find_field("id").field_id
    found = []
    for path, file in files.items():
        lower, upper = (bounds.get(field) for bounds in (file.lower_bounds or {}, file.upper_bounds or {}))
        if lower is not None and upper is not None:
            first, last = (int(from_bytes(LongType(), bound)) for bound in (lower, upper))
            next_id = bisect_left(ids, first)
            if next_id == len(ids) or ids[next_id] > last:
                continue
        found.append(path)
    return found


def _select(wanted: Sequence[str], types: dict[str, str], lacking: frozenset[str]) -> str:
    return ", ".join(
        f"NULL::{types[name]} AS {identifier(name)}" if name in lacking else identifier(name) for name in wanted
    )
