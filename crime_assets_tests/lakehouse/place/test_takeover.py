"""A lake that lies elsewhere than it says: moved, copied, linked. It works as itself, and harms no other."""

from __future__ import annotations

import errno
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from pathlib import Path

import fastavro
import pytest
from pyiceberg.table import Table

from crime_assets.core.errors import FeedUnavailable, LakeError
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place import belonging, takeover
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.lakehouse.writing.insights import stale_days
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.growing import SUMMARY, Growing
from crime_assets_tests.lakehouse.lakes import ListFeed, orphans, quarantined, rows, snapshots

pytestmark = pytest.mark.slow

STATE = CityState("export", "2024-01-20", 10, 7)
Bytes = dict[str, bytes]


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Growing:
    """A lake with some days, some past and some upkeep behind it; tests copy it."""
    lake = Lake(tmp_path_factory.mktemp("grown") / "lake")
    lake.begin_city("chicago", STATE)
    growing = Growing(lake, months=3)
    growing.begin()
    for _ in range(3):
        growing.next_day()
        growing.merge()
    growing.compact()
    growing.expire(keep_days=2)
    growing.close()
    return growing


@pytest.fixture
def original(grown: Growing, tmp_path: Path) -> Growing:
    """The same as `grown`, in a place of its own, where it has been taken over."""
    growing = grown.again(Lake(copied(grown.lake.home, tmp_path / "original")))
    assert rows(growing.lake)
    return growing


def copied(home: Path, to: Path) -> Path:
    shutil.copytree(home, to, symlinks=True)
    return to


def contents(home: Path) -> Bytes:
    """Every file below a directory; the lock says who held it last."""
    return {
        str(path.relative_to(home)): path.read_bytes()
        for path in home.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


def locations(lake: Lake) -> Iterator[str]:
    """Every location that the present tables name, directly or through what they list."""
    for table in tables.every(lake, "chicago").values():
        yield from (table.location(), table.metadata_location)
        yield from (entry.metadata_file for entry in table.metadata.metadata_log)
        for snapshot in table.metadata.snapshots:
            yield snapshot.manifest_list
            for manifest in snapshot.manifests(table.io):
                yield manifest.manifest_path
                yield from (entry.data_file.file_path for entry in manifest.fetch_manifest_entry(table.io, False))


def a_day_and_its_night(growing: Growing) -> None:
    growing.next_day()
    growing.merge()
    growing.upkeep(keep_days=1)
    growing.assert_as_told()


@pytest.mark.slow
def test_a_copy_lives_on_beside_what_it_was_made_of(original: Growing, tmp_path: Path) -> None:
    copy = original.again(Lake(copied(original.lake.home, tmp_path / "copy")))
    a_day_and_its_night(original)
    before = contents(original.lake.home)

    for _ in range(3):
        a_day_and_its_night(copy)

    assert contents(original.lake.home) == before
    assert {location.startswith(f"file://{tmp_path}/copy/warehouse/") for location in locations(copy.lake)} == {True}
    a_day_and_its_night(original)
    assert len(rows(original.lake)) < len(rows(copy.lake))
    original.close()
    copy.close()


def test_what_is_taken_over_is_the_same_in_all_its_past(grown: Growing, tmp_path: Path) -> None:
    """Snapshots keep their ids and rows, and no insight has to be computed again."""
    lake = Lake(copied(grown.lake.home, tmp_path / "copy"))

    for name in ("crimes", "crimes_superseded", "crimes_quarantine", SUMMARY.table):
        assert snapshots(lake, name) == snapshots(grown.lake, name)
        assert rows(lake, name) == rows(grown.lake, name)
        one, other = tables.load(lake, "chicago", name), tables.load(grown.lake, "chicago", name)
        assert one is not None
        assert other is not None
        for snapshot in snapshots(lake, name):
            assert one.scan(snapshot_id=snapshot).to_arrow() == other.scan(snapshot_id=snapshot).to_arrow()
        assert one.metadata.table_uuid == other.metadata.table_uuid
        assert one.properties == other.properties
    assert stale_days(lake, CHICAGO, SUMMARY) == []


def test_manifests_keep_all_that_is_in_them(grown: Growing, tmp_path: Path) -> None:
    """Also what pyiceberg has no field for: schema, properties and values beside the paths are the same."""
    lake = Lake(copied(grown.lake.home, tmp_path / "copy"))
    table, old = tables.load(lake, "chicago", "crimes"), tables.load(grown.lake, "chicago", "crimes")
    assert table is not None
    assert old is not None
    for one, other in zip(table.metadata.snapshots, old.metadata.snapshots, strict=True):
        pairs = zip(one.manifests(table.io), other.manifests(old.io), strict=True)
        for new_path, old_path in [
            (one.manifest_list, other.manifest_list),
            *((new.manifest_path, before.manifest_path) for new, before in pairs),
        ]:
            with Path(new_path[7:]).open("rb") as new, Path(old_path[7:]).open("rb") as before:
                read, was = fastavro.reader(new), fastavro.reader(before)
                assert read.metadata.keys() == was.metadata.keys()
                assert read.writer_schema == was.writer_schema
                assert [without_places(row) for row in read] == [without_places(row) for row in was]


def without_places(row: object) -> object:
    assert isinstance(row, dict)
    inner = row.get("data_file")
    places = ("manifest_path", "manifest_length", "file_path")
    found = {name: value for name, value in row.items() if name not in (*places, "data_file")}
    return found, isinstance(inner, dict) and {n: v for n, v in inner.items() if n not in places}


def test_a_moved_lake_is_itself(original: Growing, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    before = rows(original.lake)
    home = original.lake.home.rename(tmp_path / "elsewhere with a space")

    lake = Lake(home)
    assert rows(lake) == before

    assert "it has been taken over" in caplog.text
    caplog.clear()
    assert rows(Lake(home)) == before
    assert caplog.text == "", "once"
    moved = original.again(lake)
    numbers = []
    for _ in range(3):
        a_day_and_its_night(moved)
        table = tables.load(Lake(home), "chicago", "crimes")
        assert table is not None
        numbers.append(takeover.version_of(Path(table.metadata_location)))
    assert numbers == sorted(set(numbers)), "versions are counted on"
    assert numbers[0] > 3
    moved.close()


def test_a_lake_that_is_moved_while_it_is_open_is_not_followed(original: Growing, tmp_path: Path) -> None:
    """Another process has taken it over through another mount."""
    lake = original.lake
    assert rows(lake)
    mounted = Lake(copied(lake.home, tmp_path / "copy"))
    assert rows(mounted)

    with closing(sqlite3.connect(lake.home / "catalog.db")) as catalog:
        catalog.execute("ATTACH ? AS mounted", [str(mounted.home / "catalog.db")])
        catalog.execute(
            "UPDATE iceberg_tables AS own SET metadata_location = (SELECT metadata_location "
            "FROM mounted.iceberg_tables AS other WHERE other.table_name = own.table_name)"
        )
        catalog.commit()

    with pytest.raises(LakeError, match="was moved while it was open"):
        rows(lake)


@pytest.mark.slow
def test_a_lake_reached_through_a_link_is_itself_whatever_the_link_leads_to_later(
    original: Growing, tmp_path: Path
) -> None:
    copy, link = copied(original.lake.home, tmp_path / "copy"), tmp_path / "link"
    link.symlink_to(original.lake.home)
    linked = original.again(Lake(link))
    a_day_and_its_night(linked)
    assert linked.lake.home == original.lake.home
    before = contents(original.lake.home)

    link.unlink()
    link.symlink_to(copy)
    of_copy = original.again(Lake(link))
    a_day_and_its_night(of_copy)

    assert contents(original.lake.home) == before
    linked.close()
    of_copy.close()


def test_a_copy_of_hard_links_changes_nothing_of_the_other(original: Growing, tmp_path: Path) -> None:
    (original.lake.home / "dagster").mkdir()
    (original.lake.home / "dagster" / "runs.db").write_bytes(b"runs")
    before = contents(original.lake.home)
    locked = (original.lake.home / ".lock").read_bytes()
    shutil.copytree(original.lake.home, tmp_path / "copy", copy_function=os.link)

    copy = original.again(Lake(tmp_path / "copy"))
    for name in ("catalog.db", "lake.json", ".lock", "dagster/runs.db"):
        assert (copy.lake.home / name).stat().st_nlink == 1
    a_day_and_its_night(copy)

    assert contents(original.lake.home) == before
    assert (original.lake.home / ".lock").read_bytes() == locked
    copy.close()


@pytest.mark.parametrize(
    "part",
    ["catalog.db", "warehouse", "landing", "staging", "legacy", "dagster", "landing/merged", "dagster/storage"]
    + [
        f"warehouse/{part}" for part in ("chicago", "chicago/crimes/data", "chicago/crimes/data/occurred_month=2024-01")
    ],
)
def test_a_part_that_is_a_link_to_another_lake_is_refused(original: Growing, tmp_path: Path, part: str) -> None:
    copy = copied(original.lake.home, tmp_path / "copy")
    source = original.lake.home / part
    if not source.exists():
        source.mkdir(parents=True)
        (copy / part).parent.mkdir(parents=True, exist_ok=True)
    if (copy / part).is_dir():
        shutil.rmtree(copy / part)
    else:
        (copy / part).unlink(missing_ok=True)
    (copy / part).symlink_to(source)
    before = contents(original.lake.home)

    with pytest.raises(LakeError, match=f"{part} of the lake {copy} is a link to {source}, which another lake may"):
        rows(Lake(copy))

    assert contents(original.lake.home) == before


def test_a_copy_of_hard_links_is_made_its_own_also_after_a_kill(
    original: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (original.lake.home / "dagster").mkdir()
    for name in "abc":
        (original.lake.home / "dagster" / name).write_text(name)
    shutil.copytree(original.lake.home, tmp_path / "copy", copy_function=os.link)
    copy2, done = shutil.copy2, []

    def dying(source: Path, target: Path) -> None:
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(copy2(source, target))

    with monkeypatch.context() as patch:
        patch.setattr(shutil, "copy2", dying)
        with pytest.raises(KeyboardInterrupt):
            rows(Lake(tmp_path / "copy"))
    assert rows(Lake(tmp_path / "copy")) == rows(original.lake)

    for path in (tmp_path / "copy").rglob("*"):
        assert path.is_dir() or path.relative_to(tmp_path / "copy").parts[0] == "warehouse" or path.stat().st_nlink == 1


def test_a_lake_that_shares_files_and_cannot_be_written_to_can_be_read(
    original: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As an original of which a backup was made with hard links, mounted read-only: it harms no other."""
    shutil.copytree(original.lake.home, tmp_path / "backup", copy_function=os.link)

    def refused(home: Path) -> None:
        raise OSError(errno.EROFS, "Read-only file system")

    monkeypatch.setattr(belonging, "own_files", refused)
    monkeypatch.setattr(belonging, "can_be_changed", lambda home: False)
    assert rows(Lake(original.lake.home)) == rows(original.lake)


def _data_file(home: Path) -> Path:
    table = _original(home)
    return home / Path(tables.data_files(table)[0].file_path[7:]).relative_to(home.parent / "original")


def _original(home: Path) -> Table:
    table = tables.load(Lake(home.parent / "original"), "chicago", "crimes")
    assert table is not None
    return table


def _manifest(home: Path) -> Path:
    table = _original(home)
    snapshot = table.current_snapshot()
    assert snapshot is not None
    return home / Path(snapshot.manifests(table.io)[0].manifest_path[7:]).relative_to(home.parent / "original")


def _metadata(home: Path) -> Path:
    with closing(sqlite3.connect(home / "catalog.db")) as catalog:
        found = catalog.execute("SELECT metadata_location FROM iceberg_tables WHERE table_name = 'crimes'").fetchone()
    return home / "warehouse/chicago/crimes/metadata" / found[0].rpartition("/")[2]


@pytest.mark.parametrize(
    ("which", "harm"),
    [
        *((which, harm) for which in (_data_file, _manifest, _metadata) for harm in ("missing", "cut off")),
        # What a data file of the right length holds is not looked at.
        *((which, "other bytes") for which in (_manifest, _metadata)),
    ],
)
def test_a_copy_that_is_not_whole_is_refused_and_can_be_mended(
    original: Growing, tmp_path: Path, which: Callable[[Path], Path], harm: str
) -> None:
    copy = copied(original.lake.home, tmp_path / "copy")
    path = which(copy)
    content = path.read_bytes()
    path.unlink()
    if harm != "missing":
        path.write_bytes(content[: len(content) // 2] if harm == "cut off" else os.urandom(len(content)))
    before = contents(copy)

    with pytest.raises(LakeError, match=path.name):
        rows(Lake(copy))

    assert contents(copy)["catalog.db"] == before["catalog.db"]
    path.write_bytes(content)
    assert rows(Lake(copy)) == rows(original.lake)


@pytest.mark.slow
def test_a_takeover_that_is_broken_off_anywhere_leaves_the_lake_as_it_was(
    original: Growing, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = rows(original.lake)
    copy = copied(original.lake.home, tmp_path / "copy")
    catalog = (copy / "catalog.db").read_bytes()
    steps = 0
    sync = takeover.sync

    for breaks_at in (0, 1, 5, 12):

        def dying(path: Path, breaks_at: int = breaks_at) -> None:
            nonlocal steps
            if steps == breaks_at:
                raise KeyboardInterrupt
            steps += 1
            sync(path)

        steps = 0
        with monkeypatch.context() as patch:
            patch.setattr(takeover, "sync", dying)
            with pytest.raises(KeyboardInterrupt):
                rows(Lake(copy))
        assert (copy / "catalog.db").read_bytes() == catalog

    lake = Lake(copy)
    assert rows(lake) == before
    mended = original.again(lake)
    a_day_and_its_night(mended)
    assert orphans(lake) == [], "upkeep has removed what the broken ones left"
    mended.close()


def test_a_history_load_that_was_broken_off_goes_on_in_a_copy_with_the_copys_files(tmp_path: Path) -> None:
    records = [record(n, "2024-01-10", f"2024-0{1 + n % 3}-05", ward=str(n) if n != 7 else "W") for n in range(40)]
    lake, first = Lake(tmp_path / "lake"), date(2024, 1, 20)
    with pytest.raises(FeedUnavailable):
        load_history(lake, CHICAGO, ListFeed(records, FeedUnavailable("gone"), breaks_at=6), first, "r1")
    copy = Lake(copied(lake.home, tmp_path / "copy"))
    before = contents(lake.home)

    feed = ListFeed(records)
    load_history(copy, CHICAGO, feed, first, "r2")

    assert 0 < len(feed.asked) < len(feed.parts), "it went on"
    assert contents(lake.home) == before
    assert len(rows(copy)) == 39
    load_history(lake, CHICAGO, ListFeed(records), first, "r3")
    assert [row["id"] for row in rows(lake)] == [row["id"] for row in rows(copy)]
    assert quarantined(lake)[0]["id"] == quarantined(copy)[0]["id"] == "7"


def test_tables_of_others_in_the_same_catalog_are_left_alone(original: Growing, tmp_path: Path) -> None:
    with closing(sqlite3.connect(original.lake.home / "catalog.db")) as catalog:
        catalog.execute(
            "INSERT INTO iceberg_tables SELECT catalog_name, 'others', 'theirs', 'file:///srv/theirs/metadata/1.json', "
            "NULL, iceberg_type FROM iceberg_tables LIMIT 1"
        )
        catalog.commit()
    copy = copied(original.lake.home, tmp_path / "copy")

    assert rows(Lake(copy)) == rows(original.lake)

    with closing(sqlite3.connect(copy / "catalog.db")) as catalog:
        found = catalog.execute("SELECT metadata_location FROM iceberg_tables WHERE table_namespace = 'others'")
        assert found.fetchall() == [("file:///srv/theirs/metadata/1.json",)]
