"""The settings Spark is started with, and how it reaches files. No Java is needed here."""

from __future__ import annotations

from pathlib import Path

import pytest

from crime_assets.core.errors import UsageError
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark import session
from crime_assets.lakehouse.spark.session import catalog_settings, file_settings, missing, spark_settings


def test_files_in_a_directory_need_no_settings() -> None:
    assert file_settings({"uri": "sqlite:////lake/catalog.db", "warehouse": "file:///lake/warehouse"}) == {}


def test_files_on_aws_are_reached_with_the_standard_chain() -> None:
    glue = {"type": "glue", "warehouse": "s3://police/lake", "glue.region": "us-east-2"}

    assert file_settings(glue) == {"io-impl": "org.apache.iceberg.aws.s3.S3FileIO", "client.region": "us-east-2"}


def test_another_server_is_reached_by_its_address_and_keys() -> None:
    rest = {
        "type": "rest",
        "uri": "http://127.0.0.1:8181",
        "credential": "key:secret",
        "warehouse": "s3://lake",
        "s3.endpoint": "http://127.0.0.1:8333",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "secret",
        "s3.session-token": "",
        "s3.region": "us-east-1",
    }

    assert file_settings(rest) == {
        "io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
        "s3.endpoint": "http://127.0.0.1:8333",
        "s3.path-style-access": "true",
        "s3.access-key-id": "key",
        "s3.secret-access-key": "secret",
        "client.region": "us-east-1",
    }


def test_the_catalog_is_ours_whatever_the_lakes_is() -> None:
    settings = catalog_settings("lake", "http://127.0.0.1:5", "token", {"uri": "http://elsewhere", "credential": "key"})

    assert settings["spark.sql.catalog.lake"] == "org.apache.iceberg.spark.SparkCatalog"
    assert settings["spark.sql.catalog.lake.uri"] == "http://127.0.0.1:5"
    assert settings["spark.sql.catalog.lake.header.Authorization"] == "Bearer token"
    assert all("elsewhere" not in value and "key" not in value for value in settings.values())


@pytest.mark.slow
def test_what_is_missing_is_said_in_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    empty = tmp_path / "no java"
    empty.mkdir()
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.delenv("PYSPARK_GATEWAY_PORT", raising=False)
    monkeypatch.setenv("PATH", str(empty))
    with pytest.raises(UsageError, match="needs Java 17, but no java was found: install it"):
        spark_settings(Lake(tmp_path / "lake"))

    java = empty / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"21.0.1\" 2023-10-17' >&2\n")
    java.chmod(0o755)
    assert missing() == f"Spark needs Java 17, but {java} is another version: install Java 17 and set JAVA_HOME to it."

    monkeypatch.setattr(session, "find_spec", lambda name: None)
    assert (
        missing() == "Spark is not installed: install crime-assets with its extra, pip install 'crime-assets[spark]'."
    )


def test_machines_and_jars_of_a_cluster_are_its_own_business(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PYSPARK_GATEWAY_PORT", "1234")
    monkeypatch.setenv("PATH", "")

    settings = spark_settings(Lake(tmp_path / "lake"))

    assert settings["spark.sql.session.timeZone"] == "UTC"
    assert not {"spark.master", "spark.jars", "spark.driver.memory", "spark.driver.host"} & settings.keys()
