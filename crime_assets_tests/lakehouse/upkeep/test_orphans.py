"""Orphans: whatever kills and expired snapshots leave behind goes, and never a file that anything still needs."""

from __future__ import annotations

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
from pyiceberg.catalog.sql import SqlCatalog
from pyiceberg.table.update.snapshot import _SnapshotProducer

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.orphans import Removed, remove_orphans
from crime_assets.lakehouse.writing import insights, merge
from crime_assets.lakehouse.writing.history import load_history
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse import lakes
from crime_assets_tests.lakehouse.growing import Growing, contents, on_disk, referred

pytestmark = pytest.mark.slow

NOW = datetime(2030, 1, 1, tzinfo=UTC)
GRACE = timedelta(hours=24)
OLD, YOUNG = NOW - GRACE - timedelta(minutes=1), NOW - GRACE + timedelta(minutes=1)


class Killed(BaseException):
    """No handler of ours or pyiceberg's tidies up after it, as after kill -9."""


def _write(path: Path, at: datetime, content: bytes = b"left") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    os.utime(path, (at.timestamp(), at.timestamp()))
    return path


def _age(lake: Lake, at: datetime) -> None:
    """All files of the lake are from this moment."""
    for path in lake.home.rglob("*"):
        os.utime(path, (at.timestamp(), at.timestamp()))


def test_files_that_no_snapshot_names_go_once_they_are_old(lake: Lake) -> None:
    lakes.merge(lake, envelope(record(1, "2024-01-20")))
    _age(lake, OLD)
    place = lake.home / "warehouse" / "chicago" / "crimes"
    old = [_write(place / name, OLD) for name in ("data/x/a.parquet", "data/b.parquet", "metadata/c.avro", "d.json")]
    young = [_write(place / name, YOUNG) for name in ("data/x/e.parquet", "metadata/f.metadata.json")]
    needed = on_disk(lake) - {str(path) for path in [*old, *young]}

    done = remove_orphans(lake, CHICAGO, NOW - GRACE)

    assert done["crimes"] == Removed(4, 4 * len(b"left"))
    assert on_disk(lake) == needed | {str(path) for path in young}
    assert lakes.versions(lake) == [(1, lakes.rows(lake)[0]["record_md5"])]


def test_a_table_that_cannot_be_read_whole_keeps_everything(lake: Lake) -> None:
    growing = Growing(lake, months=2, insights=())
    growing.begin()
    growing.next_day()
    growing.merge()
    _age(lake, OLD)
    stray = _write(lake.home / "warehouse" / "chicago" / "crimes" / "data" / "a.parquet", OLD)
    table = tables.every(lake, "chicago")["crimes"]
    Path(local_path(table.metadata.snapshots[0].manifest_list)).unlink()
    before = on_disk(lake)
    with pytest.raises(LakeError, match=r"A file that chicago.crimes needs cannot be read .*: restore it"):
        remove_orphans(Lake(lake.home), CHICAGO, NOW - GRACE)
    assert on_disk(lake) == before
    assert stray.exists()
    growing.close()


def test_a_file_is_known_however_its_place_is_written(lake: Lake) -> None:
    """Another engine writes file:/lake where this one writes file:///lake."""
    lakes.merge(lake, envelope(record(1, "2024-01-20")), envelope(record(2, "2024-01-20", "2024-02-05")))
    before = lakes.rows(lake)
    with closing(sqlite3.connect(lake.home / "catalog.db")) as catalog:
        catalog.execute("UPDATE iceberg_tables SET metadata_location = replace(metadata_location, 'file://', 'file:')")
        catalog.commit()
    _age(lake, OLD)
    assert remove_orphans(Lake(lake.home), CHICAGO, NOW)["crimes"] == Removed()
    assert lakes.rows(lake) == before


def test_files_of_a_history_load_that_broke_off_are_kept_and_it_goes_on(lake: Lake) -> None:
    records = [record(n, "2024-01-10", f"2024-0{1 + n % 3}-05") for n in range(40)]
    spool = _write(lake.home / "cache" / "history" / "00000.arrow", OLD)
    with pytest.raises(RuntimeError):
        load_history(lake, CHICAGO, lakes.ListFeed(records, RuntimeError("gone")), date(2024, 1, 20), "r1")
    spilled = _write(lake.staging / "spill" / "duckdb.tmp", OLD)
    other = _write(lake.staging / "history-elsewhere" / "begun.json", OLD)
    _age(lake, OLD)
    written = on_disk(lake)
    assert [path for path in written if path.endswith(".parquet")]

    done = remove_orphans(lake, CHICAGO, NOW - GRACE)

    assert done == {"staging": Removed(2, 8), "landing": Removed()}
    assert on_disk(lake) == written
    assert spool.exists()
    assert not spilled.exists()
    assert not other.exists()

    feed = lakes.ListFeed(records)
    load_history(lake, CHICAGO, feed, date(2024, 1, 20), "r2")
    assert len(feed.asked) < len(feed.parts)
    assert [row["id"] for row in lakes.rows(lake)] == list(range(40))


def test_what_a_finished_history_load_left_goes(lake: Lake) -> None:
    load_history(lake, CHICAGO, lakes.ListFeed([record(1, "2024-01-10")]), date(2024, 1, 20), "r1")
    _age(lake, OLD)
    old = [
        _write(lake.staging / "history-chicago" / "done.jsonl", OLD),
        _write(lake.home / "cache" / "history" / "00000.arrow", OLD),
    ]
    young = _write(lake.home / "cache" / "history" / "00001.arrow", YOUNG)
    replay = _write(lake.home / "cache" / "replay.arrow", OLD)
    done = remove_orphans(lake, CHICAGO, NOW - GRACE)
    assert done == {"crimes": Removed(), "staging": Removed(1, 4), "landing": Removed(), "cache": Removed(1, 4)}
    assert not any(path.exists() for path in old)
    assert young.exists()
    assert replay.exists()


def test_unfinished_objects_go_and_deliveries_stay(lake: Lake) -> None:
    lakes.merge(lake, envelope(record(1, "2024-01-20")))
    day = lake.landing / "raw" / "city=chicago" / "change_day=2024-01-20"
    kept = [_write(day / "a.gz", OLD), _write(day / ".partial-young", YOUNG), _write(day / "b.partial-", OLD)]
    gone = _write(day / ".partial-old", OLD)
    assert remove_orphans(lake, CHICAGO, NOW - GRACE)["landing"] == Removed(1, 4)
    assert all(path.exists() for path in kept)
    assert not gone.exists()


def test_other_cities_and_tables_unknown_to_the_catalog_are_left_alone(lake: Lake) -> None:
    lakes.merge(lake, envelope(record(1, "2024-01-20")))
    _age(lake, OLD)
    places = ("elsewhere/crimes", "chicago/dropped")
    others = [_write(lake.home / "warehouse" / place / "data" / "a.parquet", OLD) for place in places]
    assert remove_orphans(lake, CHICAGO, NOW)["crimes"] == Removed()
    assert all(path.exists() for path in others)


def test_a_lake_with_nothing_in_it_has_no_orphans(lake: Lake) -> None:
    assert remove_orphans(lake, CHICAGO, NOW) == {
        "staging": Removed(),
        "landing": Removed(),
        "cache": Removed(),
    }


@contextmanager
def _killed(patch: pytest.MonkeyPatch, point: str, call: int) -> Iterator[None]:
    """Whatever runs in this context is killed at its `call`-th arrival at the point, unless it ends before that."""
    arrivals = 0

    def arrive() -> None:
        nonlocal arrivals
        arrivals += 1
        if arrivals == call:
            raise Killed(point)

    def before(function: Callable[..., object]) -> Callable[..., object]:
        def dying(*args: object, **kwargs: object) -> object:
            arrive()
            return function(*args, **kwargs)

        return dying

    def after(function: Callable[..., object]) -> Callable[..., object]:
        def dying(*args: object, **kwargs: object) -> object:
            done = function(*args, **kwargs)
            arrive()
            return done

        return dying

    with patch.context() as patched:
        patched.setattr(tables, "discard", lambda paths: None)
        patched.setattr(_SnapshotProducer, "_clean_all_uncommitted", lambda producer: None)
        match point:
            case "data is written":
                patched.setattr(merge, "write_file", after(merge.write_file))
                patched.setattr(compaction, "write_file", after(compaction.write_file))
            case "no snapshot yet":
                patched.setattr(tables, "commit", before(tables.commit))
            case "manifests are written":
                patched.setattr(SqlCatalog, "commit_table", before(SqlCatalog.commit_table))
            case "metadata is written":
                patched.setattr(SqlCatalog, "_write_metadata", staticmethod(after(SqlCatalog._write_metadata)))
            case "it is committed":
                patched.setattr(SqlCatalog, "commit_table", after(SqlCatalog.commit_table))
            case "an insight is next":
                patched.setattr(insights, "_replace", before(insights._replace))
            case "a file is removed":
                patched.setattr(Path, "unlink", after(Path.unlink))
        with suppress(Killed):
            yield


POINTS = (
    "data is written",
    "no snapshot yet",
    "manifests are written",
    "metadata is written",
    "it is committed",
    "an insight is next",
    "a file is removed",
)


def test_no_live_snapshot_ever_loses_a_row(lake: Lake, monkeypatch: pytest.MonkeyPatch) -> None:
    assert live_and_be_killed(lake, monkeypatch, seed=1, steps=14) > 0, "the kills left nothing to be removed"


def live_and_be_killed(lake: Lake, monkeypatch: pytest.MonkeyPatch, seed: int, steps: int) -> int:
    """Merges, kills, compactions, expiries and removals in any order; then what is left is what is needed.

    Returns how many files the kills left that nothing referred to.
    """
    rng = random.Random(seed)
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", 2)
    monkeypatch.setattr(compaction, "MOST_MANIFESTS", 3)
    growing = Growing(lake, seed=seed, months=4)
    growing.begin()
    does = {
        "day": growing.merge,
        "compaction": growing.compact,
        "expiry": lambda: growing.expire(rng.randrange(1, 4)),
        "orphans": growing.remove_orphans,
    }
    seen = contents(lake)
    strays = 0
    for _ in range(steps):
        step = rng.choice([*does, "day"])
        if step == "day":
            growing.next_day()
        known = on_disk(lake)
        with _killed(monkeypatch, rng.choice(POINTS), rng.randrange(1, 4)):
            does[step]()
        strays += len(on_disk(lake) - referred(lake) - known)
        if step == "day":
            growing.merge()
        found = contents(lake)
        assert all(seen[snapshot] == rows for snapshot, rows in found.items() if snapshot in seen)
        seen |= found
        growing.assert_as_told()

    growing.remove_orphans()

    assert on_disk(lake) == referred(lake)
    for table in tables.every(lake, "chicago").values():
        for snapshot in table.metadata.snapshots:
            rows = table.scan(snapshot_id=snapshot.snapshot_id).to_arrow().num_rows
            assert rows == len(seen[table.name()[1], snapshot.snapshot_id])
    growing.assert_as_told()
    growing.close()
    return strays
