"""The local stream: batches in order, gzip NDJSON anyone can read, an object for every 5 MiB."""

import gzip
import itertools
import json
import random
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crime_assets.core import keys
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.local import LocalStream

DAY, OTHER = date(2024, 1, 20), date(2024, 1, 19)
MEBIBYTE = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


@pytest.fixture
def stream(store: DirectoryStore) -> LocalStream:
    return LocalStream(store, "chicago", lambda: datetime(2024, 1, 21, 8, tzinfo=UTC))


def lines(store: DirectoryStore, day: date) -> list[list[bytes]]:
    """The lines of each object of a day, read as anyone would."""
    found = [store.read(item.key) for item in store.list(keys.deliveries_prefix("chicago", day))]
    return [gzip.decompress(content or b"").splitlines(keepends=True) for content in found]


def test_batches_are_kept_in_order(store: DirectoryStore, stream: LocalStream) -> None:
    batches = [[json.dumps({"batch": b, "n": n}).encode() + b"\n" for n in range(200)] for b in range(5)]
    for batch in batches:
        stream.put(DAY, batch)
    stream.close()
    assert lines(store, DAY) == [list(itertools.chain(*batches))]


def test_days_have_objects_of_their_own(store: DirectoryStore, stream: LocalStream) -> None:
    stream.put(DAY, [b"1\n"])
    stream.put(OTHER, [b"2\n"])
    stream.put(DAY, [b"3\n"])
    stream.close()
    assert lines(store, DAY) == [[b"1\n", b"3\n"]]
    assert lines(store, OTHER) == [[b"2\n"]]


def test_nothing_is_written_before_it_is_due(store: DirectoryStore, stream: LocalStream) -> None:
    stream.put(DAY, [b"1\n"])
    assert list(store.list("")) == []
    stream.close()
    assert len(list(store.list(""))) == 1


def test_an_object_that_cannot_be_written_is_an_error_of_close(tmp_path: Path) -> None:
    class FullStore(DirectoryStore):
        def write(self, key: str, content: bytes) -> None:
            raise OSError(28, "No space left on device")

    stream = LocalStream(FullStore(tmp_path), "chicago")
    stream.put(DAY, [b"1\n"])
    stream.put(OTHER, [b"2\n"])
    with pytest.raises(OSError, match="No space left"):
        stream.close()


def test_lines_that_cannot_be_packed_are_an_error(stream: LocalStream, monkeypatch: pytest.MonkeyPatch) -> None:
    def exhausted(_: object, lines: bytes) -> None:
        raise MemoryError

    monkeypatch.setattr("crime_assets.streams.local._Packed.add", exhausted)
    stream.put(DAY, [b"1\n"])
    with pytest.raises(MemoryError):
        stream.close()


def test_nothing_put_is_nothing_written(store: DirectoryStore, stream: LocalStream) -> None:
    stream.close()
    stream.close()
    assert list(store.list("")) == []


def test_an_object_is_cut_after_five_mebibytes_between_batches(store: DirectoryStore, stream: LocalStream) -> None:
    batch = [b"x" * (MEBIBYTE - 1) + b"\n"]
    for number in range(1, 12):
        stream.put(DAY, batch)
        assert len(list(store.list(""))) == number // 5
    stream.close()
    assert sorted(len(found) for found in lines(store, DAY)) == [1, 5, 5]


def test_objects_written_in_one_second_do_not_overwrite_each_other(store: DirectoryStore) -> None:
    at = datetime(2024, 1, 21, 8, tzinfo=UTC)
    for number in range(20):
        stream = LocalStream(store, "chicago", lambda: at)
        stream.put(DAY, [b"%d\n" % number])
        stream.close()
    written = [found.key for found in store.list("")]
    assert len(written) == 20
    assert all(key.startswith("raw/city=chicago/change_day=2024-01-20/local-20240121T080000Z-") for key in written)
    assert sorted(itertools.chain(*lines(store, DAY))) == sorted(b"%d\n" % number for number in range(20))


def test_the_same_lines_are_the_same_bytes(store: DirectoryStore) -> None:
    chance = random.Random(7)
    batch = [chance.randbytes(50).hex().encode() + b"\n" for _ in range(200)]
    for hour in (8, 9):
        stream = LocalStream(store, "chicago", lambda hour=hour: datetime(2024, 1, 21, hour, tzinfo=UTC))
        stream.put(DAY, batch)
        stream.close()
    first, second = (store.read(found.key) for found in store.list(""))
    assert first == second
    assert first is not None
    assert first.startswith(b"\x1f\x8b")
    assert first[4:8] == bytes(4), "gzip's own time stamp"
    assert len(first) < len(b"".join(batch))
