"""Spark in the process of a run on the aws profile: tables on S3, written by Iceberg's own file system.

It needs the AWS SDK for Java as Iceberg has it bundled, iceberg-aws-bundle 1.10.1 of Maven Central, 60 MB, which has
none of 1.10.2: the variable ICEBERG_AWS_BUNDLE names the file. Skipped without it.
"""

from __future__ import annotations

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from crime_assets.lakehouse.spark.session import missing
from crime_assets.profiles import Settings, open_profile
from crime_assets_tests.build import record, write_export
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.profiles import aws_variables
from crime_assets_tests.cloud.aws.servers import Seaweed
from crime_assets_tests.graph import Graph

PROGRAM = Path(sys.executable).with_name("crime-assets")
DAYS = [date(2024, 1, 25), date(2024, 1, 26)]
BUNDLE = os.environ.get("ICEBERG_AWS_BUNDLE")


@pytest.mark.skipif(BUNDLE is None, reason="ICEBERG_AWS_BUNDLE does not name Iceberg's bundle of the AWS SDK for Java")
def test_the_same_tables_as_on_the_local_profile(aws: Seaweed, firehose: DeliveryStream, tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    export = {"CRIME_FEED": "export", "CRIME_EXPORT": str(write_export(tmp_path / "crimes.csv", _crimes()))}
    local = {"CRIME_HOME": str(tmp_path / "local")} | export
    remote = aws_variables(aws, firehose, tmp_path / "machine", str(DAYS[0])) | export
    spark = remote | {"CRIME_ENGINE": "spark"}

    without = _run(spark)
    assert (without.returncode, without.stderr.count("\n")) == (2, 1), without.stderr
    assert "cannot reach S3 without Iceberg's AWS bundle" in without.stderr
    for variables in (local, spark | {"PYSPARK_SUBMIT_ARGS": f"--driver-class-path {BUNDLE} pyspark-shell"}):
        done = _run(variables)
        assert done.returncode == 0, done.stdout + done.stderr

    expected, found = (Graph(open_profile(Settings.from_environment(variables))) for variables in (local, remote))
    assert found.contents(*DAYS) == expected.contents(*DAYS)
    assert [len(found.rows(name)) for name in ("crimes", "crimes_superseded", "crimes_quarantine")] == [320, 2, 2]


def _crimes() -> list[dict[str, object]]:
    """A history of a year and two days that edit it, and what cannot be typed."""
    crimes = [
        record(n, "2024-01-10", f"2023-{1 + n % 12:02}-{1 + n % 28:02}T{n % 24:02}:30:00", district=f"{1 + n % 7:03}")
        for n in range(300)
    ]
    crimes += [
        record(300 + n, str(DAYS[n % 2]), "2024-01-15", primary_type="BATTERY", fbi_code="08B") for n in range(20)
    ]
    edited = [record(5, str(DAYS[0]), "2023-06-06", arrest=True), record(6, str(DAYS[1]), "2023-07-07", domestic=True)]
    return [*crimes, *edited, record(998, "2024-01-10", ward="x"), record(999, str(DAYS[1]), ward="x")]


def _run(variables: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [PROGRAM, "run", "--from", str(DAYS[0]), "--to", str(DAYS[1])]
    environment = {**os.environ, **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
