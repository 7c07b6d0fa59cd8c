"""Columns that are new at the source: they are added to `crimes` as optional texts, without rewriting anything.

Between the source and the table they travel together, as one JSON object of texts in the column `extra`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

import duckdb

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.iceberg.reading import duckdb_type
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES, REMOVED
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyiceberg.types import NestedField

MOST_NEW = 50
"""A source with more new columns than this publishes something else; further columns are not taken."""

RESERVED = frozenset(column.name for column in REMOVED) | frozenset(
    "extra filename reason raw damage id_text updated_on_text copy seen_at is_new version_rank winning_day rank_of_day "
    "changes_from recency age".split()
)
"""Names that a new column cannot have: those of `crimes_removed`, and those that statements of sql/crimes use."""

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
_PLANS = 5
_KNOWN = frozenset(column.name for column in CRIMES)


def new_columns(city: City, fields: Iterable[str]) -> dict[str, str]:
    """Fields of the source that the city's description does not know → the columns of `crimes` that hold them.

    If a field's name is taken, its column is prefixed with `source_`. A field whose name is not a plain word is left
    out: it stays in the deliveries, and the check source_schema names it.
    """
    unknown = (field for field in sorted(fields) if field not in city.source_columns and _NAME.fullmatch(field))
    # A field may already have such a name: it gets another `source_`, so that no two fields share a column.
    return {field: f"source_{field}" if _bare(field) in RESERVED else field for field in unknown}


def _bare(field: str) -> str:
    while field.startswith("source_"):
        field = field.removeprefix("source_")
    return field


def evolve(lake: Lake, city: City, name: str, columns: Iterable[str], like: Table | None = None) -> Table:
    """A curated table with those of the columns added that it lacks: with their types in `like`, or as texts.

    LakeBusy if other writers keep changing the table.
    """
    from pyiceberg.types import StringType

    for _ in range(_PLANS):
        table = tables.curated(lake, city, name)
        held = column_names(table)
        room = MOST_NEW - sum(column not in RESERVED for column in held)
        new = [column for column in columns if column not in held][: max(room, 0)]
        try:
            tables.add_columns(
                table, {column: like.schema().find_type(column) if like else StringType() for column in new}
            )
            return table
        except StalePlan:
            continue
    raise LakeBusy(f"Other writers changed {city.name}.{name} {_PLANS} times meanwhile: run again later.")


def evolved(lake: Lake, city: City) -> list[str]:
    """The columns of `crimes` that came with new columns of the source."""
    table = tables.load(lake, city.name, "crimes")
    return [name for name in column_names(table) if name not in _KNOWN] if table is not None else []


def column_names(table: Table) -> list[str]:
    """All columns of a table, in order."""
    return [field.name for field in table.schema().fields]


def arrived(con: duckdb.DuckDBPyConnection) -> list[str]:
    """The new columns that rows of `typed` contain."""
    rows = con.execute(
        "SELECT DISTINCT unnest(json_keys(extra)) FROM typed WHERE extra IS NOT NULL AND reason IS NULL"
    ).fetchall()
    return sorted(row[0] for row in rows)


def select_list(table: Table) -> str:
    """The SELECT list over `typed` for rows with the table's columns; NULL for a column that another writer fills."""
    return ", ".join(_selected(table, field) for field in table.schema().fields)


def _selected(table: Table, field: NestedField) -> str:
    name = identifier(field.name)
    if field.name in _KNOWN:
        return name
    if str(field.field_type) == "string":
        return f"nullif(trim(json_extract_string(extra, {literal(f'$.{field.name}')})), '') AS {name}"
    return f"NULL::{duckdb_type(table, field)} AS {name}"


def names_of(columns: Iterable[str]) -> str:
    """Columns as a list for SQL."""
    return ", ".join(map(identifier, columns))
