"""The export feed on files of every kind of damage, and on what is no export."""

from __future__ import annotations

import gzip
import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from crime_assets.core.errors import FeedError, UsageError
from crime_assets.sources.feeds import RAW, Record, csv_lines
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets_tests.sources.feeds.export.files import (
    DAY,
    FOREVER,
    HEADER,
    LATER,
    changes,
    crime,
    export,
    feed,
    history,
    in_order,
    line,
)
from crime_assets_tests.sources.feeds.histories import read_history


def cut(text: bytes, chance: random.Random) -> bytes:
    """Cut anywhere but right before the last field: what is left there is a whole record without a location."""
    last_field = text.index(b'"(')
    return text[: chance.choice([*range(1, last_field), *range(last_field + 1, len(text))])]


DAMAGES = {
    "cut": cut,
    "few": lambda text, _: text.replace(b"ROBBERY,", b"", 1),
    "many": lambda text, _: text.replace(b"ROBBERY", b"ROBBERY,ARMED", 1),
    "lost end": lambda text, _: text + text,
    "lost quote": lambda text, _: text.replace(b'"', b"", 1),
    "stray quote": lambda text, _: text.replace(b"ROBBERY", b'ROB"BERY', 1),
    "open quote": lambda text, _: text.replace(b",ROBBERY", b',"ROBBERY', 1),
    "stray and open quote": lambda text, _: text.replace(b",03,", b',0"3,', 1).removesuffix(b'"'),
    "bytes": lambda text, chance: text.replace(b"ROBBERY", bytes(chance.choices(range(128, 192), k=5)), 1),
    "nul": lambda text, _: text.replace(b"ROBBERY", b"\0" * 7, 1),
    "garbage": lambda _, chance: b"\xff" + bytes(chance.choices([b for b in range(256) if b != 10], k=80)) + b"\xfe",
    "long": lambda text, _: text.replace(b"ROBBERY", b"A" * (1 << 20), 1),
}
REASONS = {
    "few": "21 fields where the header has 22",
    "many": "23 fields where the header has 22",
    "lost end": "43 fields where the header has 22",
    "lost quote": "unbalanced quotes",
    "stray quote": "unbalanced quotes",
    "open quote": "unbalanced quotes",
    "stray and open quote": "unbalanced quotes",
    "bytes": "bytes that are not UTF-8",
    "nul": "NUL bytes",
}


class TestDamage:
    @pytest.mark.parametrize("kind", DAMAGES)
    def test_a_damaged_line_is_shown_and_costs_no_neighbour(self, tmp_path: Path, kind: str) -> None:
        bad = DAMAGES[kind](line(crime(2)), random.Random(1))
        good = [crime(1), crime(3)]
        shown = bad.decode(errors="backslashreplace").replace("\0", "\\x00")
        for lines in ([line(good[0]), bad, line(good[1])], [bad, *map(line, good)], [*map(line, good), bad]):
            records, damaged = history(export(tmp_path / "a.csv", lines))
            assert records == good
            assert list(damaged) == [shown]
            assert damaged[shown] == REASONS.get(kind, damaged[shown])
        assert changes(feed(tmp_path / "a.csv"), DAY, DAY) == good

    def test_a_line_longer_than_any_record_says_its_length(self, tmp_path: Path) -> None:
        long = line(crime(1, block="A" * csv_lines.LONGEST_LINE))
        assert history(export(tmp_path / "a.csv", [long, line(crime(2))]))[1] == {
            long.decode(): f"a line of {len(long)} bytes"
        }

    def test_a_header_line_that_comes_again_is_neither_record_nor_damage(self, tmp_path: Path) -> None:
        source = export(tmp_path / "a.csv", [line(crime(1)), HEADER, b"\xef\xbb\xbf" + HEADER, line(crime(2))])
        assert history(source) == ([crime(1), crime(2)], {})

    def test_garbage_values_in_a_whole_line_pass_as_they_are(self, tmp_path: Path) -> None:
        record = crime(1, id="abc", date="99/99/2018", latitude="north")
        source = export(tmp_path / "a.csv", [line(record)])
        assert changes(source, DAY, DAY) == [record]

    def test_two_damaged_lines_in_a_row_do_not_make_one_record(self, tmp_path: Path) -> None:
        whole = line(crime(1, description="FISTS", location_description="BAR"))
        open_end = whole[: whole.rindex(b'"') - 5]
        others = (
            open_end,
            whole[: whole.index(b'"') + 1],
            whole.replace(b"ROBBERY", b'ROBBERY"'),
            whole.replace(b'"', b"", 1),
            b'end of a field",and one more',
        )
        for other in others:
            records, damaged = history(export(tmp_path / "a.csv", [open_end, other, line(crime(2))]))
            assert records == [crime(2)]
            assert damaged == dict.fromkeys([open_end.decode(), other.decode()], "unbalanced quotes")

    @pytest.mark.parametrize("seed", range(8))
    def test_good_records_always_come_back(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
        """Damage of every kind at random, with blocks so small that all of it also meets their borders."""
        chance = random.Random(seed)
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", chance.choice([150, 1000, 5_000, 4 << 20]))
        good: list[Record] = []
        lines: list[bytes] = []
        bad: list[str] = []
        for number in range(150):
            record = crime(number)
            if chance.random() < 0.1:
                record["description"] = "several\n\nlines, of\ntext"
            if chance.random() < 0.4:
                kind = chance.choice([kind for kind in DAMAGES if kind not in ("garbage", "long")])
                lines.append(DAMAGES[kind](line(crime(number)), chance))
                bad.append(lines[-1].decode(errors="backslashreplace").replace("\0", "\\x00"))
            else:
                good.append(record)
                lines.append(line(record))
            lines += [chance.choice([b"", HEADER])] * (chance.random() < 0.05)
        source = export(tmp_path / "a.csv.gz", lines, chance.choice([b"\n", b"\r\n"]))
        table = read_history(source, LATER)
        records, damaged = history(source)
        assert records == in_order(good)
        assert sorted(filter(None, table.column(RAW).to_pylist())) == sorted(bad)
        assert set(damaged) == set(bad)
        assert changes(source, DAY, DAY) == records
        assert source.count(DAY, DAY) == len(records)


class TestRefusals:
    def test_no_match_says_what_to_set(self, tmp_path: Path) -> None:
        with pytest.raises(UsageError, match=r"nothing\.csv.*CRIME_EXPORT"):
            feed(tmp_path / "nothing.csv").latest_day()

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"", "is empty"),
            (b"\n\n", "no header line"),
            (b"ID,Case Number\n1,HZ1\n", "no column updated_on"),
            (b"Updated On\n11/19/2018 04:14:28 PM\n", "no column id"),
            (b"ID,Updated On,id\n", "two columns named id"),
            (b"ID,,Updated On\n", "without a name"),
            (b'ID,Updated On,"open\n', "misplaced quote"),
            (b"ID,\xff\n", "not UTF-8"),
            (b"\0" * 1000, "NUL"),
            (",".join(["ID", "Updated On", *(f"c{n}" for n in range(500))]).encode(), "502 columns"),
            (b"PAR1 but no more", "cannot be read to its end"),
            (gzip.compress(b"", mtime=0), "is empty"),
        ],
    )
    def test_a_file_that_is_no_export_is_named(self, tmp_path: Path, content: bytes, message: str) -> None:
        path = tmp_path / "bad.csv"
        path.write_bytes(content)
        for ask in (ExportFeed.columns, ExportFeed.latest_day, lambda source: list(source.changes(DAY, DAY))):
            with pytest.raises(FeedError, match=message) as caught:
                ask(feed(path))
            assert str(path) in str(caught.value)

    def test_headers_only_is_no_record(self, tmp_path: Path) -> None:
        source = export(tmp_path / "a.csv", [])
        assert (changes(source), history(source), source.count(*FOREVER)) == ([], ([], {}), 0)
        with pytest.raises(FeedError, match="readable updated_on"):
            source.latest_day()

    @pytest.mark.parametrize("share", [0.3, 0.999])
    def test_a_compressed_file_that_is_cut_is_refused_as_a_whole(self, tmp_path: Path, share: float) -> None:
        whole = gzip.compress(b"\n".join([HEADER, *(line(crime(n)) for n in range(2000))]))
        (tmp_path / "a.csv.gz").write_bytes(whole[: int(len(whole) * share)])
        source = feed(tmp_path / "a.csv.gz")
        with pytest.raises(FeedError, match=r"a\.csv\.gz cannot be read to its end .* fetch it again"):
            list(source.changes(DAY, DAY))
        with pytest.raises(FeedError, match="fetch it again"):
            read_history(source, LATER)
        with pytest.raises(FeedError, match="fetch it again"):
            source.count(DAY, DAY)

    def test_a_line_without_end_is_no_csv(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
        monkeypatch.setattr(csv_lines, "LONGEST_GARBAGE", 10_000)
        source = export(tmp_path / "a.csv", [b"\0" * 12_000])
        with pytest.raises(FeedError, match="more than 10000 bytes"):
            source.latest_day()

    def test_a_directory_and_a_forbidden_file(self, tmp_path: Path) -> None:
        with pytest.raises(FeedError, match="is a directory"):
            feed(tmp_path).columns()
        if os.geteuid() == 0:
            pytest.skip("root may read every file")
        source = export(tmp_path / "a.csv", [])
        (tmp_path / "a.csv").chmod(0)
        with pytest.raises(FeedError, match="read permission"):
            source.columns()

    def test_a_file_that_grows_while_it_is_read(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 1000)
        source = export(tmp_path / "a.csv", [line(crime(n)) for n in range(100)])
        parts = ExportFile.parts

        def growing(file: ExportFile) -> Iterator[csv_lines.Lines]:
            for number, part in enumerate(parts(file)):
                yield part
                if number == 0:
                    with file.path.open("ab") as stream:
                        stream.write(line(crime(101)) + b"\n")

        monkeypatch.setattr(ExportFile, "parts", growing)
        with pytest.raises(FeedError, match="changed while it was being read"):
            read_history(source, LATER)

    def test_names_of_files_and_columns_can_be_anything(self, tmp_path: Path) -> None:
        header = HEADER + b''',"a ""quoted"" name","'); DROP TABLE x; --","_damage"'''
        name = """it's "one" [file]; *.csv"""
        source = export(tmp_path / name, [line(crime(1)) + b",x,y,z"], header=header)
        expected = {**crime(1), "a_quoted_name": "x", "drop_table_x": "y", "damage": "z"}
        assert changes(source, DAY, DAY) == [expected]
        assert history(source) == ([expected], {})
