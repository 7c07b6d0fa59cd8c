"""The settings that a Spark session needs for a lake, and what must be installed. No session is started here."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING

from crime_assets.core.errors import UsageError

if TYPE_CHECKING:
    from crime_assets.lakehouse.place.lake import Lake

_JAVA = "17"
_ICEBERG = "iceberg-spark-runtime-3.5_2.12-1.10.2.jar"

STATEMENTS = {
    "spark.sql.session.timeZone": "UTC",
    # What DuckDB and Athena reject, such as a number that does not fit, must not become NULL silently.
    "spark.sql.ansi.enabled": "true",
    "spark.sql.legacy.timeParserPolicy": "CORRECTED",
    # Spark would replace ${…} in a text by settings and variables after the text was checked.
    "spark.sql.variable.substitute": "false",
}
"""What the statements of sql/ rely on; set for every session of ours, whoever started Spark."""

_SESSION = {
    "spark.sql.extensions": "org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions",
    "spark.log.level": "ERROR",
    "spark.ui.showConsoleProgress": "false",
}

_FILE_SETTINGS = {
    "s3.endpoint": "s3.endpoint",
    "s3.access-key-id": "s3.access-key-id",
    "s3.secret-access-key": "s3.secret-access-key",
    "s3.session-token": "s3.session-token",
    "s3.region": "client.region",
    "client.region": "client.region",
    "glue.region": "client.region",
}
"""Property of a pyiceberg catalog → its name for Iceberg's own file readers and writers; the last one given wins."""


def missing() -> str | None:
    """What must be installed before Spark can run here, as a sentence; None if everything is."""
    if any(find_spec(name) is None for name in ("pyspark", "snowpark_connect_deps_iceberg")):
        return "Spark is not installed: install crime-assets with its extra, pip install 'crime-assets[spark]'."
    home = os.environ.get("JAVA_HOME")
    java = shutil.which("java", path=f"{home}/bin" if home else None)
    if java is None:
        return (
            f"Spark needs Java {_JAVA}, but no java was found: install it, and set JAVA_HOME if it is not on the PATH."
        )
    if _java_version(java) != _JAVA:
        return f"Spark needs Java {_JAVA}, but {java} is another version: install Java {_JAVA} and set JAVA_HOME to it."
    return None


def spark_settings(lake: Lake) -> dict[str, str]:
    """The settings to start Spark with: on a cluster that runs this program, or else in this process.

    UsageError says what must be installed for the latter. `attached` sets what is particular to the lake.
    """
    settings = {**_SESSION, **STATEMENTS}
    # Set by spark-submit: the cluster decides about machines, memory and Iceberg's jars.
    if "PYSPARK_GATEWAY_PORT" in os.environ:
        return settings
    if reason := missing():
        raise UsageError(reason)
    # Maven Central has no bundle of 1.10.2; that of 1.10.1 works with it (test_on_s3.py).
    if lake.is_remote and "iceberg-aws-bundle" not in os.environ.get("PYSPARK_SUBMIT_ARGS", ""):
        raise UsageError(
            "Spark in this process cannot reach S3 without Iceberg's AWS bundle: let a job do the work "
            "(CRIME_SPARK_JOB), or set PYSPARK_SUBMIT_ARGS="
            "'--driver-class-path /path/to/iceberg-aws-bundle-1.10.1.jar pyspark-shell'."
        )
    from snowpark_connect_deps_iceberg import get_jar_path  # type: ignore[import-untyped]

    lake.staging.mkdir(parents=True, exist_ok=True)
    processors = os.cpu_count() or 1
    return {
        **settings,
        "spark.master": f"local[{processors}]",
        "spark.app.name": "crime-assets",
        "spark.jars": str(get_jar_path(_ICEBERG)),
        "spark.driver.memory": "3g",
        "spark.driver.host": "127.0.0.1",
        "spark.driver.bindAddress": "127.0.0.1",
        "spark.ui.enabled": "false",
        "spark.local.dir": str(lake.staging / "spark"),
        "spark.sql.warehouse.dir": str(lake.staging / "spark"),
        # 200, the default, is for clusters: here most of them would be empty.
        "spark.sql.shuffle.partitions": str(2 * processors),
    }


def catalog_settings(name: str, uri: str, token: str, properties: Mapping[str, str]) -> dict[str, str]:
    """Settings that give a session a catalog called `name`, which is served at `uri` (catalog.py).

    `properties` are those of the lake's own catalog; Spark needs the ones that say how files are reached.
    """
    settings = {
        "": "org.apache.iceberg.spark.SparkCatalog",
        ".type": "rest",
        ".uri": uri,
        ".header.Authorization": f"Bearer {token}",
        ".rest.auth.type": "none",
        ".rest-metrics-reporting-enabled": "false",
        # Other writers commit between two queries.
        ".cache-enabled": "false",
        **{f".{key}": value for key, value in file_settings(properties).items()},
    }
    return {f"spark.sql.catalog.{name}{key}": value for key, value in settings.items()}


def file_settings(properties: Mapping[str, str]) -> dict[str, str]:
    """How Iceberg for Java reaches the files that pyiceberg reaches by these properties of a catalog."""
    settings = {theirs: properties[ours] for ours, theirs in _FILE_SETTINGS.items() if properties.get(ours)}
    if "s3.endpoint" in settings:
        # Servers other than AWS have no host name per bucket.
        settings["s3.path-style-access"] = "true"
    if str(properties.get("warehouse", "")).startswith("s3"):
        settings["io-impl"] = "org.apache.iceberg.aws.s3.S3FileIO"
    return settings


@cache
def _java_version(java: str) -> str | None:
    said = subprocess.run([java, "-version"], check=False, capture_output=True, text=True).stderr  # noqa: S603
    found = re.search(r'version "(\d+)', said)
    return found[1] if found else None
