"""A file that ends in the middle of something is a broken download: refused as a whole, whatever its end looks like."""

from __future__ import annotations

import gzip
import io
import random
import tarfile
import zipfile
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crime_assets.sources.feeds import csv_lines
from crime_assets_tests.build import HEADERS
from crime_assets_tests.sources.feeds.export_files import ROWS, damaged, read, refusal, refusal_of_the_feed, written

WRITTEN = {
    "portal": (",", "\n", "utf-8"),
    "windows": (",", "\r\n", "utf-8"),
    "spreadsheet": (";", "\r\n", "utf-8-sig"),
    "tabs": ("\t", "\r\n", "utf-16"),
    "old mac": (",", "\r", "utf-8"),
}
LAST = ("Location", "Longitude", "Year", "Updated On", "Domestic", "Block", "ID")


def with_last(column: str) -> tuple[list[list[str]], list[str]]:
    """Rows and header with this column last, and without the location, which is often quoted, if it is another."""
    names = [name for name in HEADERS if name not in (column, "Location")] + [column]
    order = [HEADERS.index(name) for name in names]
    return [[row[index] for index in order] for row in ROWS], names


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


@pytest.mark.parametrize("block_bytes", [700, 4 << 20])
@pytest.mark.parametrize("kind", WRITTEN)
def test_it_is_whole_without_a_last_line_end_and_cut_anywhere_inside_its_last_line(
    path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, block_bytes: int
) -> None:
    monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
    separator, end, encoding = WRITTEN[kind]
    content = written(separator=separator, end=end).encode(encoding)
    last = written(ROWS[-1:], separator=separator, end=end).partition(end)[2].removesuffix(end)
    bare = content[: -len(end.encode(encoding.replace("utf-16", "utf-16-le")))]
    unit = 2 if encoding == "utf-16" else 1
    # The last row has no place: where it ends nothing tells whether one was to come.
    whole = written(ROWS[:-1], separator=separator, end=end).removesuffix(end).encode(encoding)

    assert read(path, content) == ROWS
    assert read(path, whole) == ROWS[:-1]
    for lost in random.Random(1).sample(range(1, len(last)), 12):
        assert refusal(path, bare[: -lost * unit]).startswith("was cut off: it ends inside a ")


@pytest.mark.parametrize("column", LAST)
def test_a_last_field_is_whole_or_cut(path: Path, column: str) -> None:
    rows, names = with_last(column)
    content = written(rows[:-2], header=names).encode().removesuffix(b"\n")
    last = content.rpartition(b"\n")[2]
    field = last[last.rindex(b'"(') :] if column == "Location" else last.rpartition(b",")[2]

    assert read(path, content) == sorted(rows[:-2])
    for lost in {len(field), len(field) - 1, len(field) // 2, 2}:
        assert "was cut off: it ends" in refusal(path, content[:-lost])


def test_a_last_field_that_may_be_cut_says_what_to_do_if_it_is_not(path: Path) -> None:
    rows, names = with_last("Domestic")
    content = written([*rows, [*rows[0][:-1], "tru"]], header=names).encode().removesuffix(b"\n")
    assert refusal(path, content).endswith("; fetch it again, or end its last line if it is whole.")
    assert len(read(path, content + b"\n")) == len(rows) + 1


def test_a_file_that_ends_at_a_separator_is_whole_only_if_its_lines_end_so(path: Path) -> None:
    placed = written([row for row in ROWS if row[-1]]).encode()
    assert "a last field that seems cut" in refusal(path, placed[: placed.rindex(b'"(')])
    nowhere = [[*row[:-1], ""] for row in ROWS]
    assert read(path, written(nowhere).encode().removesuffix(b"\n")) == nowhere


@pytest.mark.parametrize("end", ["", "\n"])
def test_inside_a_quote(path: Path, end: str) -> None:
    begun = written().encode() + b'11500099,HZ99,11/01/2018 12:01:00 AM,"014XX S\nAVERS'
    assert "it ends inside a quote (…" in refusal(path, begun + end.encode())
    assert "it ends inside a quote (…" in refusal(path, begun + b" AVE,\n1" + end.encode())


def test_a_field_over_several_lines_may_be_the_last_one(path: Path) -> None:
    rows = [[*row[:-1], "one\ntwo, three"] for row in ROWS]
    content = written(rows).encode().removesuffix(b"\n")
    assert read(path, content) == rows
    assert "inside a quote" in refusal(path, content[:-1])


def test_between_the_signs_of_a_line_end(path: Path) -> None:
    content = written(end="\r\n").encode()
    assert "between the two signs of a line end" in refusal(path, content[:-1])


def test_inside_a_character(path: Path) -> None:
    rows, names = with_last("Block")
    rows[-1][-1] = "CAÑ"
    content = written(rows, header=names).encode().removesuffix(b"\n")
    assert "inside a character" in refusal(path, content[:-1])
    in_utf16 = written().encode("utf-16").removesuffix("\n".encode("utf-16-le"))
    assert "inside a character" in refusal(path, in_utf16[:-1])


@pytest.mark.parametrize("zeros", [1, 4096])
def test_zeros_where_the_rest_was_to_come(path: Path, zeros: int) -> None:
    assert "NUL bytes, as an interrupted download does" in refusal(path, written().encode()[:-100] + bytes(zeros))


def test_what_is_damaged_but_ended_is_no_cut(path: Path) -> None:
    content = written().encode()
    for line in (b"11500099,HZ99", b'11500099,"HZ99,' + b"," * 21, b"\xff" * 9):
        shown = line.decode(errors="backslashreplace")
        assert list(damaged(path, content + line + b"\n")) == [shown]


def test_the_sign_that_old_programs_end_files_with(path: Path) -> None:
    assert read(path, written(end="\r\n").encode() + b"\x1a") == ROWS


@pytest.mark.parametrize("share", [0.02, 0.5, 0.97, 0.9999])
@pytest.mark.parametrize("packing", ["gzip", "gzip of two", "zip", "tar", "tar.gz", "parquet"])
def test_packed_files(tmp_path: Path, packing: str, share: float) -> None:
    content = written(ROWS * 40).encode()
    packed = io.BytesIO()
    match packing:
        case "gzip":
            packed.write(gzip.compress(content))
        case "gzip of two":
            packed.write(gzip.compress(content[:100]) + gzip.compress(content[100:]))
        case "zip":
            with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
                archive.writestr("a.csv", content)
        case "parquet":
            pq.write_table(pa.table(list(zip(*(ROWS * 40), strict=True)), HEADERS), packed)
        case _:
            with tarfile.open(fileobj=packed, mode="w:gz" if packing == "tar.gz" else "w") as archive:
                member = tarfile.TarInfo("a.csv")
                member.size = len(content)
                archive.addfile(member, io.BytesIO(content))
    path = tmp_path / "packed"
    assert read(path, packed.getvalue()) == sorted(ROWS * 40)
    # The zeros at the end of a tar archive are no loss.
    whole = len(packed.getvalue()) if packing != "tar" else 512 + len(content)
    assert "fetch it again" in refusal(path, packed.getvalue()[: int(whole * share)])


def test_nothing_of_it_is_kept_whatever_is_asked(path: Path) -> None:
    assert "it ends inside a line" in refusal_of_the_feed(path, written().encode()[:-60])
    assert "cannot be read to its end" in refusal_of_the_feed(path, gzip.compress(written().encode())[:-9])


def test_a_packed_file_whose_content_was_cut(path: Path) -> None:
    assert "it ends inside a line" in refusal(path, gzip.compress(written().encode()[:-60]))
