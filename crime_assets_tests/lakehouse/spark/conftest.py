"""One Spark for all tests that a process runs: starting it takes seconds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.session import missing, spark_settings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

SMALL = {
    # For rows by the dozen: a plan is run once, and compiling it takes longer than running it.
    "spark.driver.extraJavaOptions": "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC",
    "spark.driver.memory": "1g",
    "spark.sql.shuffle.partitions": "1",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}


@pytest.fixture(scope="session")
def spark(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SparkSession]:
    """A session as the profile starts one, for small tables."""
    if reason := missing():
        pytest.skip(reason)
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in {**spark_settings(Lake(tmp_path_factory.mktemp("spark"))), **SMALL}.items():
        builder = builder.config(name, value)
    session = builder.getOrCreate()
    yield session
    session.stop()
