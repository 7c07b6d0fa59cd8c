"""Every landing store: objects whole or not at all, listed by prefix, told apart by etag; keys stay inside."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.streams import LandingStore
from crime_assets_tests.streams.landings import Landing


@pytest.fixture
def store(landing: Landing) -> LandingStore:
    return landing.store


class TestReadingAndWriting:
    def test_what_was_written_is_read(self, store: LandingStore) -> None:
        content = bytes(range(256)) * 8_192 + b"end"
        store.write("raw/a.gz", content)
        assert store.read("raw/a.gz") == content
        assert b"".join(store.chunks("raw/a.gz")) == content
        assert [len(chunk) for chunk in store.chunks("raw/a.gz")] == [1 << 20, 1 << 20, 3]

    def test_writing_again_replaces(self, landing: Landing) -> None:
        landing.store.write("raw/a", b"first, and longer")
        landing.store.write("raw/a", b"second")
        assert landing.store.read("raw/a") == b"second"
        assert landing.keys("raw/") == ["raw/a"]

    def test_what_is_there_is_not_replaced_by_something_new(self, landing: Landing) -> None:
        assert landing.store.write_new("raw/a", b"first")
        assert not landing.store.write_new("raw/a", b"second")
        assert landing.store.read("raw/a") == b"first"
        assert landing.keys("") == ["raw/a"]
        landing.store.delete("raw/a")
        assert landing.store.read("raw/a") is None
        assert landing.store.write_new("raw/a", b"third")

    def test_what_is_not_there_can_be_deleted(self, landing: Landing) -> None:
        landing.store.write("raw/a", b"kept")
        landing.store.delete("raw/b")
        assert landing.keys("") == ["raw/a"]

    def test_of_several_that_write_something_new_at_once_one_does(self, store: LandingStore) -> None:
        contents = [bytes([number]) * 100_000 for number in range(8)]
        with ThreadPoolExecutor(len(contents)) as writers:
            written = list(writers.map(lambda content: store.write_new("raw/a", content), contents))
        assert [content for content, was in zip(contents, written, strict=True) if was] == [store.read("raw/a")]

    def test_an_empty_object_is_an_object(self, store: LandingStore) -> None:
        store.write("raw/a", b"")
        assert store.read("raw/a") == b""
        assert list(store.chunks("raw/a")) == []
        assert [found.size for found in store.list("raw/")] == [0]

    def test_what_is_not_there(self, landing: Landing) -> None:
        assert landing.store.read("raw/a") is None
        with pytest.raises(LandingError, match=r"^The delivery raw/a cannot be read \(.+\): restore it\.$"):
            next(landing.store.chunks("raw/a"))
        assert landing.keys("raw/") == []
        assert landing.keys("") == []

    def test_what_is_deleted_after_it_was_listed(self, landing: Landing) -> None:
        landing.store.write("raw/a", b"x")
        (found,) = landing.store.list("raw/")
        landing.delete(found.key)
        assert landing.store.read(found.key) is None
        with pytest.raises(LandingError, match="restore it"):
            next(landing.store.chunks(found.key))

    @pytest.mark.parametrize("key", ["../a", "raw/../../a", "/etc/passwd", "raw/../../landing-2/a"])
    def test_keys_that_lead_out_of_the_store(self, landing: Landing, tmp_path: Path, key: str) -> None:
        with pytest.raises(LandingError, match="leads out of the landing store"):
            landing.store.write(key, b"x")
        with pytest.raises(LandingError, match="leads out of the landing store"):
            landing.store.write_new(key, b"x")
        with pytest.raises(LandingError, match="leads out of the landing store"):
            landing.store.read(key)
        with pytest.raises(LandingError, match="leads out of the landing store"):
            next(landing.store.chunks(key))
        assert landing.keys("") == []
        assert list(tmp_path.rglob("a")) == []

    @pytest.mark.parametrize("prefix", ["../", "/etc/", "raw/../../"])
    def test_prefixes_that_lead_out_of_the_store(self, landing: Landing, prefix: str) -> None:
        with pytest.raises(LandingError, match="leads out of the landing store"):
            landing.keys(prefix)


class TestListing:
    def test_with_sizes_and_times(self, landing: Landing) -> None:
        written = [
            "raw/b/1",
            "raw/a/2",
            "raw/a-/1",
            "raw/a/10",
            "raw/a.gz",
            "raw/ä",
            "raw/Z",
            "raw/a/1",
            "raw/a b+c%2F",
        ]
        began = datetime.now(UTC)
        for name in written:
            landing.store.write(name, name.encode())
        listed = list(landing.store.list("raw/"))
        # SeaweedFS lists folder by folder, which is key order only within one.
        assert sorted(found.key for found in listed) == sorted(written)
        assert all(found.size == len(found.key.encode()) for found in listed)
        second = timedelta(seconds=1)
        assert all(began - second <= found.modified <= datetime.now(UTC) + second for found in listed)
        assert landing.keys("raw/a/") == ["raw/a/1", "raw/a/10", "raw/a/2"]

    def test_a_prefix_is_the_beginning_of_a_key(self, landing: Landing) -> None:
        written = ["raw/day=1/a", "raw/day=1/sub/b", "raw/day=10/a", "raw/day=2/a", "rawer/a", "a"]
        for name in written:
            landing.store.write(name, b"x")
        assert landing.keys("raw/day=1/") == ["raw/day=1/a", "raw/day=1/sub/b"]
        assert landing.keys("raw/day=1") == ["raw/day=1/a", "raw/day=1/sub/b", "raw/day=10/a"]
        assert landing.keys("raw/day=1/s") == ["raw/day=1/sub/b"]
        assert landing.keys("raw") == ["raw/day=1/a", "raw/day=1/sub/b", "raw/day=10/a", "raw/day=2/a", "rawer/a"]
        assert landing.keys("") == sorted(written)
        assert landing.keys("nothing/") == []


class TestEtags:
    def test_the_same_object_keeps_its_etag(self, store: LandingStore) -> None:
        store.write("raw/a", b"x")
        assert list(store.list("raw/")) == list(store.list("raw/"))

    def test_another_content_of_the_same_size_has_another(self, store: LandingStore) -> None:
        store.write("raw/a", b"one")
        before = next(iter(store.list("raw/")))
        store.write("raw/a", b"two")
        after = next(iter(store.list("raw/")))
        assert before.size == after.size
        assert before.etag != after.etag
