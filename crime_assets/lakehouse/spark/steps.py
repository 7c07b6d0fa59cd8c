"""What merging and history loads share in Spark: views, and rows added to a table in one snapshot."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from crime_assets.core.sql import render, statement
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.lakehouse.spark.attached import AttachedLake, place
from crime_assets.lakehouse.spark.typing import crimes_column
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

_KNOWN = frozenset(column.name for column in CRIMES)


def asked(spark: AttachedLake, name: str) -> DataFrame:
    """The rows of a statement of sql/crimes over the views that it reads."""
    return spark.session.sql(render(statement("crimes", name), "spark", {}))


def one(frame: DataFrame, *expressions: str) -> tuple[Any, ...]:
    """The one row of an aggregation."""
    (row,) = frame.selectExpr(*expressions).collect()
    return tuple(row)


def as_crimes(spark: AttachedLake, table: Table, rows: DataFrame) -> DataFrame:
    """Typed rows with the columns of `crimes`, including those that are new at the source."""
    fields = spark.read(table.name()).schema.fields
    return rows.select(*(crimes_column(field, _KNOWN) for field in fields))


def quarantine(spark: AttachedLake, city: City) -> int:
    """Put the rows of the view `typed` with a reason into quarantine, each once; returns how many were new."""
    table = tables.curated(spark.lake, city, "crimes_quarantine")
    asked(spark, "quarantined").createOrReplaceTempView("rejected")
    spark.read(table.name()).createOrReplaceTempView("kept")
    rows = spark.computed(asked(spark, "newly_quarantined"))
    new = rows.count()
    if new:
        append(spark, table, rows.coalesce(1).sortWithinPartitions("record_md5"), _marks("quarantine", new))
    return new


def keep_superseded(spark: AttachedLake, city: City, crimes: Table) -> int:
    """Put the rows of the view `losers` into `crimes_superseded` unless they are there; returns how many were new."""
    from crime_assets.lakehouse.iceberg.evolution import evolve

    columns = column_names(crimes)
    table = evolve(spark.lake, city, "crimes_superseded", columns, like=crimes)
    spark.read(table.name()).createOrReplaceTempView("kept")
    rows = spark.computed(asked(spark, "newly_superseded"))
    new, first = one(rows, "count(*)", "min(changes_from)")
    if new:
        sorted_rows = rows.select(*columns).coalesce(1).sortWithinPartitions("id", "updated_on")
        append(spark, table, sorted_rows, {**_marks("superseded", new), tables.FIRST_CHANGED: str(first)})
    return int(new)


def append(spark: AttachedLake, table: Table, rows: DataFrame, properties: Mapping[str, str]) -> int:
    """Add rows to a table in one snapshot, in their given order and files; returns the snapshot's id."""
    writer = rows.writeTo(place(table.name())).option("use-table-distribution-and-ordering", "false")
    return spark.commit(table, properties, writer.append)


def _marks(kind: str, rows: int) -> dict[str, str]:
    return {"kind": kind, "rows": str(rows)}
