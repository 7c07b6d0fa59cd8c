"""A server that refuses what DynamoDB refuses, which somebody started: DYNAMODB_URL names it, `make test-dynamodb`
says how. moto takes nearly everything."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY

DYNAMODB_URL = os.environ.get("DYNAMODB_URL", "")
is_there = pytest.mark.skipif(not DYNAMODB_URL, reason="DYNAMODB_URL names no strict server: see `make test-dynamodb`")


@pytest.fixture
def strict_table(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a table that is not there yet; afterwards it is not there again."""
    for name, value in {
        "AWS_ENDPOINT_URL_DYNAMODB": DYNAMODB_URL,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": REGION,
    }.items():
        monkeypatch.setenv(name, value)
    name = f"documents-{uuid.uuid4().hex[:12]}"
    yield name
    client: Any = boto3.client("dynamodb")
    if name in client.list_tables()["TableNames"]:
        client.delete_table(TableName=name)
