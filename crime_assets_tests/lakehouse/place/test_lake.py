"""The lake as a place: one writer, one version, one kind of crimes, and a disk that may be full."""

from __future__ import annotations

import errno
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from crime_assets.core.errors import CrimeAssetsError, DiskFull, FeedUnavailable, LakeBusy, LakeError, UsageError
from crime_assets.lakehouse.place.lake import CityState, Lake, Remote, is_disk_full
from crime_assets.lakehouse.place.lock import writer_lock
from crime_assets.lakehouse.writing.history import history_before, load_history
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.build import CHICAGO, record
from crime_assets_tests.lakehouse.lakes import ListFeed, merge, orphans, rows, snapshots
from crime_assets_tests.lakehouse.writing.versions import version

SAMPLE = CityState("sample", "2024-01-20", 10_000, 7)
EXPORT = CityState("export", "2024-01-22", 10_000, 7)


# --- the lock ----------------------------------------------------------------------------------------------------

_HOLDER = """
import sys
from pathlib import Path
from crime_assets.lakehouse.place.lock import writer_lock
with writer_lock(Path(sys.argv[1]), 0):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(lake: Lake) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the lake's lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(lake.home / ".lock")],
        cwd=Path(__file__).parents[3],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
        process.kill()


@pytest.mark.slow
def test_a_second_process_is_told_who_writes(lake: Lake, holder: subprocess.Popen[str]) -> None:
    sentence = rf"Another process \(pid {holder.pid}\) is writing to the lake {lake.home}"
    with pytest.raises(LakeBusy, match=sentence), lake.writing(wait_seconds=0):
        raise AssertionError("two writers")


@pytest.mark.slow
def test_a_killed_holder_holds_nothing(lake: Lake, holder: subprocess.Popen[str]) -> None:
    holder.send_signal(signal.SIGKILL)
    holder.wait(timeout=30)

    with lake.writing(wait_seconds=0):
        assert (lake.home / ".lock").read_text() == str(os.getpid())


@pytest.mark.slow
def test_waiting_ends_when_the_holder_is_done(lake: Lake, holder: subprocess.Popen[str]) -> None:
    assert holder.stdin is not None
    holder.stdin.close()

    with lake.writing(wait_seconds=60):
        assert (lake.home / ".lock").read_text() == str(os.getpid())


@pytest.mark.slow
def test_readers_do_not_wait_for_a_writer(lake: Lake, holder: subprocess.Popen[str]) -> None:
    assert rows(lake) == []
    assert Lake(lake.home).city("chicago") is None


def test_a_process_that_holds_the_lock_may_take_it_again(lake: Lake) -> None:
    path = lake.home / ".lock"
    with writer_lock(path, 0):
        with writer_lock(lake.home / "." / ".lock", 0):
            pass
        assert _is_held(path)
    assert not _is_held(path)


def test_an_error_lets_go_of_the_lock(lake: Lake) -> None:
    with pytest.raises(RuntimeError, match="x"), lake.writing():
        raise RuntimeError("x")

    assert not _is_held(lake.home / ".lock")


def test_threads_of_a_process_take_turns(lake: Lake) -> None:
    inside = []

    def work() -> None:
        with lake.writing():
            inside.append("in")
            assert inside.count("in") - inside.count("out") == 1
            inside.append("out")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert inside == ["in", "out"] * 8


def _is_held(path: Path) -> bool:
    # Another opening of the file meets the lock as another process does.
    with path.open() as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


# --- the state ---------------------------------------------------------------------------------------------------


def test_what_was_settled_first_stays(lake: Lake) -> None:
    later = CityState("export", "2020-01-01", 5, 5)

    assert lake.city("chicago") is None
    assert lake.begin_city("chicago", EXPORT) == EXPORT
    assert lake.begin_city("chicago", later) == EXPORT
    assert Lake(lake.home).city("chicago") == EXPORT


def test_cities_are_settled_apart(lake: Lake) -> None:
    lake.begin_city("chicago", EXPORT)
    lake.begin_city("elsewhere", SAMPLE)

    assert (lake.city("chicago"), lake.city("elsewhere")) == (EXPORT, SAMPLE)


def test_real_feeds_may_follow_one_another(lake: Lake) -> None:
    lake.begin_city("chicago", EXPORT)

    assert lake.begin_city("chicago", CityState("socrata", "2024-01-01", 0, 0)) == EXPORT


@pytest.mark.parametrize(("settled", "wanted"), [(SAMPLE, EXPORT), (EXPORT, SAMPLE)])
def test_simulated_and_real_crimes_are_never_mixed(lake: Lake, settled: CityState, wanted: CityState) -> None:
    lake.begin_city("chicago", settled)

    with pytest.raises(UsageError, match=f"was begun with CRIME_FEED={settled.feed}.*CRIME_FEED={wanted.feed}"):
        lake.begin_city("chicago", wanted)

    assert Lake(lake.home).city("chicago") == settled


@pytest.mark.parametrize("cities", [{}, [], {"chicago": {"shape": "of tomorrow"}}])
def test_a_newer_lake_is_refused_with_a_sentence(lake: Lake, cities: object) -> None:
    lake.home.mkdir()
    (lake.home / "lake.json").write_text(json.dumps({"format": 2, "cities": cities}))

    with pytest.raises(LakeError, match=r"newer crime-assets \(lake format 2, this one knows 1\): upgrade"):
        Lake(lake.home)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"format": "one", "cities": {}}',
        b'{"cities": {}}',
        b'{"format": 1}',
        b'{"format": 1, "cities": []}',
        b'{"format": 1, "cities": {"chicago": {}}}',
        b'{"format": 1, "cities": {"chicago": []}}',
        b'{"format": 1, "cities": {"chicago": {"feed": "x", "first_change_day": "soon", "sample_rows": 1, '
        b'"sample_seed": 1}}}',
    ],
)
def test_a_damaged_lake_is_refused_with_a_sentence(lake: Lake, content: bytes) -> None:
    lake.home.mkdir()
    (lake.home / "lake.json").write_bytes(content)

    with pytest.raises(
        LakeError, match=r"lake\.json of the lake .* is damaged: restore it from a backup, or set another CRIME_HOME"
    ):
        Lake(lake.home)


def test_a_home_that_is_a_file_is_refused_with_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")

    with pytest.raises(LakeError, match=r"cannot be opened .*: check CRIME_HOME"):
        Lake(tmp_path / "file")


@pytest.mark.parametrize("name", ["what?", "lake#1"])
def test_a_home_that_iceberg_could_not_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="set CRIME_HOME to a path without"):
        Lake(tmp_path / name)

    assert list(tmp_path.iterdir()) == []


def test_opening_a_lake_writes_nothing(lake: Lake) -> None:
    assert Lake(lake.home).city("chicago") is None
    assert not lake.home.exists()


# --- the state of a lake on object storage, which machines without a common lock begin ------------------------------


class Overtaken(DirectoryStore):
    """A store where another machine does something just before something is written."""

    def __init__(self, root: Path, meanwhile: Callable[[], object]) -> None:
        super().__init__(root)
        self._meanwhile = meanwhile

    def write(self, key: str, content: bytes) -> None:
        self._meanwhile()
        super().write(key, content)

    def write_new(self, key: str, content: bytes) -> bool:
        self._meanwhile()
        return super().write_new(key, content)


@pytest.fixture
def documents(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "documents")


def remote(tmp_path: Path, machine: str, documents: DirectoryStore) -> Lake:
    return Lake(tmp_path / machine, Remote("s3://tables/lake", documents, {}))


def test_what_another_machine_settled_meanwhile_stays(tmp_path: Path, documents: DirectoryStore) -> None:
    other = remote(tmp_path, "two", documents)
    overtaken = Overtaken(tmp_path / "documents", lambda: other.begin_city("chicago", EXPORT))
    lake = remote(tmp_path, "one", overtaken)

    with pytest.raises(UsageError) as raised:
        lake.begin_city("chicago", SAMPLE)

    assert str(raised.value) == (
        "The lake s3://tables/lake was begun with CRIME_FEED=export: simulated and real crimes are never mixed, so set "
        "another CRIME_LAKE and another CRIME_LANDING for CRIME_FEED=sample."
    )
    assert lake.city("chicago") == EXPORT
    assert lake.begin_city("chicago", CityState("socrata", "2020-01-01", 5, 5)) == EXPORT


def test_machines_that_begin_cities_at_once_take_none_away(tmp_path: Path, documents: DirectoryStore) -> None:
    other = remote(tmp_path, "two", documents)
    lake = remote(tmp_path, "one", Overtaken(tmp_path / "documents", lambda: other.begin_city("chicago", EXPORT)))

    assert lake.begin_city("elsewhere", SAMPLE) == SAMPLE

    third = remote(tmp_path, "three", documents)
    assert (third.city("chicago"), third.city("elsewhere")) == (EXPORT, SAMPLE)
    assert third.begin_city("chicago", SAMPLE, anew=True) == SAMPLE
    assert (lake.city("chicago"), lake.city("elsewhere")) == (SAMPLE, SAMPLE)


def test_what_others_keep_beside_the_documents_is_no_city(tmp_path: Path, documents: DirectoryStore) -> None:
    lake = remote(tmp_path, "one", documents)
    lake.begin_city("chicago", EXPORT)
    copy = documents.read("lake/city=chicago.json")
    assert copy is not None
    documents.write("lake/city=copy.json", copy.replace(b"chicago", b"gotham"))
    for key in ("chicago.db/crimes/metadata/1.json", "city=chicago.json.bak", "city=a/b.json", "city=a b.json", "x"):
        documents.write(f"lake/{key}", b"{")

    assert remote(tmp_path, "two", documents).cities == {"chicago"}


@pytest.mark.parametrize("content", [b"{", b'{"format": 1, "cities": {}}', b'{"format": 2}'])
def test_a_document_that_cannot_be_used_is_named_with_its_place(
    tmp_path: Path, documents: DirectoryStore, content: bytes
) -> None:
    lake = remote(tmp_path, "one", documents)
    documents.write("lake/city=chicago.json", content)

    with pytest.raises(LakeError) as raised:
        lake.begin_city("chicago", EXPORT)

    told = str(raised.value)
    place = f"{tmp_path}/documents/lake/city=chicago.json of the lake s3://tables/lake is damaged: restore it"
    assert told.startswith(place) or "by a newer crime-assets (lake format 2" in told
    assert told.endswith("or set another CRIME_LAKE and another CRIME_LANDING.")


# --- the disk ----------------------------------------------------------------------------------------------------


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 3 MB, as tests that run as root can have one."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    options = ["-t", "tmpfs", "-o", "size=3m", "tmpfs", str(disk)]
    made = subprocess.run([mount, *options], capture_output=True, text=True, check=False) if mount else None
    if made is None or made.returncode:
        pytest.skip(f"no small disk could be mounted: {made.stderr.strip() if made else 'there is no mount'}")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Use up the disk's space but for `leave` bytes."""
    filler = disk / "filler"
    with filler.open("wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 4096)
        except OSError:
            pass
        file.truncate(max(0, file.tell() - leave))
    return filler


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 8_192, 16_384, 24_576, 40_960, 65_536])
def test_a_merge_on_a_full_disk_changes_nothing_and_can_be_run_again(small_disk: Path, leave: int) -> None:
    lake = Lake(small_disk / "lake")
    merge(lake, *(version(n, "2024-01-20", f"2023-{n % 12 + 1:02}-05") for n in range(50)))
    before, seen = rows(lake), snapshots(lake)
    day = [version(n, "2024-01-22", f"2023-{n % 12 + 1:02}-05", block=f"{n}" * 200) for n in range(60)]
    filler = fill(small_disk, leave)

    with pytest.raises(DiskFull, match="is full: free some space and run again; nothing was half-written"):
        merge(lake, *day)

    filler.unlink()
    assert (rows(lake), snapshots(lake)) == (before, seen)
    assert merge(Lake(lake.home), *day).rows == 60
    assert {row["updated_on"].day for row in rows(lake)} == {22}
    assert {row["updated_on"].day for row in rows(lake, "crimes_superseded")} == {20}
    assert len(rows(lake, "crimes_superseded")) == 50


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 65_536, 131_072, 200_000])
def test_a_history_on_a_full_disk_changes_nothing_and_can_be_run_again(small_disk: Path, leave: int) -> None:
    lake = Lake(small_disk / "lake")
    months = [f"20{n // 25:02}-03-05" for n in range(600)]
    records = [record(n, "2024-01-20", month, block=f"{n * 7919}" * 40) for n, month in enumerate(months)]
    feed = ListFeed(records, part_rows=25)
    filler = fill(small_disk, leave)

    with pytest.raises(DiskFull):
        load_history(lake, CHICAGO, feed, date(2024, 2, 1), "run")

    filler.unlink()
    lake = Lake(lake.home)
    assert (rows(lake), history_before(lake, CHICAGO)) == ([], None)
    assert load_history(lake, CHICAGO, feed, date(2024, 2, 1), "run").rows == 600
    assert len(rows(lake)) == 600
    assert not (lake.staging / "history-chicago").exists()
    assert orphans(lake) == []


@pytest.mark.slow
def test_beginning_a_city_on_a_full_disk_changes_nothing(small_disk: Path) -> None:
    lake = Lake(small_disk / "lake")
    lake.begin_city("chicago", EXPORT)
    filler = fill(small_disk, 0)

    with pytest.raises(DiskFull):
        lake.begin_city("elsewhere", SAMPLE)

    filler.unlink()
    assert (lake.city("chicago"), lake.city("elsewhere")) == (EXPORT, None)
    assert lake.begin_city("elsewhere", SAMPLE) == SAMPLE


def _raised_from(error: Exception, cause: BaseException) -> Exception:
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "full"),
    [
        (OSError(errno.ENOSPC, "No space left on device"), True),
        (OSError(errno.EDQUOT, "Disk quota exceeded"), True),
        (duckdb.IOException('Could not write file "x": No space left on device'), True),
        (RuntimeError("(sqlite3.OperationalError) database or disk is full"), True),
        (_raised_from(ValueError("x"), OSError(errno.ENOSPC, "")), True),
        (OSError(errno.EACCES, "Permission denied"), False),
        (duckdb.IOException("Could not read"), False),
        (ValueError("x"), False),
    ],
)
def test_a_full_disk_is_told_by_what_led_to_an_error(error: Exception, full: bool) -> None:
    assert is_disk_full(error) is full


def test_errors_that_led_to_each_other_are_no_endless_story() -> None:
    first, second = ValueError("a"), KeyError("b")
    first.__cause__, second.__cause__ = second, first
    itself = ValueError("c")
    itself.__cause__ = itself

    assert not is_disk_full(first)
    assert not is_disk_full(itself)
    second.__context__ = OSError(errno.ENOSPC, "")
    assert not is_disk_full(first)


def test_an_error_that_already_says_what_to_do_stays_as_it_is(lake: Lake) -> None:
    error = _raised_from(FeedUnavailable("x"), OSError(errno.ENOSPC, ""))

    with pytest.raises(CrimeAssetsError) as raised, lake.writing():
        raise error

    assert raised.value is error
