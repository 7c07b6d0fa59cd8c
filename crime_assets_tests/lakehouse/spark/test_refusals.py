"""Questions that Spark is not asked, and errors of its own, each in one sentence."""

from __future__ import annotations

import sys
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crime_assets.core.errors import DiskFull, LakeError, UsageError
from crime_assets.engines.spark import SparkEngine
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.writer import SparkWriter
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import ListFeed

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

DAYS = [date(2024, 1, day) for day in (10, 11, 12, 13)]


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO crimes SELECT * FROM crimes",
        "SELECT 1; SELECT 2",
        "DROP TABLE crimes",
        "SET spark.sql.ansi.enabled = false",
        "SELECT * FROM parquet.`/etc`",
        "SELECT * FROM lake.chicago.crimes",
        "SELECT * FROM chicago_staging.raw",
        "SELECT * FROM crimes.snapshots",
        "SELECT * FROM range(5)",
        "SELECT * FROM elsewhere",
        "SELECT (SELECT count(*) FROM csv.`/etc/passwd`)",
        "SELECT java_method('java.lang.System', 'getenv', 'PATH')",
        "SELECT reflect('java.lang.System', 'exit', 1)",
        "SELECT TRANSFORM(id) USING 'cat' FROM crimes",
        "WITH x AS (SELECT 1) INSERT INTO crimes SELECT * FROM x",
        "FROM crimes INSERT OVERWRITE DIRECTORY '/tmp/x' SELECT *",
        "not sql at all",
        "",
        "SELECT :x",
        "SELECT '\udcff'",
        "SELECT " + "(" * 3000 + "1" + ")" * 3000,
    ],
)
def test_what_is_no_question_about_the_city_is_refused(tmp_path: Path, sql: str) -> None:
    engine = SparkEngine(Lake(tmp_path), CHICAGO, _no_session)

    with pytest.raises(UsageError):
        engine.query(sql)


def _no_session() -> SparkSession:
    raise AssertionError("Spark is not started for this")


@pytest.mark.parametrize(
    ("raised", "told"),
    [
        ("Py4JError", LakeError),
        ("ConnectionRefusedError", LakeError),
        ("full", DiskFull),
        ("UsageError", UsageError),
        ("RuntimeError", RuntimeError),
    ],
)
def test_only_errors_of_sparks_are_put_in_a_sentence(tmp_path: Path, raised: str, told: type[Exception]) -> None:
    protocol = pytest.importorskip("py4j.protocol")
    pytest.importorskip("pyspark")
    errors: dict[str, Exception] = {
        "Py4JError": protocol.Py4JError("An error occurred\n: java.lang.Error: no memory\n\tat org.apache"),
        "ConnectionRefusedError": ConnectionRefusedError("no memory"),
        "full": protocol.Py4JError("java.io.IOException: No space left on device"),
        "UsageError": UsageError("no memory"),
        "RuntimeError": RuntimeError("no memory"),
    }

    def start() -> SparkSession:
        raise errors[raised]

    writer = SparkWriter(Lake(tmp_path / "lake"), CHICAGO, DirectoryStore(tmp_path / "landing"), start)
    for work in (
        lambda: writer.merge({}, {}),
        lambda: writer.load_history(ListFeed([record(1, "2024-01-05")]), DAYS[0], "run"),
    ):
        with pytest.raises(told) as found:
            work()
        assert type(found.value) is told
        assert "\n" not in str(found.value)


def test_without_spark_that_is_what_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def start() -> SparkSession:
        raise UsageError("Spark is not installed")

    for name in ("pyspark", "pyspark.errors", "py4j", "py4j.protocol"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(UsageError, match="not installed"):
        SparkEngine(Lake(tmp_path), CHICAGO, start).query("SELECT 1")
