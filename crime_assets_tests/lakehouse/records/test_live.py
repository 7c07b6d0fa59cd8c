"""Tables of live reports beside those of cities: who may ask for them, and what upkeep removes of them."""

from __future__ import annotations

import json
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.incidents.chain import ALERTS, DELIVERIES, Chain
from crime_assets.incidents.contract import event_id
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.live import HISTORY, table_of
from crime_assets.lakehouse.records.reports import alerts_without_events
from crime_assets.lakehouse.upkeep.orphans import remove_orphans, remove_orphans_of_live
from crime_assets.lakehouse.writing.fir import add_alerts, merge_reports
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO
from crime_assets_tests.incidents.warehouse.reports import report, write

NOW = datetime(2030, 1, 1, tzinfo=UTC)
ALERT = b'{"alert_id": "a", "revision": 1, "event_ids": [], "raised_at": "2026-01-01T00:00:00+00:00"}\n'


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    store = DirectoryStore(tmp_path / "landing")
    for number in (1, 2):
        write(store, Chain(store, "fir", "E1", DELIVERIES).key(number), [report(n, number) for n in (7, 8, 900)])
        merge_reports(Lake(tmp_path / "lake"), store, "fir", "E1")
    Chain(store, "fir", "E1", ALERTS).write(1, ALERT)
    add_alerts(Lake(tmp_path / "lake"), store, "fir", "E1")
    return Lake(tmp_path / "lake")


def test_they_are_asked_like_other_tables(lake: Lake) -> None:
    engine = DuckDBEngine(lake, CHICAGO, has_cities=True)
    counted = "SELECT version, count(*), min(registered_at) FROM Live.fir_history GROUP BY version"

    assert engine.query(counted).rows == [(2, 3, datetime(2026, 1, 5, 7, 0, 0, 7, UTC))]
    assert engine.query("SELECT alert_id, event_ids FROM live.fir_alerts").rows == [("a", "[]")]


def test_who_may_not_ask_for_other_cities_may_not_ask_for_them(lake: Lake) -> None:
    with pytest.raises(CrimeAssetsError, match="fir_history"):
        DuckDBEngine(lake, CHICAGO).query("SELECT * FROM live.fir_history")


def test_a_lake_without_them_has_none(tmp_path: Path) -> None:
    with pytest.raises(CrimeAssetsError, match="fir_history"):
        DuckDBEngine(Lake(tmp_path / "empty"), CHICAGO, has_cities=True).query("SELECT * FROM live.fir_history")


def test_what_an_alert_names_may_have_a_newer_version_by_now(tmp_path: Path) -> None:
    store, lake = DirectoryStore(tmp_path / "landing"), Lake(tmp_path / "lake")
    new, old = report(1, 3), report(2)
    versions = [event_id(new["fir_id"], version) for version in (1, 2, 3, 4)]
    write(store, Chain(store, "fir", "E1", DELIVERIES).key(1), [{**new, "event_id": versions[2]}, old])
    assert alerts_without_events(lake, NOW, NOW) == (0, [])
    merge_reports(lake, store, "fir", "E1")
    named = {"a": versions[:3], "b": [old["event_id"], versions[3]], "c": [], "d": ["made up"], "e": ["too early"]}
    for number, (alert, events) in enumerate(named.items(), 1):
        raised = NOW - timedelta(hours=number)
        line = {"alert_id": alert, "revision": 1, "event_ids": events, "raised_at": raised.isoformat()}
        Chain(store, "fir", "E1", ALERTS).write(number, json.dumps(line).encode())
    add_alerts(lake, store, "fir", "E1")

    assert alerts_without_events(lake, NOW - timedelta(hours=4), NOW) == (4, ["b", "d"])
    assert alerts_without_events(lake, NOW - timedelta(hours=4), NOW - timedelta(hours=2)) == (2, ["d"])


@pytest.mark.parametrize("is_alone", [False, True])
def test_upkeep_removes_what_no_snapshot_needs(lake: Lake, is_alone: bool) -> None:
    table = table_of(lake, HISTORY)
    assert table is not None
    left = lake.warehouse / "live" / HISTORY / "data" / "left.parquet"
    left.write_bytes(b"left")
    for path in lake.warehouse.rglob("*"):
        os.utime(path, (NOW.timestamp(), NOW.timestamp()))
    before = NOW + timedelta(seconds=1)
    removed = remove_orphans_of_live(lake, before) if is_alone else remove_orphans(lake, CHICAGO, before)[HISTORY]

    assert (removed.files_removed, removed.bytes_removed) == (1, 4)
    assert not left.exists()
    assert table.scan().to_arrow().num_rows == 3
