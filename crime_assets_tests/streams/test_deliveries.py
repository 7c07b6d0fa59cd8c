"""Reading deliveries: every line there is, then the reason why there are no more; never more memory than is fair."""

import gzip
import json
import subprocess
import sys
import tracemalloc
import zlib
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from crime_assets.core.envelopes import Envelope, seal
from crime_assets.core.errors import LandingError
from crime_assets.streams.deliveries import DamagedLine, delivered_batches, read_delivery
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests import build

DAY = date(2024, 1, 20)
AT = datetime(2024, 1, 21, 8, tzinfo=UTC)
KEY = "raw/city=chicago/change_day=2024-01-20/local-20240121T080000Z-0123456789abcdef.gz"
MEBIBYTE = 1 << 20


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def sealed(id: int, city: str = "chicago", batch: str = "b") -> bytes:
    return seal(build.record(id, "2024-01-20"), city, DAY, batch, AT)


def content_of(count: int) -> bytes:
    return b"".join(sealed(id) for id in range(1, count + 1))


def read(store: DirectoryStore, content: bytes, key: str = KEY) -> tuple[list[object], str | None]:
    """The ids, or reasons of damaged lines, of an object; and the error it ends in."""
    store.write(key, content)
    found: list[object] = []
    try:
        for line in read_delivery(store, key, "chicago"):
            found.append(int(str(line.record["id"])) if isinstance(line, Envelope) else line.reason)
    except LandingError as error:
        return found, str(error)
    return found, None


class TestSoundObjects:
    @pytest.mark.parametrize("name", ["x.gz", "x", "x.json", "x.ndjson"])
    def test_gzip_is_told_by_its_first_bytes(self, store: DirectoryStore, name: str) -> None:
        key = KEY.rpartition("/")[0] + "/" + name
        assert read(store, gzip.compress(content_of(3)), key) == ([1, 2, 3], None)
        assert read(store, content_of(3), key) == ([1, 2, 3], None)

    def test_the_record_is_the_one_that_was_sealed(self, store: DirectoryStore) -> None:
        store.write(KEY, gzip.compress(sealed(5)))
        (line,) = read_delivery(store, KEY, "chicago")
        assert isinstance(line, Envelope)
        assert line.record == build.record(5, "2024-01-20")
        assert (line.batch, line.change_day, line.pulled_at) == ("b", DAY, AT)

    def test_several_gzip_members(self, store: DirectoryStore) -> None:
        members = [gzip.compress(sealed(id)) for id in range(1, 6)]
        assert read(store, b"".join(members)) == ([1, 2, 3, 4, 5], None)
        assert read(store, gzip.compress(b"") + members[0] + gzip.compress(b"") + members[1]) == ([1, 2], None)

    def test_a_line_may_go_over_from_one_member_to_the_next(self, store: DirectoryStore) -> None:
        whole = content_of(2)
        assert read(store, gzip.compress(whole[:700]) + gzip.compress(whole[700:])) == ([1, 2], None)

    def test_members_that_end_where_a_chunk_ends(self, store: DirectoryStore) -> None:
        first = gzip.compress(b" " * (MEBIBYTE - 100), compresslevel=0)
        spaces = MEBIBYTE - 100 - (len(first) - MEBIBYTE)
        first = gzip.compress(b" " * (spaces - 1) + b"\n", compresslevel=0)
        assert len(first) == MEBIBYTE
        assert read(store, first + gzip.compress(sealed(1))) == ([1], None)

    def test_larger_than_a_chunk(self, store: DirectoryStore) -> None:
        content = content_of(4_000)
        assert len(content) > 2 * MEBIBYTE
        for stored in (content, gzip.compress(content), gzip.compress(content, compresslevel=0)):
            assert read(store, stored) == (list(range(1, 4_001)), None)

    def test_blank_lines_other_line_ends_and_none_at_the_end(self, store: DirectoryStore) -> None:
        lines = content_of(2).splitlines()
        content = b"\n\r\n  \n" + lines[0] + b"\r\n\n\t\n" + lines[1]
        assert read(store, content) == ([1, 2], None)
        assert read(store, gzip.compress(content)) == ([1, 2], None)

    @pytest.mark.parametrize(
        "content", [b"", gzip.compress(b"", mtime=0), b"\n", gzip.compress(b"\n\n", mtime=0)], ids=str
    )
    def test_nothing_in_it(self, store: DirectoryStore, content: bytes) -> None:
        assert read(store, content) == ([], None)


class TestDamagedLines:
    def test_are_told_with_their_reason_between_the_others(self, store: DirectoryStore) -> None:
        content = sealed(1) + b"garbage\n" + sealed(2, city="gotham") + b"{}\n" + sealed(3)
        reasons = ["not JSON", "a record of 'gotham', not of 'chicago'", "no _city in the envelope"]
        assert read(store, gzip.compress(content)) == ([1, *reasons, 3], None)

    def test_keep_their_text(self, store: DirectoryStore) -> None:
        store.write(KEY, b'{"a": "\xff\x00ok"}\r\n')
        (line,) = read_delivery(store, KEY, "chicago")
        assert isinstance(line, DamagedLine)
        assert line == DamagedLine("not JSON", '{"a": "��ok"}\r')
        assert len(line.md5) == 32

    def test_equal_lines_have_equal_digests(self) -> None:
        assert DamagedLine("one", "x").md5 == DamagedLine("two", "x").md5 != DamagedLine("one", "y").md5

    def test_bytes_that_are_no_delivery(self, store: DirectoryStore) -> None:
        assert read(store, b"PK\x03\x04 a zip\nof something") == (["not JSON", "not JSON"], None)
        assert read(store, b"\x1f") == (["not JSON"], None)


class TestObjectsThatBreakOff:
    def test_the_lines_before_come_first(self, store: DirectoryStore) -> None:
        content = content_of(1_000)
        stored = gzip.compress(content)
        packed = zlib.decompressobj(wbits=31)
        kept = stored[: len(stored) // 2]
        whole = packed.decompress(kept).count(b"\n")
        assert 0 < whole < 1_000
        assert read(store, kept) == (
            list(range(1, whole + 1)),
            f"The delivery {KEY} is cut off: deliver its records again.",
        )

    @pytest.mark.parametrize("kept", [2, 5, 10, 11, -9, -8, -1])
    def test_wherever_it_is_cut(self, store: DirectoryStore, kept: int) -> None:
        found, error = read(store, gzip.compress(content_of(3))[:kept])
        assert found == [1, 2, 3][: len(found)]
        assert error is not None
        assert "cut off" in error

    def test_a_later_member_is_cut(self, store: DirectoryStore) -> None:
        found, error = read(store, gzip.compress(content_of(2)) + gzip.compress(sealed(3))[:-4])
        assert found[:2] == [1, 2]
        assert error is not None

    @pytest.mark.parametrize(
        "content",
        [
            b"\x1f\x8b garbage",
            b"\x1f\x8b\x08\x00" + b"\xff" * 100,
            gzip.compress(content_of(50), mtime=0)[:-8] + b"\x00" * 8,
            gzip.compress(content_of(2), mtime=0) + b"garbage after it",
        ],
    )
    def test_what_only_begins_like_gzip(self, store: DirectoryStore, content: bytes) -> None:
        found, error = read(store, content)
        assert found == list(range(1, len(found) + 1))
        assert error == f"The delivery {KEY} is damaged gzip: deliver its records again."

    def test_a_line_without_an_end(self, store: DirectoryStore) -> None:
        for content in (b"x" * (3 * MEBIBYTE), gzip.compress(b"x" * (3 * MEBIBYTE))):
            found, error = read(store, sealed(1) + content if content[0] == ord("x") else content)
            assert found == ([1] if content[0] == ord("x") else [])
            assert error == f"The delivery {KEY} has a line of more than 1 MiB, so it is not a delivery: remove it."

    def test_a_long_line_that_does_end_is_a_line(self, store: DirectoryStore) -> None:
        long = seal({"id": "1", "text": "x" * 900_000}, "chicago", DAY, "b", AT)
        assert read(store, gzip.compress(long + sealed(2))) == ([1, 2], None)

    def test_an_object_that_is_gone(self, store: DirectoryStore) -> None:
        with pytest.raises(LandingError, match="cannot be read"):
            list(read_delivery(store, KEY, "chicago"))


def bomb(path: Path, piece: bytes, pieces: int) -> None:
    """A small gzip file of `pieces` times a MiB `piece`."""
    path.parent.mkdir(parents=True)
    packer = zlib.compressobj(9, wbits=31)
    with path.open("wb") as file:
        for _ in range(pieces):
            file.write(packer.compress(piece))
        file.write(packer.flush())


class TestBombs:
    def test_two_hundred_mebibytes_of_zeros(self, store: DirectoryStore, tmp_path: Path) -> None:
        bomb(tmp_path / "landing" / KEY, bytes(MEBIBYTE), 200)
        assert (tmp_path / "landing" / KEY).stat().st_size < 300_000
        tracemalloc.start()
        try:
            with pytest.raises(LandingError, match="a line of more than 1 MiB"):
                list(read_delivery(store, KEY, "chicago"))
            assert tracemalloc.get_traced_memory()[1] < 16 * MEBIBYTE
        finally:
            tracemalloc.stop()

    @pytest.mark.slow
    def test_a_bomb_of_blank_lines_is_read_through_in_bounded_memory(self, tmp_path: Path) -> None:
        bomb(tmp_path / "landing" / KEY, b"\n" * MEBIBYTE, 16)
        program = (
            "import resource, sys\n"
            "from pathlib import Path\n"
            "from crime_assets.streams.deliveries import read_delivery\n"
            "from crime_assets.streams.directory import DirectoryStore\n"
            "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
            "assert list(read_delivery(DirectoryStore(Path(sys.argv[1])), sys.argv[2], 'chicago')) == []\n"
            "grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before\n"
            "print(grown // 1024 if sys.platform == 'linux' else grown // 1024**2)\n"
        )
        command = [sys.executable, "-c", program, str(tmp_path / "landing"), KEY]
        grown = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
        assert grown < 32


class TestDeliveredBatches:
    def test_batches_over_several_objects_with_repetitions(self, store: DirectoryStore) -> None:
        folder = KEY.rpartition("/")[0]
        store.write(f"{folder}/1.gz", gzip.compress(sealed(1, batch="a") + sealed(2, batch="a")))
        store.write(f"{folder}/2.gz", gzip.compress(sealed(2, batch="a") + sealed(3, batch="b")))
        digests = {id: json.loads(sealed(id))["_md5"] for id in (1, 2, 3)}
        assert delivered_batches(store, "chicago", DAY) == {"a": {digests[1], digests[2]}, "b": {digests[3]}}

    def test_what_can_be_read_counts_and_nothing_else(self, store: DirectoryStore) -> None:
        folder = KEY.rpartition("/")[0]
        store.write(f"{folder}/1.gz", b"\x1f\x8b garbage")
        store.write(f"{folder}/2", content_of(2) + b"garbage\n" + sealed(9, city="gotham"))
        store.write(f"{folder}/3", sealed(3) + b"x" * (3 * MEBIBYTE))
        ((name, digests),) = delivered_batches(store, "chicago", DAY).items()
        assert name == "b"
        assert digests == {json.loads(sealed(id))["_md5"] for id in (1, 2, 3)}

    def test_of_that_day_only(self, store: DirectoryStore) -> None:
        store.write(KEY.replace("2024-01-20", "2024-01-21"), sealed(1))
        store.write(KEY.replace("chicago", "gotham"), sealed(2))
        assert delivered_batches(store, "chicago", DAY) == {}
