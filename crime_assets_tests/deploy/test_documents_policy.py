"""The policy of the table of documents allows what a migration asks of AWS, and nothing else."""

from __future__ import annotations

import json
import random
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.client import BaseClient

from crime_assets.cloud.aws.clients import Clients
from crime_assets.migration import Quarantined, Road
from crime_assets.migration import export as exporting
from crime_assets.migration.export import export
from crime_assets.migration.finish import finish
from crime_assets.migration.follow import catch_up
from crime_assets.migration.load import load
from crime_assets.migration.status import status
from crime_assets.migration.stores import EMPTY
from crime_assets.migration.stores.dynamodb import DynamoStore
from crime_assets.migration.stores.lease import Pace
from crime_assets.migration.verify import verify
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.migration.roads import change, filled, quiet, road_of
from crime_assets_tests.migration.stores.test_contract import item, items
from crime_assets_tests.migration.stores.test_dynamodb import INDEXED
from crime_assets_tests.migration.tiny import LABEL

POLICIES = Path(__file__).parents[2] / "deploy" / "aws"
TABLE, BUCKET = "crime-documents", "your-crimes-lake"
pytestmark = pytest.mark.slow


@pytest.fixture
def asked(moto: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, set[str]]]:
    """Operations by service, and which keys of S3 were deleted."""
    found: dict[str, set[str]] = defaultdict(set)
    call = BaseClient._make_api_call

    def recorded(client: Any, operation: str, given: dict[str, Any]) -> Any:
        found[client.meta.service_model.service_name].add(operation)
        if operation == "DeleteObject":
            found["deleted"].add(given["Key"])
        if client.meta.service_model.service_name == "dynamodb":
            assert given.get("TableName", TABLE) == TABLE
            assert "IndexName" not in given, "a permission for an index would be another one"
        return call(client, operation, given)

    boto3.client("s3").create_bucket(Bucket=BUCKET)
    with monkeypatch.context() as patched:
        patched.setattr(BaseClient, "_make_api_call", recorded)
        yield found


def test_the_policy_allows_what_is_asked_and_nothing_else(
    asked: dict[str, set[str]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _migrate(tmp_path, monkeypatch)
    allowed = _statements("documents-policy.json")
    used = {f"dynamodb:{operation}" for operation in asked["dynamodb"]}
    assert used == {*allowed["KeepDocuments"]["Action"]}
    assert allowed["KeepDocuments"]["Resource"].endswith(":table/${CRIME_DOCUMENTS}")
    place = allowed["RemoveOldExports"]["Resource"].removeprefix("arn:aws:s3:::${CRIME_BUCKET}/").removesuffix("*")
    assert allowed["RemoveOldExports"]["Action"] == "s3:DeleteObject"
    assert asked["deleted"]
    assert all(key.startswith(place) for key in asked["deleted"]), place
    # What it does with other objects is among what the program may anyway.
    of_data = {action for one in _statements("data-policy.json").values() for action in [*one["Action"]]}
    names = {"ListObjectsV2": "ListBucket", "HeadObject": "GetObject"}
    others = {f"s3:{names.get(operation, operation)}" for operation in asked["s3"] - {"DeleteObject"}}
    assert others <= of_data


def _statements(name: str) -> dict[str, Any]:
    return {one["Sid"]: one for one in json.loads((POLICIES / name).read_text())["Statement"]}


def _migrate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every step, and all that a store can be asked."""
    database, draw = filled(30), random.Random(1)
    landing = S3Store(Clients("us-east-1").client("s3"), BUCKET, "landing")
    # The table is older than one of the mapping's indexes.
    with DynamoStore(Clients("us-east-1"), TABLE, (replace(INDEXED, indexes=()), LABEL)).hold():
        pass
    store = DynamoStore(Clients("us-east-1"), TABLE, (INDEXED, LABEL), Pace(beat=0.05))
    road: Road = replace(road_of(tmp_path, database, store, (INDEXED, LABEL)), landing=landing)
    load(road, quiet)
    for _ in range(40):
        change(database, draw)
    catch_up(road)
    with store.hold():
        store.put(items(item("case#999"), item("case#999", "notes#000001")), None)
        store.set_aside([Quarantined("case#1", "long", "{}")])
        store.release(["case#1"])
        store.replace(["case#998"], EMPTY, None)
    assert verify(road, False, quiet).differences
    assert verify(road, True, quiet).verified
    monkeypatch.setattr(exporting, "_KEPT", 1)
    for _ in range(2):
        export(road)
    assert status(road)
    finish(road)
    assert re.fullmatch(r"\d{13}-[0-9a-f]{8}", store.progress().exported)  # type: ignore[union-attr]
