"""The catalog that Spark is shown: what it answers, to whom, and which commits it lets through. No Java needed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing
from http.client import HTTPConnection
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.spark.catalog import CatalogServer
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.lakes import merge, properties, snapshots

if TYPE_CHECKING:
    from pyiceberg.table import Table

CRIMES = "/v1/namespaces/chicago/tables/crimes"


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    lake = Lake(tmp_path / "lake")
    merge(lake, envelope(record(1, "2024-01-20")))
    return lake


@pytest.fixture
def server(lake: Lake) -> Iterator[CatalogServer]:
    with closing(CatalogServer(lake)) as server:
        yield server


def ask(
    server: CatalogServer, method: str, path: str, body: object = None, token: str | None = None
) -> tuple[int, Mapping[str, Any]]:
    headers = {"Authorization": f"Bearer {server.token if token is None else token}"}
    with closing(HTTPConnection(urlsplit(server.uri).netloc, timeout=10)) as connection:
        connection.request(method, path, json.dumps(body) if body is not None else None, headers)
        response = connection.getresponse()
        return response.status, json.loads(response.read())


def snapshot_of(lake: Lake, base: int | None, new_id: int = 77) -> dict[str, Any]:
    """A commit as Spark asks for one: a snapshot on a base, here with the base's own files."""
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    now = table.current_snapshot()
    assert now is not None
    snapshot = {
        "snapshot-id": new_id,
        "parent-snapshot-id": now.snapshot_id,
        "sequence-number": table.metadata.last_sequence_number + 1,
        "timestamp-ms": now.timestamp_ms + 1,
        "manifest-list": now.manifest_list,
        "summary": {"operation": "overwrite", "total-records": "1"},
        "schema-id": 0,
    }
    return {
        "requirements": [
            {"type": "assert-table-uuid", "uuid": str(table.metadata.table_uuid)},
            {"type": "assert-ref-snapshot-id", "ref": "main", "snapshot-id": base},
        ],
        "updates": [
            {"action": "add-snapshot", "snapshot": snapshot},
            {"action": "set-snapshot-ref", "ref-name": "main", "type": "branch", "snapshot-id": new_id},
        ],
    }


def test_a_table_is_shown_as_it_is_now(lake: Lake, server: CatalogServer) -> None:
    for _ in range(2):
        status, found = ask(server, "GET", CRIMES + "?snapshots=all")
        assert (status, found["metadata"]["current-snapshot-id"]) == (200, snapshots(lake)[-1])
        merge(lake, envelope(record(2, "2024-01-21")))

    assert ask(server, "GET", "/v1/config")[0] == 200
    status, found = ask(server, "GET", "/v1/namespaces/chicago/tables/elsewhere")
    assert (status, found["error"]["type"]) == (404, "NoSuchTableException")
    assert ask(server, "GET", "/v1/namespaces/nowhere/tables/crimes")[0] == 404
    assert ask(server, "DELETE", CRIMES)[0] == 404


@pytest.mark.parametrize("token", ["", "wrong"])
def test_nothing_is_shown_to_others(server: CatalogServer, token: str) -> None:
    status, found = ask(server, "GET", CRIMES, token=token)

    assert (status, found["error"]["type"]) == (401, "NotAuthorizedException")
    assert "metadata" not in found


def test_no_body_is_read_that_is_another_s_or_too_large(server: CatalogServer) -> None:
    for token, length, status in (
        ("wrong", "900000000", 401),
        (server.token, "900000000", 413),
        (server.token, "-1", 400),
        (server.token, "1" * 5000, 400),
    ):
        with closing(HTTPConnection(urlsplit(server.uri).netloc, timeout=10)) as connection:
            connection.putrequest("POST", CRIMES)
            connection.putheader("Authorization", f"Bearer {token}")
            connection.putheader("Content-Length", length)
            # Nothing follows: a server that waits for the body would answer nothing in time.
            connection.endheaders()
            response = connection.getresponse()
            assert (response.status, response.headers["Connection"]) == (status, "close")
            assert json.loads(response.read())["error"]["code"] == status


def test_a_commit_that_nobody_expects_is_refused(lake: Lake, server: CatalogServer) -> None:
    before = snapshots(lake)
    wanted = snapshot_of(lake, before[-1])
    assert ask(server, "POST", CRIMES, wanted)[0] == 403

    quarantine = tables.curated(lake, CHICAGO, "crimes_quarantine")
    with server.committing(quarantine, {}):
        assert ask(server, "POST", CRIMES, wanted)[0] == 403
    assert ask(server, "POST", CRIMES, wanted)[0] == 403
    assert snapshots(lake) == before


def test_an_expected_commit_gets_its_properties(lake: Lake, server: CatalogServer) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    marks = {"kind": "days", "run-id": "run-1", tables.HISTORY_MARK: "2024-01-08"}

    with server.committing(table, marks) as expected:
        status, found = ask(server, "POST", CRIMES, snapshot_of(lake, snapshots(lake)[-1]))

    assert (status, found["metadata"]["current-snapshot-id"], expected.snapshot_id) == (200, 77, 77)
    assert properties(lake) == marks
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    assert table.properties["crime-assets.history-before"] == "2024-01-08"
    assert "crime-assets.run-id" not in table.properties


def test_a_commit_on_another_state_is_stale(lake: Lake, server: CatalogServer) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    merge(lake, envelope(record(2, "2024-01-21")))
    before = snapshots(lake)

    # Planned on the state of before, and planned by Spark on the new one, which nobody has looked at.
    for base in before[-2:]:
        with pytest.raises(StalePlan):
            fail_as_spark(server, table, snapshot_of(lake, base))
    assert snapshots(lake) == before


def fail_as_spark(server: CatalogServer, table: Table, wanted: object) -> None:
    with server.committing(table, {}):
        assert ask(server, "POST", CRIMES, wanted)[0] == 409
        raise RuntimeError("what Spark makes of it")


def test_other_errors_stay_what_they_are(lake: Lake, server: CatalogServer) -> None:
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None

    with pytest.raises(RuntimeError, match="no memory"), server.committing(table, {}):
        raise RuntimeError("no memory")
    with server.committing(table, {}):
        status, found = ask(server, "POST", CRIMES, {"requirements": [], "updates": [{"action": "unheard-of"}]})
    assert status in (409, 500)
    assert found["error"]["message"]
