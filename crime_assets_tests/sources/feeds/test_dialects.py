"""CSV as spreadsheets and other programs write it: read where that is unambiguous, else what was seen is named."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from crime_assets.sources.feeds import csv_lines
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets_tests.build import CHICAGO, HEADERS
from crime_assets_tests.sources.feeds.export_files import LATER, ROWS, TODAY, damaged, read, refusal, written
from crime_assets_tests.sources.feeds.histories import read_history

ENCODINGS = {
    "utf-8": "utf-8",
    "utf-8 with mark": "utf-8-sig",
    "utf-16 little": "utf-16",
    "utf-16 big": "utf-16-be",
    "utf-16 little without mark": "utf-16-le",
    "utf-32": "utf-32",
}
ODD = [*ROWS[0][:3], 'a "b"; c, d\te|f', *ROWS[0][4:5], "Ünïcode 🚓 \\N", *ROWS[0][6:]]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.csv"


class TestWhatIsRead:
    @pytest.mark.parametrize("block_bytes", [999, 4 << 20])
    @pytest.mark.parametrize("encoding", ENCODINGS.values(), ids=ENCODINGS)
    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
    def test_every_separator_line_end_and_encoding(
        self, path: Path, monkeypatch: pytest.MonkeyPatch, separator: str, end: str, encoding: str, block_bytes: int
    ) -> None:
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", block_bytes)
        text = written([ODD, *ROWS[1:]], separator=separator, end=end)
        assert read(path, text.encode(encoding)) == [ODD, *ROWS[1:]]

    def test_a_mark_for_utf_16_in_the_other_order(self, path: Path) -> None:
        assert read(path, ("\ufeff" + written()).encode("utf-16-be")) == ROWS

    @pytest.mark.parametrize("first", ["sep=;", '"sep=;"', "SEP=;"])
    @pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
    def test_a_line_that_tells_the_separator(self, path: Path, first: str, encoding: str) -> None:
        text = f"{first}\r\n" + written(separator=";", end="\r\n")
        assert read(path, text.encode(encoding)) == ROWS

    def test_a_told_separator_counts_more_than_what_the_header_looks_like(self, path: Path) -> None:
        header = ["a,b,c", "id", "updated_on"]
        assert read(path, ("sep=;\n" + written([["1", "2", "3"]], header=header, separator=";")).encode()) == [
            ["1", "2", "3"]
        ]

    @pytest.mark.parametrize("separator", [",", ";"])
    def test_empty_columns_after_the_last_one(self, path: Path, separator: str) -> None:
        lines = written(separator=separator).splitlines()
        everywhere = "".join(f"{line}{separator * 3}\r\n" for line in lines)
        in_rows = "".join(f"{line}{separator * (n and n % 3)}\n" for n, line in enumerate(lines))
        in_header = "".join(f"{line}{separator * (2 * (not n))}\n" for n, line in enumerate(lines))
        for text in (everywhere, everywhere.removesuffix("\r\n"), in_rows, in_header):
            assert read(path, text.encode()) == ROWS

    def test_a_value_beyond_the_last_name_is_damage(self, path: Path) -> None:
        lines = written().splitlines()
        stray = f"{lines[3]},,stray"
        text = "\n".join([*(f"{line},," for line in lines), stray, ""])
        assert damaged(path, text.encode()) == {stray: "24 fields where the header has 22"}

    def test_a_field_over_several_lines_in_any_dialect(self, path: Path) -> None:
        row = [*ROWS[0][:3], "one\ntwo; three\n", *ROWS[0][4:]]
        for separator, encoding in ((";", "utf-8"), ("\t", "utf-16")):
            content = written([row, *ROWS[1:]], separator=separator, end="\r\n").encode(encoding)
            assert read(path, content) == [row, *ROWS[1:]]

    def test_damage_in_any_dialect_costs_no_neighbor(self, path: Path) -> None:
        text = written(separator=";", end="\r\n") + 'few;fields\r\n"open;quote\r\n' + written(ROWS[:1], separator=";")
        assert damaged(path, text.encode("utf-16")) == {
            "few;fields": "2 fields where the header has 22",
            '"open;quote': "unbalanced quotes",
        }

    def test_half_a_pair_in_utf_16_is_damage_of_its_line(self, path: Path) -> None:
        text = written() + written([[*ROWS[0][:3], "a\ud800b", *ROWS[0][4:]]]).partition("\n")[2]
        assert list(damaged(path, text.encode("utf-16", "surrogatepass")).values()) == ["bytes that are not UTF-8"]

    def test_a_header_with_other_signs_in_quotes(self, path: Path) -> None:
        header = [*HEADERS[:-1], "Location (lat, lon); a|b"]
        for separator in (",", ";", "\t"):
            assert read(path, written(header=header, separator=separator).encode()) == ROWS

    def test_files_in_several_dialects_make_one_source(self, tmp_path: Path) -> None:
        for number, (separator, encoding) in enumerate(((",", "utf-8"), (";", "utf-8-sig"), ("\t", "utf-16"))):
            text = written(ROWS[number::3], separator=separator, end="\r\n")
            (tmp_path / f"{number}.csv").write_bytes(text.encode(encoding))
        source = ExportFeed(CHICAGO, str(tmp_path / "*.csv"), cache=tmp_path / "cache", today=TODAY)
        assert sorted(row["id"] for row in source.changes(date(2018, 1, 1), LATER)) == [row[0] for row in ROWS]
        assert sorted(read_history(source, LATER)["id"].to_pylist()) == [row[0] for row in ROWS]
        assert source.columns() == set(CHICAGO.source_columns)


class TestWhatIsNamed:
    @pytest.mark.parametrize(
        ("content", "sentence"),
        [
            (b"sep=^\nid^updated_on\n1^2\n", "its first line names the separator '^'; separate it by commas"),
            (b"id,updated_on;x,y;z\n1,2;3,4;5\n", "its header line can be separated by commas or semicolons"),
            (b"<!DOCTYPE html>\n<html>\n", "it begins like HTML or XML"),
            (b'{"error": true}\n', "it begins like JSON"),
            (b"\n [\n", "it begins like JSON"),
            ("id,dirección\n".encode("latin-1"), "its header line has bytes that are not UTF-8; save it as UTF-8"),
            (b"\xff\xfe\0\0" + b"\xff" * 40, "it is not the UTF-32-LE that it begins with"),
            (b"\xff\xfe", "it has no header line"),
        ],
    )
    def test_its_beginning(self, path: Path, content: bytes, sentence: str) -> None:
        assert sentence in refusal(path, content)

    @pytest.mark.parametrize("encoding", ["latin-1", "cp1252"])
    def test_an_encoding_of_one_byte(self, path: Path, encoding: str) -> None:
        rows = [[*row[:3], f"{n} CAÑON ST", *row[4:]] if n % 3 == 0 else row for n, row in enumerate(ROWS)]
        assert "seems to be in Windows-1252 or Latin-1 (…" in refusal(path, written(rows).encode(encoding))
        assert "save it as UTF-8." in refusal(path, written(rows, separator=";", end="\r\n").encode(encoding))

    def test_a_few_broken_letters_are_damage_of_their_lines(self, path: Path) -> None:
        broken = written().encode().replace(b"AVERS", "AVÉRS".encode("latin-1"), 2)
        assert len(damaged(path, broken)) == 2
        in_utf8 = written([[*ROWS[0][:3], "CAÑON", *ROWS[0][4:]]]).encode().partition(b"\n")[2]
        all_broken = written().encode().replace(b"AVERS", "AVÉRS".encode("latin-1"))
        assert len(damaged(path, all_broken + in_utf8)) == len(ROWS)

    @pytest.mark.parametrize(
        ("change", "reason"),
        [
            (lambda line: line.replace('"', ""), "24 fields where the header has 22"),
            (lambda line: line.replace(",", ";"), "1 fields where the header has 22"),
            (lambda line: line + ",x", "23 fields where the header has 22"),
            (lambda line: line + '"', "unbalanced quotes"),
        ],
    )
    def test_lines_that_do_not_fit_the_header(self, path: Path, change: object, reason: str) -> None:
        assert callable(change)
        header, *lines = written([row for row in ROWS if row[-1]]).splitlines()
        text = "\n".join([header, *map(change, lines), ""])
        sentence = refusal(path, text.encode())
        assert sentence.startswith(f"cannot be read as CSV: none of its lines is a record ({reason}")

    @pytest.mark.parametrize(
        ("header", "seen"),
        [
            (
                "ID^Updated On^Date",
                "has no column id, read as CSV separated by commas with the columns id_updated_on_date",
            ),
            (
                "ID;Date;Updated",
                "has no column updated_on, read as CSV separated by semicolons with the columns id, date",
            ),
            (
                "Crimes - 2001 to Present",
                "has no column id, read as CSV separated by commas with the columns crimes_2001",
            ),
        ],
    )
    def test_a_header_without_the_columns_that_are_needed(self, path: Path, header: str, seen: str) -> None:
        path.write_text(f"{header}\n1\n")
        source = ExportFeed(CHICAGO, str(path), cache=path.parent / "cache", today=TODAY)
        with pytest.raises(Exception, match=seen) as caught:
            source.columns()
        assert str(caught.value).endswith("export the dataset with all its columns, as CSV or Parquet.")
