"""Expiry: the past goes once it is old enough, and never what an insight still needs to tell what changed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace

import pytest

from crime_assets.core.errors import LakeBusy
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.upkeep.expiry import Expired, expire
from crime_assets.lakehouse.writing.insights import replace_days, stale_days
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.growing import SUMMARY, TYPES, Growing, contents
from crime_assets_tests.lakehouse.lakes import merge, snapshots

pytestmark = pytest.mark.slow

LATER = timedelta(days=1)


@pytest.fixture
def growing(lake: Lake) -> Iterator[Growing]:
    grown = Growing(lake, months=3)
    grown.begin()
    yield grown
    grown.close()


def _days(growing: Growing, count: int) -> None:
    for _ in range(count):
        growing.next_day()
        growing.merge()


def _moment(lake: Lake, snapshot_id: int) -> datetime:
    snapshot = tables.every(lake, "chicago")["crimes"].snapshot_by_id(snapshot_id)
    assert snapshot is not None
    return datetime.fromtimestamp(snapshot.timestamp_ms / 1000, UTC)


def test_what_was_replaced_before_the_moment_goes_and_all_else_stays(lake: Lake, growing: Growing) -> None:
    _days(growing, 4)
    before = contents(lake)
    past = snapshots(lake)
    assert len(past) == 5

    done = expire(lake, CHICAGO, [SUMMARY], growing.moments[3])

    # The third day's was the present one when the fourth day began.
    assert snapshots(lake) == past[2:]
    assert done["crimes"] == Expired(2, ())
    left = contents(lake)
    assert left.items() <= before.items()
    assert {name: len([key for key in before if key[0] == name and key not in left]) for name in done} == {
        name: found.snapshots_removed for name, found in done.items()
    }
    growing.assert_as_told()


def test_every_moment_since_then_can_still_be_asked_for(lake: Lake, growing: Growing) -> None:
    _days(growing, 3)
    engine = DuckDBEngine(lake, CHICAGO)
    moments = [moment.isoformat() for moment in growing.moments[2:]]
    before = [engine.query("SELECT id, record_md5 FROM crimes ORDER BY id", moment).rows for moment in moments]
    assert len({len(found) for found in before}) == len(moments)

    expire(lake, CHICAGO, [SUMMARY], growing.moments[2])

    assert len(snapshots(lake)) == 3
    assert [engine.query("SELECT id, record_md5 FROM crimes ORDER BY id", moment).rows for moment in moments] == before
    engine.close()


def test_the_present_snapshot_stays_however_old(lake: Lake, growing: Growing) -> None:
    _days(growing, 2)
    done = expire(lake, CHICAGO, [SUMMARY], datetime.now(UTC) + LATER)
    assert {name: len(snapshots(lake, name)) for name in done} == dict.fromkeys(done, 1)
    assert stale_days(lake, CHICAGO, SUMMARY) == []
    growing.assert_as_told()


def test_expiring_again_forgets_nothing_more(lake: Lake, growing: Growing) -> None:
    _days(growing, 2)
    expire(lake, CHICAGO, [SUMMARY], growing.moments[1])
    left = {name: table.metadata_location for name, table in tables.every(lake, "chicago").items()}
    done = expire(lake, CHICAGO, [SUMMARY], growing.moments[1])
    assert {found.snapshots_removed for found in done.values()} == {0}
    assert {name: table.metadata_location for name, table in tables.every(lake, "chicago").items()} == left


def test_what_came_after_an_insight_was_computed_stays_until_it_has_seen_it(lake: Lake, growing: Growing) -> None:
    _days(growing, 2)
    growing.insights = ()
    _days(growing, 3)
    stale = stale_days(lake, CHICAGO, SUMMARY)
    assert stale == []
    # A change of the day before the last that the insight has: only these two are stale.
    days = [growing.day - timedelta(days=4), growing.day - timedelta(days=3)]
    merge(lake, envelope(record(5000, str(days[0])), str(days[0])))
    past = snapshots(lake)
    now = datetime.now(UTC) + LATER

    done = expire(lake, CHICAGO, [SUMMARY], now)

    assert stale_days(lake, CHICAGO, SUMMARY) == days
    assert snapshots(lake) == past[2:]
    assert done["crimes"] == Expired(2, (SUMMARY.table,))
    assert done["crimes_superseded"].kept_for == (SUMMARY.table,)

    growing.insights = (SUMMARY,)
    growing.compute()
    assert expire(lake, CHICAGO, [SUMMARY], now)["crimes"] == Expired(4, ())


def test_the_insight_that_is_furthest_behind_decides(lake: Lake, growing: Growing) -> None:
    engine = DuckDBEngine(lake, CHICAGO)
    replace_days(lake, CHICAGO, TYPES, {growing.day: engine.insight(TYPES, growing.day)})
    engine.close()
    _days(growing, 3)
    past = snapshots(lake)
    now = datetime.now(UTC) + LATER

    assert expire(lake, CHICAGO, [SUMMARY, TYPES], now)["crimes"] == Expired(0, (TYPES.table,))
    assert snapshots(lake) == past
    # It knew of no superseded version: the first that came is news to it.
    assert len(snapshots(lake, "crimes_superseded")) == 3

    # An insight that is no longer among the files waits for nobody.
    assert expire(lake, CHICAGO, [SUMMARY], now)["crimes"] == Expired(3, ())
    assert snapshots(lake, "crimes_superseded") == snapshots(lake, "crimes_superseded")[-1:]


def test_a_snapshot_that_an_insight_knew_and_that_is_gone_holds_nothing_back(lake: Lake, growing: Growing) -> None:
    growing.insights = ()
    _days(growing, 3)
    table = tables.every(lake, "chicago")["crimes"]
    tables.drop_snapshots(table, snapshots(lake)[:2])
    assert expire(lake, CHICAGO, [SUMMARY], datetime.now(UTC) + LATER)["crimes"] == Expired(1, ())


def test_a_clock_that_went_back_leaves_no_gap(lake: Lake, growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    _days(growing, 1)
    past = snapshots(lake)
    early = (growing.moments[0] - LATER).timestamp()
    with monkeypatch.context() as patch:
        patch.setattr("pyiceberg.table.snapshots.time", SimpleNamespace(time=lambda: early))
        _days(growing, 1)
    _days(growing, 1)
    assert _moment(lake, snapshots(lake)[2]) < _moment(lake, past[0])
    expire(lake, CHICAGO, [SUMMARY], growing.moments[1])
    assert snapshots(lake) == [*past, *snapshots(lake)[2:]]
    growing.assert_as_told()


def test_another_writer_in_between_is_said(lake: Lake, growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.exceptions import CommitFailedException

    def overtaken(*_: object) -> None:
        raise CommitFailedException("Table has been updated by another process")

    _days(growing, 1)
    monkeypatch.setattr(SqlCatalog, "commit_table", overtaken)
    with pytest.raises(
        LakeBusy, match=r"Another writer changed chicago.crimes while its snapshots were being checked: run"
    ):
        expire(lake, CHICAGO, [SUMMARY], datetime.now(UTC) + LATER)


def test_a_lake_with_nothing_in_it_has_no_past(lake: Lake) -> None:
    assert expire(lake, CHICAGO, [SUMMARY], datetime.now(UTC)) == {}
    tables.curated(lake, CHICAGO, "crimes")
    assert expire(lake, CHICAGO, [SUMMARY], datetime.now(UTC)) == {"crimes": Expired(0, ())}
