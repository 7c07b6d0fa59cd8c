"""Exports in gzip, zip and tar, and archives that mean harm: bounded, and refused by saying what they are."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import stat
import tarfile
import tracemalloc
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from crime_assets.sources.feeds import packed
from crime_assets_tests.sources.feeds.export_files import ROWS, read, refusal, refusal_of_the_feed, written

CONTENT = written(ROWS * 20).encode()
RECORDS = sorted(ROWS * 20)
LITTER = {"__MACOSX/._a.csv": b"\0\5", "._a.csv": b"\0\5", "data/.DS_Store": b"\0\0\0\1"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.bin"


def zipped(files: Mapping[str, bytes], method: int = zipfile.ZIP_DEFLATED, directories: tuple[str, ...] = ()) -> bytes:
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w", method) as archive:
        for name in directories:
            archive.mkdir(name)
        for name, content in files.items():
            archive.writestr(name, content)
    return archived.getvalue()


def tarred(
    files: Mapping[str, bytes],
    mode: str = "w",
    form: int = tarfile.PAX_FORMAT,
    kind: bytes = tarfile.REGTYPE,
    directories: tuple[str, ...] = (),
) -> bytes:
    archived = io.BytesIO()
    with tarfile.open(fileobj=archived, mode=mode, format=form) as archive:  # type: ignore[call-overload]
        for name in directories:
            member = tarfile.TarInfo(name)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.type = kind
            member.linkname = "/etc/passwd" if kind != tarfile.REGTYPE else ""
            member.size = len(content) if kind == tarfile.REGTYPE else 0
            archive.addfile(member, io.BytesIO(content))
    return archived.getvalue()


class TestWhatIsRead:
    @pytest.mark.parametrize(
        "content",
        [
            gzip.compress(CONTENT) + bytes(1),
            gzip.compress(CONTENT) + bytes(4096),
            gzip.compress(CONTENT[:999]) + bytes(512) + gzip.compress(CONTENT[999:]) + bytes(7),
            gzip.compress(CONTENT[:999]) + gzip.compress(b"") + gzip.compress(CONTENT[999:]),
        ],
        ids=["a zero", "zeros", "zeros between", "an empty member"],
    )
    def test_gzip_with_padding_and_of_several_members(self, path: Path, content: bytes) -> None:
        assert read(path, content) == RECORDS

    @pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
    def test_a_zip_with_one_file(self, path: Path, method: int) -> None:
        assert read(path, zipped({"a.csv": CONTENT}, method)) == RECORDS
        assert read(path, zipped({"data/a.csv": CONTENT, **LITTER}, method, ("data", "more"))) == RECORDS

    @pytest.mark.parametrize("form", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    @pytest.mark.parametrize("mode", ["w", "w:gz"])
    def test_a_tar_with_one_file(self, path: Path, mode: str, form: int) -> None:
        assert read(path, tarred({"a.csv": CONTENT}, mode, form)) == RECORDS
        long = "/".join(["Ünïcode" * 5] * 4)
        assert read(path, tarred({f"{long}/a.csv": CONTENT, **LITTER}, mode, form, directories=("data",))) == RECORDS

    def test_a_tar_without_its_last_blocks_and_one_with_more_of_them(self, path: Path) -> None:
        whole = tarred({"a.csv": CONTENT})
        assert read(path, whole[: 512 + -(-len(CONTENT) // 512) * 512]) == RECORDS
        assert read(path, whole + bytes(1 << 16)) == RECORDS
        assert read(path, gzip.compress(whole) + bytes(100)) == RECORDS

    def test_any_dialect_in_it(self, path: Path) -> None:
        text = written(separator=";", end="\r\n")
        assert read(path, zipped({"a.csv": text.encode("utf-16")})) == ROWS
        assert read(path, tarred({"a.csv": text.encode("utf-8-sig")}, "w:gz")) == ROWS

    def test_it_is_read_in_pieces(self, path: Path) -> None:
        line = CONTENT.partition(b"\n")[2].partition(b"\n")[0] + b"\n"
        content = CONTENT.partition(b"\n")[0] + b"\n" + line * 60_000
        for whole in (zipped({"a.csv": content}), tarred({"a.csv": content}, "w:gz"), gzip.compress(content, 1)):
            path.write_bytes(whole)
            tracemalloc.start()
            with packed.unpacked(path) as stream:
                size = sum(len(data) for data in iter(lambda stream=stream: stream.read(1 << 18), b""))
            assert size == len(content)
            assert tracemalloc.get_traced_memory()[1] < len(content) / 2
            tracemalloc.stop()


def encrypted() -> bytes:
    """A zip archive that says of its file that it is encrypted."""
    content = bytearray(zipped({"a.csv": CONTENT}))
    content[6] |= 1
    content[content.rindex(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


def linked() -> bytes:
    """A zip archive with a symbolic link."""
    archived = io.BytesIO()
    with zipfile.ZipFile(archived, "w") as archive:
        link = zipfile.ZipInfo("a.csv")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(link, "/etc/passwd")
    return archived.getvalue()


class TestWhatIsRefused:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (zipped({}), "is a zip archive with no file in it"),
            (zipped({}, directories=("data",)), "is a zip archive with no file in it"),
            (
                zipped({"a.csv": CONTENT, "b.csv": CONTENT}),
                "several files in it (a.csv, b.csv): unpack it and name one",
            ),
            (zipped({f"{n}.csv": b"" for n in range(9)}), "several files in it (0.csv, 1.csv, 2.csv, …)"),
            (zipped({"/etc/a.csv": CONTENT}), "a path outside of it, /etc/a.csv: do not trust it"),
            (zipped({"data/../../a.csv": CONTENT}), "a path outside of it"),
            (zipped({"C:\\a.csv": CONTENT}), "a path outside of it"),
            (encrypted(), "is a zip archive whose file a.csv is encrypted"),
            (linked(), "is a zip archive with a link in it"),
            (zipped({"a.csv": CONTENT}, zipfile.ZIP_BZIP2), "compressed by method 12: unpack it first"),
            (zipped({"a.csv": CONTENT}, zipfile.ZIP_LZMA), "compressed by method 14: unpack it first"),
            (zipped({"a.csv.gz": gzip.compress(CONTENT)}), "is a zip archive with a gzip file in it"),
            (zipped({"a.zip": zipped({"a.csv": CONTENT})}), "is a zip archive with a zip archive in it"),
            (zipped({"a.tar": tarred({"a.csv": CONTENT})}), "is a zip archive with a tar archive in it"),
            (zipped({"a.parquet": b"PAR1"}), "is a zip archive with a Parquet file in it"),
            (tarred({}, directories=("data",)), "is a tar archive with no file in it"),
            (tarred({"a.csv": CONTENT, "b.csv": CONTENT}), "is a tar archive with several files in it (a.csv, b.csv)"),
            (tarred({"a.csv": CONTENT, "b.csv": CONTENT}, "w:gz"), "is a tar archive with several files in it"),
            (tarred({"/etc/a.csv": CONTENT}), "is a tar archive with a path outside of it"),
            (tarred({"../a.csv": CONTENT}), "is a tar archive with a path outside of it"),
            (tarred({"a.csv": b""}, kind=tarfile.SYMTYPE), "is a tar archive in which a.csv is not a file"),
            (tarred({"a.csv": b""}, kind=tarfile.FIFOTYPE), "is a tar archive in which a.csv is not a file"),
            (tarred({"a.csv.gz": gzip.compress(CONTENT)}), "is a tar archive with a gzip file in it"),
            (gzip.compress(gzip.compress(CONTENT)), "is a gzip file with a gzip file in it"),
            (gzip.compress(zipped({"a.csv": CONTENT})), "is a gzip file with a zip archive in it"),
            (gzip.compress(b"PAR1" + CONTENT), "is a gzip file with a Parquet file in it"),
            (bz2.compress(CONTENT), "is a bzip2 file: unpack it first"),
            (lzma.compress(CONTENT), "is an xz file: unpack it first"),
            (b"\x28\xb5\x2f\xfd" + CONTENT, "is a zstd file: unpack it first"),
            (b"PARE" + CONTENT, "is an encrypted Parquet file: export the dataset as CSV or Parquet"),
            (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "is an Excel workbook of the old kind: export the dataset as CSV"),
        ],
    )
    def test_it_is_named(self, path: Path, content: bytes, sentence: str) -> None:
        assert sentence in refusal(path, content)

    def test_nothing_of_it_is_kept_whatever_is_asked(self, path: Path) -> None:
        archive = tarred({"a.csv": CONTENT, "b.csv": CONTENT})
        assert "several files" in refusal_of_the_feed(path, archive)

    def test_names_cannot_write_to_a_terminal(self, path: Path) -> None:
        assert "(a?[2J.csv, b?.csv)" in refusal(path, zipped({"a\x1b[2J.csv": b"", "b\n.csv": b""}))

    @pytest.mark.parametrize("content", [gzip.compress(CONTENT) + b"more", zipped({"a.csv": CONTENT})[:-30]])
    def test_bytes_that_do_not_belong_there(self, path: Path, content: bytes) -> None:
        assert "cannot be read to its end" in refusal(path, content)

    def test_a_content_that_is_not_what_was_packed(self, path: Path) -> None:
        stored = zipped({"a.csv": CONTENT}, zipfile.ZIP_STORED)
        assert "Bad CRC" in refusal(path, stored.replace(b"ROBBERY", b"BATTERY", 1))


class TestBombs:
    @pytest.fixture(autouse=True)
    def _small(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(packed, "ALWAYS_BYTES", 1 << 20)

    @pytest.mark.parametrize("packing", ["gzip", "zip", "tar.gz"])
    def test_what_grows_without_end(self, path: Path, packing: str) -> None:
        line = CONTENT.rpartition(b"\n")[0].rpartition(b"\n")[2]
        bomb = CONTENT + (line + b"\n") * 20_000
        match packing:
            case "gzip":
                content = gzip.compress(bomb)
            case "zip":
                content = zipped({"a.csv": bomb})
            case _:
                content = tarred({"a.csv": bomb}, "w:gz")
        assert len(content) * 200 < len(bomb)
        assert "unpacks to more than" in refusal(path, content)

    def test_a_list_of_files_without_end(self, path: Path) -> None:
        assert "a list of files that is too long" in refusal(path, zipped({f"{n:0200}": b"" for n in range(5_000)}))

    def test_headers_without_end(self, path: Path) -> None:
        many = tarred({}, directories=tuple(map(str, range(9_000))))
        assert "whose headers are too long" in refusal(path, many)
        assert "whose headers are too long" in refusal(
            path, tarred({"a" * (5 << 20): CONTENT}, form=tarfile.GNU_FORMAT)
        )
