"""Spark beside DuckDB: a history loaded and a day merged by the writers of both, on the same rows; and a plain peer.

    python -m benchmarks.spark duckdb ROWS HOME           loads HOME and merges two days into it
    python -m benchmarks.spark spark ROWS HOME            the same with Spark
    python -m benchmarks.spark plain ROWS HOME DIRECTORY  Spark's `MERGE INTO` alone, into a table of HOME's files

The first two print the seconds of the history and of the second day's merge; the last, which reads the lake in HOME and
writes to DIRECTORY only, those of the second day's MERGE. Spark's session is up before; `missing` says what it needs.
"""

from __future__ import annotations

import shutil
import sys
import time
from collections.abc import Mapping
from datetime import date, timedelta
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.changes import EDITED, NEW, changes, table_of_same_files, typed_rows
from benchmarks.history import CITY, FIRST_DAY, feed
from benchmarks.measuring import Figure, module, spend
from crime_assets.core import keys
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.spark.session import missing, spark_settings
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.lakehouse.writers import EmbeddedWriter, Writer
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.inventory import take_inventories

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

_DAYS = [FIRST_DAY, FIRST_DAY + timedelta(days=1)]
"""The first one's merge warms what the second one's is measured with."""

_MERGE = """
    MERGE INTO lake.benchmark.crimes AS t USING changes AS s ON t.id = s.id
    WHEN MATCHED AND s.updated_on > t.updated_on THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
"""


def load_and_merge(writer: Writer, lake: Lake, rows: int) -> tuple[float, float]:
    """Seconds of the history, and of the merge of the second day."""
    start = time.perf_counter()
    loaded = writer.load_history(feed(rows), FIRST_DAY, "benchmark")
    history = time.perf_counter() - start
    landing, merge = DirectoryStore(lake.landing), 0.0
    for number, day in enumerate(_DAYS, start=1):
        (delivered,) = changes(rows, day)
        landing.write(f"{keys.deliveries_prefix(CITY.name, day)}one", delivered.content)
        inventories = take_inventories(landing, CITY.name, [day])
        start = time.perf_counter()
        result = writer.merge(inventories, {})
        merge = time.perf_counter() - start
        assert (result.inserted, result.rows) == (NEW, loaded.rows + number * NEW), result
    return history, merge


def figures(rows: int, place: Path) -> list[Figure]:
    """History and merge by both writers, on lakes of their own; says so where Spark is left out."""
    if reason := missing():
        print(f"Left out: history and merge by Spark, because {reason}", flush=True)
        return []
    ours, peer = (
        list(map(float, spend(module("spark", engine, rows, place / f"by-{engine}")).printed.split()))
        for engine in ("duckdb", "spark")
    )
    return [
        Figure(f"{work} by DuckDB", f"{a:.2f} s", f"CRIME_ENGINE=spark, {version('pyspark')}: {b:.1f} s", a / b, 1 / 3)
        for work, a, b in zip(
            (f"load the history, {rows:,} rows,", f"merge {NEW + EDITED:,} changes into them"), ours, peer, strict=True
        )
    ]


def plain_merge(rows: int, home: Path, directory: Path) -> float:
    """Seconds of the second of two days' MERGE INTO."""
    table = _hadoop_table(Lake(home), Lake(directory))
    before = sum(file.record_count for file in tables.data_files(table))
    files = [_changes_file(Lake(home), rows, day, directory) for day in _DAYS]
    catalog = "spark.sql.catalog.lake"
    settings = {
        catalog: "org.apache.iceberg.spark.SparkCatalog",
        f"{catalog}.type": "hadoop",
        f"{catalog}.warehouse": str(directory.absolute() / "warehouse"),
    }
    spark = session(Lake(directory), settings)
    try:
        seconds = 0.0
        for number, (day, file) in enumerate(zip(_DAYS, files, strict=True), start=1):
            spark.read.parquet(str(file)).createOrReplaceTempView("changes")
            start = time.perf_counter()
            spark.sql(_MERGE)
            seconds = time.perf_counter() - start
            after = spark.sql(
                f"SELECT count(*), count_if(change_day = DATE '{day}'), count(DISTINCT id) FROM lake.benchmark.crimes"
            ).first()
            expected = (before + number * NEW, NEW + EDITED, before + number * NEW)
            assert tuple(after) == expected, (after, expected)
        return seconds
    finally:
        spark.stop()


def session(lake: Lake, more: Mapping[str, str]) -> SparkSession:
    """Spark, started as the profile starts it."""
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in {**spark_settings(lake), **more}.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


def _changes_file(lake: Lake, rows: int, day: date, directory: Path) -> Path:
    """The changes of a day, typed, as one file."""
    file = directory / f"changes-{day}.parquet"
    pq.write_table(typed_rows(lake, changes(rows, day)), file)
    return file


def _hadoop_table(lake: Lake, own: Lake) -> Table:
    """A table of the lake's files, as it is in the lake, where Spark's simplest catalog, a directory, finds it."""
    table = table_of_same_files(lake, own)
    metadata = Path(local_path(table.metadata_location))
    shutil.copy(metadata, metadata.with_name("v1.metadata.json"))
    metadata.with_name("version-hint.text").write_text("1")
    return table


def main(work: str, rows: int, home: Path, *directory: Path) -> None:
    """Print what one of the three took."""
    lake = Lake(home)
    if work == "plain":
        print(plain_merge(rows, home, *directory))
    elif work == "spark":
        spark = session(lake, {})
        print(*load_and_merge(SparkWriter(lake, CITY, DirectoryStore(lake.landing), lambda: spark), lake, rows))
        spark.stop()
    else:
        print(*load_and_merge(EmbeddedWriter(lake, CITY, DirectoryStore(lake.landing)), lake, rows))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), *map(Path, sys.argv[3:]))
