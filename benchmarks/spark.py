"""Spark's `MERGE INTO` of a day's changes, on a table of the same files as a loaded lake.

    python -m benchmarks.spark HOME ROWS DIRECTORY

Reads the lake in HOME, writes to DIRECTORY only, and prints the seconds of the MERGE alone, with the session up and
warmed by another day's. Needs Java 17 and the extra `bench-spark`; `missing` says what is not there.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from datetime import date, timedelta
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow.parquet as pq

from benchmarks.changes import EDITED, NEW, changes, table_of_same_files, typed_rows
from benchmarks.history import FIRST_DAY
from crime_assets.lakehouse import tables
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.warehouse import local_path

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import SparkSession

_JAVA = "17"
_MERGE = """
    MERGE INTO lake.benchmark.crimes AS t USING changes AS s ON t.id = s.id
    WHEN MATCHED AND s.updated_on > t.updated_on THEN UPDATE SET *
    WHEN NOT MATCHED THEN INSERT *
"""


def missing() -> str | None:
    """What must be there before Spark can be measured, as the end of a sentence; None if all is."""
    if found := [name for name in ("pyspark", "snowpark_connect_deps_iceberg") if find_spec(name) is None]:
        return (
            f"{' and '.join(found)} cannot be imported: .venv/bin/pip install -c constraints.txt -e '.[bench-spark]'."
        )
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        return f"there is no java: install Java {_JAVA} and set JAVA_HOME to it."
    said = subprocess.run([java, "-version"], check=True, capture_output=True, text=True).stderr
    version = re.search(r'version "(\d+)', said)
    if version is None or version[1] != _JAVA:
        return f"{java} is not Java {_JAVA}: install it and set JAVA_HOME to it."
    return None


def merge(home: Path, rows: int, directory: Path) -> float:
    """Seconds of the second of two days' MERGE INTO."""
    table = _hadoop_table(Lake(home), Lake(directory))
    before = sum(file.record_count for file in tables.data_files(table))
    days = [FIRST_DAY + timedelta(days=number) for number in range(2)]
    files = [_changes_file(Lake(home), rows, day, directory) for day in days]
    spark = _session(directory.absolute() / "warehouse")
    try:
        seconds = 0.0
        for number, (day, file) in enumerate(zip(days, files, strict=True), start=1):
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


def _session(warehouse: Path) -> SparkSession:
    from pyspark.sql import SparkSession
    from snowpark_connect_deps_iceberg import get_jar_path

    jar = get_jar_path("iceberg-spark-runtime-3.5_2.12-1.10.2.jar")
    settings = {
        "spark.driver.memory": "4g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.jars": str(jar),
        "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
        "spark.sql.catalog.lake": "org.apache.iceberg.spark.SparkCatalog",
        "spark.sql.catalog.lake.type": "hadoop",
        "spark.sql.catalog.lake.warehouse": str(warehouse),
        "spark.sql.session.timeZone": "UTC",
        "spark.ui.enabled": "false",
        "spark.ui.showConsoleProgress": "false",
        "spark.log.level": "ERROR",
    }
    builder = SparkSession.builder.master(f"local[{os.cpu_count()}]").appName("benchmark")
    for name, value in settings.items():
        builder = builder.config(name, value)
    return builder.getOrCreate()


if __name__ == "__main__":
    print(merge(Path(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3])))
