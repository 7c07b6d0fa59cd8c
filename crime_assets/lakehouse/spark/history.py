"""Loading a source's history with Spark: once, in one snapshot, seen whole or not at all.

Nothing is kept of an interrupted load: the next call does all of it again.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from crime_assets.core.errors import LakeBusy, LakeError
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.evolution import evolve, names_of, new_columns
from crime_assets.lakehouse.iceberg.tables import HISTORY_MARK, UNDATED_MARK, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import typing as duck_typing
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.spark import typing
from crime_assets.lakehouse.spark.attached import AttachedLake
from crime_assets.lakehouse.spark.staging import fill, staged
from crime_assets.lakehouse.spark.steps import append, as_crimes, asked, one, quarantine
from crime_assets.lakehouse.writing.history import HistoryResult, history_before
from crime_assets.lakehouse.writing.settling import check_typed
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed, History

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame

_PARTS_TOGETHER = 20


def load_history(spark: AttachedLake, city: City, feed: Feed, before: date, run_id: str) -> HistoryResult:
    """Load everything the source holds with a change stamp before `before`, unless that was done already."""
    lake = spark.lake
    with lake.writing():
        if history_before(lake, city) is not None:
            return HistoryResult(loaded=False)
        table = evolve(lake, city, "crimes", new_columns(city, feed.columns()).values())
        if table.current_snapshot() is not None:
            raise LakeError(f"{city.name}.crimes has rows but no history: set {lake.another_place} and load it there.")
        with feed.history(before) as history, staged(lake, city, RAW_RECORDS) as raw:
            fill(raw, _raw_records(lake, city, history, before - timedelta(days=1)))
            typing.prepare(spark.session, city)
            rows = spark.computed(typing.typed(spark.session, city, spark.read(raw.name())))
            rows.createOrReplaceTempView("typed")
            try:
                return _publish(spark, city, table, rows, {HISTORY_MARK: before.isoformat(), "run-id": run_id})
            except StalePlan as error:
                raise LakeBusy(f"Another writer changed the tables of {city.name} meanwhile: run again.") from error


def _publish(spark: AttachedLake, city: City, table: Table, rows: DataFrame, marks: dict[str, str]) -> HistoryResult:
    counts = ("count(*)", "count(reason)", "count_if(change_day IS NULL)", "count_if(reason IS NULL)")
    records, rejected, undated, typable = one(rows, *counts)
    if rejected:
        reasons = rows.where("reason IS NOT NULL").groupBy("reason").count().collect()
        check_typed(city, records, {row["reason"]: row["count"] for row in reasons})
    quarantined = quarantine(spark, city) if rejected else 0
    good = rows.where("reason IS NULL")
    repeated = spark.computed(good.groupBy("id").count().where("count > 1"))
    surplus, ids = one(repeated, "coalesce(sum(count) - count(*), 0)", "count(*)")
    if ids:
        repeated.createOrReplaceTempView("repeated")
        settled = asked(spark, "newest").select(*rows.columns)
        good = good.join(repeated, "id", "left_anti").select(*rows.columns).unionByName(settled)
    # One file per month, as the embedded engine writes it.
    by_month = as_crimes(spark, table, good).repartition("month").sortWithinPartitions("month", "occurred_at", "id")
    properties = {"kind": "history", UNDATED_MARK: str(undated), **marks}
    snapshot_id = append(spark, table, by_month, properties)
    return HistoryResult(True, records, typable - surplus, surplus, quarantined, snapshot_id)


def _raw_records(lake: Lake, city: City, history: History, published: date) -> Iterator[pa.Table]:
    """All records of the history, each with its text and digest, a few parts at a time."""
    pulled_at = datetime.now(UTC)
    columns = names_of(RAW_RECORDS.names)
    with connection(lake.staging) as con:
        duck_typing.prepare_functions(con)
        for start in range(0, len(history.parts), _PARTS_TOGETHER):
            parts = history.parts[start : start + _PARTS_TOGETHER]
            records = pa.concat_tables(map(history.read, parts), promote_options="default")
            duck_typing.raw_from_history(con, records, city, pulled_at, published)
            yield con.sql(f"SELECT {columns} FROM raw_records").to_arrow_table().cast(RAW_RECORDS)
