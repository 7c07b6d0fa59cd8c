"""Merging delivered records into `crimes` with Spark's MERGE INTO. lakehouse/writing/merge says which version wins.

Files that gain or lose a row are rewritten, the others stay; new rows of a month may be in a file of their own until
the nightly upkeep.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.evolution import column_names, evolve
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.spark import typing
from crime_assets.lakehouse.spark.attached import AttachedLake, place
from crime_assets.lakehouse.spark.staging import fill, staged
from crime_assets.lakehouse.spark.steps import as_crimes, asked, keep_superseded, one, quarantine
from crime_assets.lakehouse.writing.delivered import groups, text_with
from crime_assets.lakehouse.writing.merge import PLANS, Kept, MergeResult
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import Inventory, PlainObject, contents_of

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame


def merge(
    spark: AttachedLake,
    city: City,
    landing: LandingStore,
    inventories: Mapping[date, Inventory],
    properties: Mapping[str, str],
) -> MergeResult:
    """Merge what has landed for these days as one set; `properties` are kept with the snapshot.

    LakeBusy if other writers keep changing the table.
    """
    lake = spark.lake
    with lake.writing(), staged(lake, city, RAW_RECORDS) as raw:
        delivered = contents_of(landing, city.name, inventories)
        fill(raw, (group.records for group in groups(delivered, city, datetime.now(UTC))))
        typing.prepare(spark.session, city)
        rows = spark.computed(typing.typed(spark.session, city, spark.read(raw.name())))
        counts = ("count(*)", "count(reason)", "count_if(reason IS NULL AND extra IS NOT NULL)")
        records, rejected, with_new = one(rows, *counts)
        if rejected:
            rows = _with_texts(spark, city, rows, landing, inventories)
        rows.createOrReplaceTempView("typed")
        new = _arrived(rows) if with_new else []
        kept = Kept()
        for _ in range(PLANS):
            try:
                if rejected:
                    kept.quarantined += quarantine(spark, city)
                table = evolve(lake, city, "crimes", new)
                return _merge(spark, city, table, records, properties, kept)
            except StalePlan:
                continue
    raise LakeBusy(f"Other writers changed {city.name}.crimes {PLANS} times during one merge: run again later.")


def _merge(
    spark: AttachedLake, city: City, table: Table, delivered: int, properties: Mapping[str, str], kept: Kept
) -> MergeResult:
    incoming = as_crimes(spark, table, asked(spark, "incoming"))
    incoming.createOrReplaceTempView("incoming")
    removed = tables.load(spark.lake, city.name, "crimes_removed")
    if removed is not None and removed.current_snapshot() is not None:
        spark.read(removed.name()).createOrReplaceTempView("recorded")
        incoming = asked(spark, "let_in")
    _versions(spark, table, incoming).createOrReplaceTempView("versions")
    asked(spark, "winners").createOrReplaceTempView("winners")
    asked(spark, "losers").createOrReplaceTempView("losers")
    # A winner also makes visible its older versions that an interrupted merge has already put into superseded.
    winners, losers, first, replaced = one(
        spark.session.table("versions").selectExpr(
            "change_day",
            "is_new",
            "is_new AND version_rank = 1 AS wins",
            "change_day < winning_day AND rank_of_day = 1 AS loses",
            "max(is_new AND version_rank = 1) OVER (PARTITION BY id) AS is_changed",
            "max(NOT is_new) OVER (PARTITION BY id) AS is_known",
        ),
        "count_if(wins)",
        "count_if(loses)",
        "min(CASE WHEN is_new AND is_changed THEN change_day END)",
        "count_if(wins AND is_known)",
    )
    if losers:
        kept.superseded += keep_superseded(spark, city, table)
    snapshot = table.current_snapshot()
    before = dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}
    inserted, after, snapshot_id = winners - replaced, {}, None
    if winners:
        counts = {"inserted": str(inserted), "replaced": str(replaced), "superseded": str(kept.superseded)}
        marks = {"kind": "days", tables.FIRST_CHANGED: str(first), **counts, **properties}
        snapshot_id = spark.commit(table, marks, lambda: spark.session.sql(_statement(table)))
        after = _summary(spark, city)
    files_removed = int(after.get("deleted-data-files", 0))
    return MergeResult(
        rows=int(before.get("total-records", 0)) + inserted,
        delivered=delivered,
        inserted=inserted,
        replaced=replaced,
        superseded=kept.superseded,
        quarantined=kept.quarantined,
        files_removed=files_removed,
        files_added=int(after.get("added-data-files", 0)),
        files_skipped=int(before.get("total-data-files", 0)) - files_removed,
        bytes_rewritten=int(after.get("added-files-size", 0)),
        snapshot_id=snapshot_id,
    )


def _versions(spark: AttachedLake, table: Table, incoming: DataFrame) -> DataFrame:
    """All versions of the incoming ids, ranked."""
    from pyspark.sql import functions

    columns = column_names(table)
    ids = functions.broadcast(incoming.select("id").distinct())
    held = spark.read(table.name()).select(*columns, functions.col("_file").alias("filename"))
    known = held.join(ids, "id", "left_semi").select(*columns, "filename")
    new = incoming.select(*columns, functions.lit(None).cast("string").alias("filename"))
    known.unionByName(new).createOrReplaceTempView("candidates")
    return spark.computed(asked(spark, "versions"))


def _statement(table: Table) -> str:
    return (
        f"MERGE INTO {place(table.name())} AS t USING winners AS s ON t.id = s.id "
        "WHEN MATCHED THEN UPDATE SET * WHEN NOT MATCHED THEN INSERT *"
    )


def _summary(spark: AttachedLake, city: City) -> dict[str, str]:
    table = tables.load(spark.lake, city.name, "crimes")
    snapshot = table.current_snapshot() if table is not None else None
    return dict(snapshot.summary.additional_properties) if snapshot and snapshot.summary else {}


def _arrived(rows: DataFrame) -> list[str]:
    """The new columns that typed rows contain."""
    from pyspark.sql import functions

    with_new = rows.where("extra IS NOT NULL AND reason IS NULL")
    names = with_new.select(functions.explode(functions.json_object_keys("extra")).alias("name")).distinct()
    return sorted(row.name for row in names.collect())


def _with_texts(
    spark: AttachedLake,
    city: City,
    rows: DataFrame,
    landing: LandingStore,
    inventories: Mapping[date, Inventory],
) -> DataFrame:
    """Rows that cannot be typed, with their texts added, which rows that were read by columns lack."""
    from pyspark.sql import functions

    lacking = rows.where("reason IS NOT NULL AND raw IS NULL").select("record_md5").distinct().collect()
    wanted = {row.record_md5 for row in lacking}
    if not wanted:
        return rows
    texts: dict[str, str] = {}
    for delivered in contents_of(landing, city.name, inventories):
        if isinstance(delivered, PlainObject):
            for digest in wanted - texts.keys():
                if (text := text_with(delivered.content, digest.encode(), city)) is not None:
                    texts[digest] = text
    found = functions.broadcast(spark.session.createDataFrame(sorted(texts.items()), "record_md5 string, text string"))
    whole = rows.join(found, "record_md5", "left").withColumn(
        "raw", functions.coalesce("raw", functions.when(functions.col("reason").isNotNull(), functions.col("text")))
    )
    return whole.select(*rows.columns)
