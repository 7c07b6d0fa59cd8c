"""Merges that break off at any point, or that another writer overtakes, lose nothing."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing import merge as merging
from crime_assets_tests.lakehouse.lakes import merge, orphans, paths, quarantined, rows, versions
from crime_assets_tests.lakehouse.writing.versions import (
    BEFORE,
    CURATED,
    DAY,
    Crash,
    contents,
    interrupted,
    known,
    model,
    version,
)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    lake = Lake(tmp_path_factory.mktemp("undisturbed"))
    merge(lake, *BEFORE)
    merge(lake, *DAY)
    found = contents(lake)
    assert {name: len(each) for name, each in found.items()} == {
        "crimes": 4,
        "crimes_superseded": 4,
        "crimes_quarantine": 1,
    }
    return found


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CURATED)
def test_a_crash_between_any_two_commits_is_mended_by_running_again(
    lake: Lake, undisturbed: dict[str, Any], monkeypatch: pytest.MonkeyPatch, name: str, when: str
) -> None:
    merge(lake, *BEFORE)
    seen = rows(lake)
    with monkeypatch.context() as patch:
        patch.setattr(tables, "commit", interrupted(name, when))
        with pytest.raises(Crash):
            merge(lake, *DAY)
    broken_off = contents(lake)

    again = merge(lake, *DAY)

    if (name, when) != ("crimes", "after"):
        assert broken_off["crimes"] == seen
        assert again.snapshot_id is not None
    assert contents(lake) == undisturbed
    assert merge(lake, *DAY).snapshot_id is None


_KILLED = """
import os, sys
from pathlib import Path
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets_tests.lakehouse.lakes import merge
from crime_assets_tests.lakehouse.writing.versions import DAY
commit = tables.commit
def dying(table, change):
    if table.name()[-1] == "crimes":
        os.kill(os.getpid(), 9)
    return commit(table, change)
tables.commit = dying
merge(Lake(Path(sys.argv[1])), *DAY)
"""


def test_a_killed_process_loses_nothing_and_leaves_no_lock(lake: Lake, undisturbed: dict[str, Any]) -> None:
    merge(lake, *BEFORE)
    seen = rows(lake)
    root = Path(__file__).parents[3]
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(lake.home)], cwd=root, check=False, timeout=60)

    assert killed.returncode == -9
    assert rows(lake) == seen
    with lake.writing(wait_seconds=0):
        merge(lake, *DAY)
    assert contents(lake) == undisturbed


@pytest.mark.parametrize("name", CURATED)
def test_a_plan_that_another_writer_overtook_is_made_anew(
    lake: Lake, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    merge(lake, *BEFORE)
    theirs = [
        version(1, "2024-01-21", "2024-01-06"),
        version(4, "2024-01-23", "2024-04-06"),
        version(6, "2024-01-22", "2024-02-05"),
        version(7, "2024-01-22", "2024-05-05"),
        version(8, "2024-01-22", ward="V"),
    ]
    commit = tables.commit
    overtakers = [theirs]
    overtaken: list[merging.MergeResult] = []

    def overtake(table: tables.Table, change: Change) -> int:
        # A second lake object on the same directory; the lock lets its own process in.
        if table.name()[-1] == name and overtakers:
            overtaken.append(merge(Lake(lake.home), *overtakers.pop()))
        return commit(table, change)

    monkeypatch.setattr(tables, "commit", overtake)
    result = merge(lake, *DAY)

    everything = [*BEFORE, *DAY, *theirs]
    sound = [line for line in everything if line.record["ward"] == "42"]
    assert versions(lake) == sorted(model(sound).items())
    assert (result.rows, result.quarantined) == (6, 1)
    assert result.superseded + overtaken[0].superseded == len(versions(lake, "crimes_superseded"))
    assert sorted(row["id"] for row in quarantined(lake)) == ["5", "8"]
    kept = versions(lake, "crimes_superseded")
    assert len(kept) == len(set(kept))
    winners = set(model(sound).items())
    days = {line.md5: line.change_day for line in sound}
    lost = {(int(str(line.record["id"])), line.md5) for line in sound} - winners
    assert set(kept) == {(id, md5) for id, md5 in lost if days[md5] < days[dict(winners)[id]]}
    assert orphans(lake) == []


def test_a_merge_that_is_always_overtaken_gives_up_with_a_sentence(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    plans: list[Change] = []

    def late(table: tables.Table, change: Change) -> int:
        plans.append(change)
        tables.discard(change.add)
        raise StalePlan

    monkeypatch.setattr(tables, "commit", late)
    with pytest.raises(LakeBusy, match="run again later"):
        merge(lake, *BEFORE)

    assert len(plans) == 5
    assert orphans(lake) == []
    assert rows(lake) == []


def test_a_commit_on_an_outdated_table_fails_and_takes_its_files_along(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    merge(lake, version(1, "2024-01-20"))
    outdated = tables.load(lake, "chicago", "crimes")
    assert outdated is not None
    merge(lake, version(2, "2024-01-20", "2024-02-05"))
    path = tables.new_data_path(outdated, "occurred_month=2024-01")
    path.write_bytes(Path(paths(lake)["2024-01"]).read_bytes())

    # Adding only would be no conflict for Iceberg, but would be a second row of id 1 for us.
    with pytest.raises(StalePlan):
        tables.commit(outdated, Change((), (path,), {}))

    assert not path.exists()
    assert "retrying" not in caplog.text
    assert [row["id"] for row in rows(lake)] == [1, 2]


def merge_some(home: Path, first: int) -> None:
    """What each of several writers does: merges of its own records, one after another."""
    lake = Lake(home)
    for number in range(first, first + 2):
        merge(lake, version(number, "2024-01-20"), version(0, f"2024-01-20T00:00:00.{number:03}"))


def test_processes_that_merge_at_once_lose_nothing(lake: Lake) -> None:
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=merge_some, args=(lake.home, first)) for first in (10, 20, 30)]

    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=120)

    assert [writer.exitcode for writer in writers] == [0, 0, 0]
    assert [row["id"] for row in rows(lake)] == [0, 10, 11, 20, 21, 30, 31]
    assert known(lake)[0] == datetime(2024, 1, 20, 0, 0, 0, 31000)


def test_threads_that_merge_at_once_lose_nothing(lake: Lake) -> None:
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda first: merge_some(lake.home, first), (10, 20, 30)))

    assert [row["id"] for row in rows(lake)] == [0, 10, 11, 20, 21, 30, 31]
