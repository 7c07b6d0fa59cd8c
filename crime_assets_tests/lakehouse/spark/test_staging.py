"""Tables of raw records for Spark: there while they are needed, and cleaning up decides nothing. No Java needed."""

from __future__ import annotations

import pytest
from pyiceberg.exceptions import NoSuchTableError, ServerError

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.spark import staging
from crime_assets.lakehouse.spark.staging import namespace, staged
from crime_assets_tests.build import CHICAGO


def left(lake: Lake) -> list[str]:
    return tables.names(lake, namespace(CHICAGO))


def leave_one(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a run that is killed leaves."""
    with monkeypatch.context() as patch, staged(lake, CHICAGO, RAW_RECORDS):
        patch.setattr(lake.catalog, "purge_table", lambda name: None)
    monkeypatch.undo()


@pytest.mark.parametrize(("error", "is_told"), [(ServerError("500"), True), (NoSuchTableError("gone"), False)])
def test_a_table_that_cannot_be_removed_decides_nothing(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, error: Exception, is_told: bool
) -> None:
    def refuse(name: object) -> None:
        raise error

    monkeypatch.setattr(lake.catalog, "purge_table", refuse)
    with staged(lake, CHICAGO, RAW_RECORDS):
        pass
    with pytest.raises(RuntimeError, match="the reason"), staged(lake, CHICAGO, RAW_RECORDS):
        raise RuntimeError("the reason")
    # A leftover, old enough to be swept.
    monkeypatch.setattr(staging, "_LEFT_BEHIND", -staging._LEFT_BEHIND)
    with staged(lake, CHICAGO, RAW_RECORDS):
        pass

    told = [record for record in caplog.records if record.levelname == "WARNING"]
    assert [record.name for record in told] == ["crime_assets.lakehouse.spark.staging"] * (5 if is_told else 0)


def test_what_a_killed_run_left_is_swept_a_day_later(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    leave_one(lake, monkeypatch)
    with staged(lake, CHICAGO, RAW_RECORDS) as table:
        assert len(left(lake)) == 2
        assert table.name()[1] in left(lake)
    assert len(left(lake)) == 1

    monkeypatch.setattr(staging, "_LEFT_BEHIND", -staging._LEFT_BEHIND)
    with staged(lake, CHICAGO, RAW_RECORDS) as table:
        assert left(lake) == [table.name()[1]]
    assert left(lake) == []
