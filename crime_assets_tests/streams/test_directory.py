"""The directory store: objects whole or not at all, listed in key order, told apart by etag."""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.streams.directory import DirectoryStore


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def keys(store: DirectoryStore, prefix: str) -> list[str]:
    return [found.key for found in store.list(prefix)]


def files(root: Path) -> list[str]:
    return sorted(path.name for path in root.rglob("*") if path.is_file())


class TestReadingAndWriting:
    def test_an_object_taken_away_while_it_is_listed_is_left_out(self, store: DirectoryStore, tmp_path: Path) -> None:
        for name in "abc":
            store.write(f"raw/{name}", b"x")
        listing = store.list("raw/")
        first = next(listing)
        (tmp_path / "landing/raw/b").unlink()
        assert [first.key, *(found.key for found in listing)] == ["raw/a", "raw/c"]

    def test_what_was_not_written_leaves_nothing(self, store: DirectoryStore, tmp_path: Path) -> None:
        assert [store.write_new("raw/a", content) for content in (b"one", b"two")] == [True, False]
        assert files(tmp_path) == ["a"]
        assert store.location("raw/a") == str(tmp_path / "landing/raw/a")

    def test_a_link_that_leads_out_is_not_followed(self, store: DirectoryStore, tmp_path: Path) -> None:
        (tmp_path / "secret").write_text("secret")
        store.write("raw/a", b"x")
        (tmp_path / "landing/raw/link").symlink_to(tmp_path / "secret")
        with pytest.raises(LandingError, match="leads out of the landing store"):
            store.read("raw/link")


class TestListing:
    def test_in_key_order_with_sizes(self, store: DirectoryStore) -> None:
        written = ["raw/b/1", "raw/a/2", "raw/a-/1", "raw/a/10", "raw/a.gz", "raw/ä", "raw/Z", "raw/a/1"]
        for name in written:
            store.write(name, name.encode())
        listed = list(store.list("raw/"))
        assert [found.key for found in listed] == sorted(written, key=str.encode)
        assert all(found.size == len(found.key.encode()) for found in listed)

    def test_what_others_leave_in_the_directory_is_no_object(self, store: DirectoryStore, tmp_path: Path) -> None:
        store.write("raw/a", b"x")
        (tmp_path / "landing/raw/.DS_Store").write_bytes(b"x")
        (tmp_path / "landing/raw/.partial-1").write_bytes(b"x")
        (tmp_path / "landing/raw/dangling").symlink_to("nowhere")
        (tmp_path / "landing/raw/empty").mkdir()
        assert keys(store, "raw/") == ["raw/a"]

    def test_through_a_link_and_from_another_directory(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        (tmp_path / "disk").mkdir()
        (tmp_path / "link").symlink_to("disk")
        monkeypatch.chdir(tmp_path)
        for root in (tmp_path / "link" / "landing", Path("disk/landing"), Path("link/../disk/landing")):
            store = DirectoryStore(root)
            store.write("raw/a", b"x")
            assert keys(store, "raw/") == ["raw/a"]

    def test_a_directory_that_cannot_be_read_does_not_look_empty(
        self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.write("raw/a", b"x")

        def refuse(path: str) -> None:
            raise PermissionError(errno.EACCES, "Permission denied", path)

        monkeypatch.setattr(os, "scandir", refuse)
        with pytest.raises(PermissionError):
            keys(store, "raw/")


class TestEtags:
    def test_a_rewrite_changes_it_even_at_the_same_size_and_time(self, store: DirectoryStore, tmp_path: Path) -> None:
        store.write("raw/a", b"one")
        path = tmp_path / "landing/raw/a"
        times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
        before = next(store.list("raw/"))
        store.write("raw/a", b"two")
        os.utime(path, ns=times)
        after = next(store.list("raw/"))
        assert before.size == after.size
        assert before.etag != after.etag


class Crash(BaseException):
    """What no handler of ordinary errors stops."""


class TestFailures:
    def test_a_crash_before_the_rename_leaves_what_was_there(
        self, store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        store.write("raw/old", b"old")

        def crash(source: Any, target: Any) -> None:
            assert Path(source).read_bytes() == b"new"
            raise Crash

        monkeypatch.setattr(os, "replace", crash)
        for key in ("raw/old", "raw/new"):
            with pytest.raises(Crash):
                store.write(key, b"new")
        assert store.read("raw/old") == b"old"
        assert keys(store, "") == ["raw/old"]
        assert files(tmp_path) == ["old"]

    def test_while_it_is_written_an_object_is_not_to_be_seen(
        self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen = []
        monkeypatch.setattr(os, "fsync", lambda descriptor: seen.append((keys(store, ""), store.read("raw/a"))))
        store.write("raw/a", b"x")
        assert seen == [([], None)]
        assert keys(store, "") == ["raw/a"]

    def test_a_full_disk_is_told_and_leaves_nothing(
        self, store: DirectoryStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def full(descriptor: int) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        monkeypatch.setattr(os, "fsync", full)
        with pytest.raises(OSError, match="No space left") as caught:
            store.write("raw/a", b"x")
        assert caught.value.errno == errno.ENOSPC
        assert files(tmp_path) == []

    @pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/dev/full is Linux's")
    def test_a_disk_that_is_really_full(self, store: DirectoryStore, monkeypatch: pytest.MonkeyPatch) -> None:
        real = os.open
        monkeypatch.setattr("tempfile._os.open", lambda path, flags, mode=0o777: real("/dev/full", os.O_WRONLY))
        with pytest.raises(OSError, match="No space left"):
            store.write("raw/a", b"x" * 100_000)
        assert keys(store, "") == []

    def test_a_directory_that_may_not_be_written(self, store: DirectoryStore, tmp_path: Path) -> None:
        store.write("raw/a", b"x")
        directory = tmp_path / "landing/raw"
        directory.chmod(stat.S_IRUSR | stat.S_IXUSR)
        try:
            if os.access(directory, os.W_OK):
                pytest.skip("this user may write everywhere")
            with pytest.raises(PermissionError):
                store.write("raw/b", b"x")
        finally:
            directory.chmod(stat.S_IRWXU)
        assert keys(store, "") == ["raw/a"]

    def test_a_directory_in_the_way_is_told(self, store: DirectoryStore) -> None:
        store.write("raw/a/b", b"x")
        with pytest.raises(IsADirectoryError):
            store.write("raw/a", b"x")
        assert keys(store, "") == ["raw/a/b"]
