"""The real export of three years, 767,264 rows, by Spark and by DuckDB: the same tables and the same insights.

Minutes of work on two cores: run by `make stress`.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.session import missing, spark_settings
from crime_assets_tests.lakehouse.spark.exported import differing_insights, of_export
from crime_assets_tests.lakehouse.spark.pairs import contents

if TYPE_CHECKING:
    from pyspark.sql import SparkSession


@pytest.mark.stress
def test_three_years_end_alike(tmp_path: Path, shared_data: Path, thrown: Callable[[str, object], None]) -> None:
    if reason := missing():
        pytest.skip(reason)
    days = [date(2018, 11, day) for day in range(10, 20)]

    pair = of_export(_session(tmp_path), tmp_path, shared_data / "chicago" / "Crimes_-_201[678].csv.gz", days)

    assert not (told := pair.differing()), told
    assert len(contents(pair.spark.lake, "crimes")) == 767_264
    for day in (days[0], days[-1]):
        assert not (told := "\n".join(differing_insights(pair, day))), told
    pair.close()
    thrown("rows of the real export, loaded and merged by Spark as by DuckDB, with all insights", f"{767_264:,}")


def _session(directory: Path) -> SparkSession:
    from pyspark.sql import SparkSession

    builder = SparkSession.builder
    for name, value in spark_settings(Lake(directory / "spark")).items():
        builder = builder.config(name, value)
    return builder.getOrCreate()
