"""Compaction: fewer files and manifests, the same rows, and nobody has to compute anything again."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.upkeep import compaction
from crime_assets.lakehouse.upkeep.compaction import Compacted, compact
from crime_assets.lakehouse.writing.insights import stale_days
from crime_assets.lakehouse.writing.merge import write_file
from crime_assets_tests.build import CHICAGO, envelope, record
from crime_assets_tests.lakehouse.growing import FIRST, SUMMARY, Growing, contents
from crime_assets_tests.lakehouse.lakes import files, merge, paths, properties, rows, snapshots

pytestmark = pytest.mark.slow

MOST_SMALL_FILES = MOST_MANIFESTS = 3


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few days' files are many."""
    monkeypatch.setattr(compaction, "MOST_SMALL_FILES", MOST_SMALL_FILES)
    monkeypatch.setattr(compaction, "MOST_MANIFESTS", MOST_MANIFESTS)


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Growing:
    """A lake of as many days as make it worth compacting."""
    grown = Growing(Lake(tmp_path_factory.mktemp("grown") / "lake"), months=3)
    grown.begin()
    for _ in range(MOST_SMALL_FILES + 1):
        grown.next_day()
        grown.merge()
    grown.close()
    shutil.copytree(grown.lake.home, grown.lake.home.with_name("kept"))
    return grown


@pytest.fixture
def growing(grown: Growing) -> Iterator[Growing]:
    """That lake, as it was; tables hold whole paths, so it is always in the same place."""
    shutil.rmtree(grown.lake.home)
    shutil.copytree(grown.lake.home.with_name("kept"), grown.lake.home)
    again = grown.again(Lake(grown.lake.home))
    yield again
    again.close()


def _manifests(lake: Lake) -> dict[str, int]:
    return {name: tables.manifests(table) for name, table in tables.every(lake, "chicago").items()}


def test_small_files_and_many_manifests_become_one_and_no_row_changes(growing: Growing) -> None:
    lake = growing.lake
    before = {name: rows(lake, name) for name in tables.names(lake, "chicago")}
    months = paths(lake)
    many = _manifests(lake)
    assert min(many.values()) > MOST_MANIFESTS

    done = compact(lake, CHICAGO)

    assert {name: rows(lake, name) for name in before} == before
    assert max(_manifests(lake).values()) <= 2
    for name in ("crimes_superseded", "crimes_quarantine"):
        (path,) = files(lake, name)
        found = done[name]
        assert (found.files_removed, found.files_added) == (MOST_SMALL_FILES + 1, 1)
        assert found.bytes_written == Path(path).stat().st_size
    assert paths(lake) == months
    assert done["crimes"] == Compacted(manifests_gathered=many["crimes"])
    growing.assert_as_told()


def test_what_was_known_on_each_day_is_told_as_before_and_nothing_is_stale(growing: Growing) -> None:
    lake = growing.lake
    days = [FIRST + timedelta(days=n) for n in range(len(growing.moments))]
    before = {day: growing.known(day) for day in days}
    assert len({str(found) for found in before.values()}) == len(days)
    held = rows(lake, SUMMARY.table)

    compact(lake, CHICAGO)

    assert properties(lake)["kind"] == properties(lake, SUMMARY.table)["kind"] == "compaction"
    assert stale_days(lake, CHICAGO, SUMMARY) == []
    assert {day: growing.known(day) for day in days} == before
    assert rows(lake, SUMMARY.table) == held
    # What comes afterwards is not hidden by it.
    merge(lake, envelope(record(5000, str(days[-3])), str(days[-3])))
    assert stale_days(lake, CHICAGO, SUMMARY) == days[-3:]


def test_compacting_again_changes_nothing(growing: Growing) -> None:
    lake = growing.lake
    compact(lake, CHICAGO)
    seen = {name: snapshots(lake, name) for name in tables.names(lake, "chicago")}
    assert set(compact(lake, CHICAGO).values()) == {Compacted()}
    assert {name: snapshots(lake, name) for name in seen} == seen


def test_a_few_small_files_are_left_alone(lake: Lake) -> None:
    for n in range(MOST_SMALL_FILES):
        merge(lake, envelope(record(n, "2024-01-20", ward="somewhere")))
    assert len(files(lake, "crimes_quarantine")) == MOST_SMALL_FILES
    assert compact(lake, CHICAGO) == {"crimes_quarantine": Compacted(), "crimes": Compacted()}
    assert len(files(lake, "crimes_quarantine")) == MOST_SMALL_FILES


def test_a_large_file_is_not_written_again(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = growing.lake
    compact(lake, CHICAGO)
    (large,) = files(lake, "crimes_superseded")
    for _ in range(MOST_SMALL_FILES + 1):
        growing.next_day()
        growing.merge()
    small = [path for path in files(lake, "crimes_superseded") if path != large]
    assert len(small) == MOST_SMALL_FILES + 1
    before = rows(lake, "crimes_superseded")

    monkeypatch.setattr(compaction, "SMALL_BYTES", Path(large).stat().st_size)
    done = compact(lake, CHICAGO)["crimes_superseded"]

    assert (done.files_removed, done.files_added) == (len(small), 1)
    found = files(lake, "crimes_superseded")
    assert large in found
    assert len(found) == 2
    assert rows(lake, "crimes_superseded") == before


def test_files_are_sorted_by_what_they_are_asked_by(growing: Growing) -> None:
    lake = growing.lake
    compact(lake, CHICAGO)
    for name, keys in {"crimes_superseded": ("id", "updated_on"), "crimes_quarantine": ("record_md5",)}.items():
        (path,) = files(lake, name)
        found = [tuple(row[key] for key in keys) for row in pq.ParquetFile(path).read().to_pylist()]
        assert len(found) > MOST_SMALL_FILES
        assert found == sorted(found)


def test_a_month_of_several_files_becomes_one_and_the_others_stay(lake: Lake) -> None:
    merge(lake, *(envelope(record(n, "2024-01-20", f"2024-0{1 + n % 3}-0{1 + n // 3}")) for n in range(12)))
    before, parts = rows(lake), paths(lake)
    _split(lake, parts["2024-02"])
    assert len(files(lake)) == 4

    done = compact(lake, CHICAGO)["crimes"]

    size = Path(paths(lake)["2024-02"]).stat().st_size
    assert (done.files_removed, done.files_added, done.bytes_written) == (2, 1, size)
    assert rows(lake) == before
    now = paths(lake)
    assert {month: now[month] == parts[month] for month in parts} == {
        "2024-01": True,
        "2024-02": False,
        "2024-03": True,
    }
    found = pq.ParquetFile(now["2024-02"]).read(["occurred_at", "id"]).to_pylist()
    assert found == sorted(found, key=lambda row: (row["occurred_at"], row["id"]))


def test_files_from_before_a_column_was_new_are_rewritten_with_it(lake: Lake) -> None:
    merge(lake, *(envelope(record(n, "2024-01-20", f"2024-01-0{1 + n}")) for n in range(4)))
    (path,) = files(lake)
    _split(lake, path, ", 'new' AS novelty")
    compact(lake, CHICAGO)
    assert [row["novelty"] for row in sorted(rows(lake), key=lambda row: row["id"])] == [None, "new", None, "new"]


def test_tables_of_an_older_release_are_given_what_new_ones_have(lake: Lake) -> None:
    merge(lake, envelope(record(1, "2024-01-20")))
    table = tables.load(lake, "chicago", "crimes")
    assert table is not None
    wanted = dict(table.properties)
    with table.transaction() as transaction:
        transaction.remove_properties("commit.manifest-merge.enabled", "write.metadata.previous-versions-max")
        transaction.set_properties({"crime-assets.history-before": "2024-01-19"})
    compact(lake, CHICAGO)
    settled = tables.every(lake, "chicago")["crimes"].properties
    assert settled == {**wanted, "crime-assets.history-before": "2024-01-19"}


def test_metadata_files_do_not_pile_up(lake: Lake) -> None:
    merge(lake, envelope(record(1, "2024-01-20")))
    table = tables.every(lake, "chicago")["crimes"]
    for n in range(30):
        with table.transaction() as transaction:
            transaction.set_properties({"turn": str(n)})
    found = list((lake.home / "warehouse").rglob("crimes/metadata/*.metadata.json"))
    assert len(found) == 21


def test_another_writer_in_between_is_planned_for_anew(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = growing.lake
    plan = compaction._too_many
    came: list[str] = []

    def overtaken(table: tables.Table, name: str) -> object:
        found = plan(table, name)
        if name == "crimes_quarantine" and not came:
            came.append(name)
            merge(lake, envelope(record(9999, "2024-01-20", ward="elsewhere")))
        return found

    monkeypatch.setattr(compaction, "_too_many", overtaken)
    growing.bad.add(9999)
    done = compact(lake, CHICAGO)
    assert done["crimes_quarantine"].files_removed == MOST_SMALL_FILES + 2
    growing.assert_as_told()
    assert len(files(lake, "crimes_quarantine")) == 1
    assert all(Path(path).exists() for path in files(lake, "crimes_quarantine"))


def test_a_writer_that_never_rests_is_given_up_on(growing: Growing, monkeypatch: pytest.MonkeyPatch) -> None:
    lake = growing.lake

    def stale(*_: object) -> int:
        raise StalePlan

    before = contents(lake)
    monkeypatch.setattr(tables, "commit", stale)
    with pytest.raises(LakeBusy, match=r"Other writers changed chicago.crimes_\w+ 5 times during compaction"):
        compact(lake, CHICAGO)
    assert before.items() <= contents(lake).items()


def test_a_lake_with_nothing_in_it_is_compact(lake: Lake) -> None:
    assert compact(lake, CHICAGO) == {}


def _split(lake: Lake, path: str, more: str = "") -> None:
    """Write a file of `crimes` as two, odd ids (with more columns) and even ones, as another engine might."""
    table = tables.every(lake, "chicago")["crimes"]
    (old,) = [file for file in tables.data_files(table) if local_path(file.file_path) == path]
    if more:
        from pyiceberg.types import StringType

        with table.update_schema() as update:
            update.add_column("novelty", StringType())
        mapping = table.schema().name_mapping.model_dump_json()
        with table.transaction() as transaction:
            transaction.set_properties({"schema.name-mapping.default": mapping})
    new = []
    with connection(lake.staging) as con:
        for rest, extra in ((0, ""), (1, more)):
            new.append(tables.new_data_path(table, Path(path).parent.name))
            rows_of = f"read_parquet('{path}', hive_partitioning = false)"
            write_file(con, f"SELECT *{extra} FROM {rows_of} WHERE id % 2 = {rest}", new[-1])
    tables.commit(table, Change([old], new, {"kind": "split"}))
