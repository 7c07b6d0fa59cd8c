"""A Trino server that somebody started: TRINO_URL names it, `make test-trino` says how. It must take catalogs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from crime_assets.lakehouse.place.lake import Lake, Remote
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY, Seaweed

TRINO_URL = os.environ.get("TRINO_URL", "")
TRINO_RULES = os.environ.get("TRINO_RULES", "")
"""The file with the server's access rules, if it has one that we may write."""
ADMIN = "test"


def cursor(user: str = ADMIN, **where: str) -> Any:
    """A cursor of a user, in a `catalog` and a `schema`."""
    from trino.dbapi import connect

    place = urlsplit(TRINO_URL)
    return connect(host=place.hostname, port=place.port, http_scheme=place.scheme, user=user, **where).cursor()


def remote_lake(seaweed: Seaweed, directory: Path) -> Lake:
    """A new lake on SeaweedFS's REST catalog."""
    catalog = {
        "type": "rest",
        "uri": seaweed.catalog,
        "oauth2-server-uri": f"{seaweed.catalog}/v1/oauth/tokens",
        "credential": f"{ACCESS_KEY}:{SECRET_KEY}",
        "warehouse": f"s3://{seaweed.table_bucket()}/",
        "s3.endpoint": seaweed.s3,
        "s3.region": REGION,
        "s3.access-key-id": ACCESS_KEY,
        "s3.secret-access-key": SECRET_KEY,
    }
    return Lake(directory / "home", Remote("s3://lake", DirectoryStore(directory / "documents"), catalog))


@contextmanager
def trino_knows(lake: Lake, name: str, **more: str) -> Iterator[None]:
    """The lake's catalog, made known to the server (catalog.management=dynamic); `more` are properties of it."""
    found = lake.catalog.properties
    settings = {
        "iceberg.catalog.type": "rest",
        "iceberg.rest-catalog.uri": found["uri"],
        "iceberg.rest-catalog.warehouse": found["warehouse"],
        "iceberg.rest-catalog.security": "OAUTH2",
        "iceberg.rest-catalog.oauth2.credential": found["credential"],
        "iceberg.rest-catalog.oauth2.server-uri": found["oauth2-server-uri"],
        "fs.native-s3.enabled": "true",
        "s3.endpoint": found["s3.endpoint"],
        "s3.region": REGION,
        "s3.path-style-access": "true",
        "s3.aws-access-key": ACCESS_KEY,
        "s3.aws-secret-key": SECRET_KEY,
        **more,
    }
    server = cursor()
    server.execute(f"DROP CATALOG IF EXISTS {name}")
    server.fetchall()
    values = ", ".join(f"\"{key}\" = '{value}'" for key, value in settings.items())
    server.execute(f"CREATE CATALOG {name} USING iceberg WITH ({values})")
    server.fetchall()
    try:
        yield
    finally:
        server.execute(f"DROP CATALOG {name}")
        server.fetchall()
