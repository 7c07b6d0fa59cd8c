"""Spark in the process of a run on the aws profile: tables on S3, written by Iceberg's own file system.

It needs the AWS SDK for Java as Iceberg has it bundled, iceberg-aws-bundle of Maven Central, 60 MB: the variable
ICEBERG_AWS_BUNDLE names the file. Skipped where it is not set.
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
from crime_assets_tests.aws.firehose_server import DeliveryStream
from crime_assets_tests.aws.profiles import aws_variables
from crime_assets_tests.aws.servers import Seaweed
from crime_assets_tests.graph import Graph

PROGRAM = Path(sys.executable).with_name("crime-assets")
DAYS = [date(2024, 1, 25), date(2024, 1, 26)]
BUNDLE = os.environ.get("ICEBERG_AWS_BUNDLE")


@pytest.mark.skipif(BUNDLE is None, reason="ICEBERG_AWS_BUNDLE does not name Iceberg's bundle of the AWS SDK for Java")
def test_the_same_tables_as_on_the_local_profile(aws: Seaweed, firehose: DeliveryStream, tmp_path: Path) -> None:
    if reason := missing():
        pytest.skip(reason)
    sample = {"CRIME_FEED": "sample", "CRIME_SAMPLE_ROWS": "2000"}
    local = {"CRIME_HOME": str(tmp_path / "local")} | sample
    remote = aws_variables(aws, firehose, tmp_path / "machine", str(DAYS[0])) | sample
    spark = {"CRIME_ENGINE": "spark", "PYSPARK_SUBMIT_ARGS": f"--driver-class-path {BUNDLE} pyspark-shell"}

    _run(local)
    _run(remote | spark)

    expected, found = (Graph(open_profile(Settings.from_environment(variables))) for variables in (local, remote))
    assert found.contents(*DAYS) == expected.contents(*DAYS)
    assert len(found.rows()) > 2000


def _run(variables: dict[str, str]) -> None:
    command = [PROGRAM, "run", "--from", str(DAYS[0]), "--to", str(DAYS[1])]
    environment = {**os.environ, **variables}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=500, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
