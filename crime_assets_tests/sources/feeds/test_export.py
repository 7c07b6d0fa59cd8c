"""The export feed on files of every kind of damage, and on the portal's real ones."""

from __future__ import annotations

import csv
import gzip
import io
import os
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from crime_assets.core.errors import FeedError, UsageError
from crime_assets.sources.cities import get
from crime_assets.sources.feeds import DAMAGE, RAW, Record, csv_lines, spool
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import ExportFile, api_name
from crime_assets_tests.sources.feeds.histories import read_history

HEADER = (
    b"ID,Case Number,Date,Block,IUCR,Primary Type,Description,Location Description,Arrest,Domestic,Beat,District,Ward,"
    b"Community Area,FBI Code,X Coordinate,Y Coordinate,Year,Updated On,Latitude,Longitude,Location"
)
TITLES = HEADER.decode().split(",")
FIELDS = [api_name(title) for title in TITLES]
DAY = date(2018, 11, 19)
LATER = date(2018, 11, 20)
TODAY = date(2100, 1, 1)
FOREVER = (date(1, 1, 1), date(9999, 12, 31))


def crime(number: int, **changed: str) -> Record:
    """A record as the feed should give it."""
    record = {
        "id": str(number),
        "case_number": f"HZ{number}",
        "date": "11/01/2018 12:01:00 AM",
        "block": "014XX S AVERS AVE",
        "iucr": "031A",
        "primary_type": "ROBBERY",
        "description": "HANDS, FISTS, FEET",
        "location_description": 'BAR "THE END"',
        "arrest": "false",
        "domestic": "true",
        "beat": "0111",
        "district": "001",
        "fbi_code": "03",
        "year": "2018",
        "updated_on": "11/19/2018 04:14:28 PM",
        "latitude": "41.861717546",
        "longitude": "-87.721386272",
        "location": "(41.861717546, -87.721386272)",
    }
    return {name: value for name, value in {**record, **changed}.items() if value}


def line(record: Record) -> bytes:
    """The record as the portal writes it, without the line's end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([record.get(name, "") for name in FIELDS])
    return text.getvalue().encode().removesuffix(b"\r\n")


def export(path: Path, lines: Iterable[bytes], end: bytes = b"\n", header: bytes = HEADER) -> ExportFeed:
    path.write_bytes(b"".join(text + end for text in (header, *lines)))
    return feed(path)


def stamp(day: date) -> str:
    return f"{day:%m/%d/%Y} 04:14:28 PM"


class Kept:
    """Where feeds of the running test keep what a replay needs."""

    directory: Path


@pytest.fixture(autouse=True)
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    Kept.directory = tmp_path_factory.mktemp("kept")
    return Kept.directory


def feed(pattern: Path | str) -> ExportFeed:
    return ExportFeed(get("chicago"), str(pattern), cache=Kept.directory, today=TODAY)


def changes(source: ExportFeed, first: date = FOREVER[0], last: date = FOREVER[1]) -> list[Record]:
    return sorted(source.changes(first, last), key=repr)


def history(source: ExportFeed, before: date = LATER) -> tuple[list[Record], dict[str, str]]:
    """Records, and damaged lines with their reasons."""
    rows = [
        {name: value for name, value in row.items() if value is not None}
        for row in read_history(source, before).to_pylist()
    ]
    assert all(row.keys() == {DAMAGE, RAW} for row in rows if DAMAGE in row)
    records = [row for row in rows if DAMAGE not in row]
    return sorted(records, key=repr), {row[RAW]: row[DAMAGE] for row in rows if DAMAGE in row}


def in_order(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=repr)


class TestRecords:
    def test_texts_come_verbatim_and_empty_fields_are_absent(self, tmp_path: Path) -> None:
        record = crime(1, description=" NULL ", location_description="NA", block="Ünïcode , \\N", ward="")
        assert changes(export(tmp_path / "a.csv", [line(record)])) == [record]

    def test_line_ends_byte_order_mark_empty_lines_and_a_missing_last_end_change_nothing(self, tmp_path: Path) -> None:
        records = [crime(n) for n in range(3)]
        texts = [line(record) for record in records]
        (tmp_path / "bare.csv").write_bytes(b"\n".join([HEADER, *texts]))
        (tmp_path / "bom.csv").write_bytes(b"\xef\xbb\xbf" + b"\n\n".join([HEADER, *texts]) + b"\n\n")
        export(tmp_path / "crlf.csv", texts, end=b"\r\n")
        for name in ("bare", "bom", "crlf"):
            source = feed(tmp_path / f"{name}.csv")
            assert changes(source) == in_order(records), name
            assert history(source) == (in_order(records), {}), name

    def test_columns_may_be_reordered_missing_or_new(self, tmp_path: Path) -> None:
        export(tmp_path / "a.csv", [line(crime(1))])
        (tmp_path / "b.csv").write_bytes(b"Updated On,Zip,ID\n11/19/2018 04:14:28 PM,60601,2\n")
        source = feed(tmp_path / "*.csv")
        assert source.columns() == {*FIELDS, "zip"}
        other = {"updated_on": "11/19/2018 04:14:28 PM", "zip": "60601", "id": "2"}
        assert changes(source) == in_order([crime(1), other])
        assert history(source) == (in_order([crime(1), other]), {})
        assert read_history(source, LATER).schema.names == [*FIELDS, "zip", DAMAGE, RAW]

    def test_a_field_over_several_lines_is_one_record(self, tmp_path: Path) -> None:
        texts = ["one\ntwo", "\n\nlast", 'with "quotes"\nand, commas\n', "a\r\nb", "single\rreturn"]
        records = [crime(n, description=text) for n, text in enumerate(texts)]
        lines = [line(record) for record in records]
        for end in (b"\n", b"\r\n"):
            source = export(tmp_path / "a.csv", [lines[0], line(crime(9)), *lines[1:]], end)
            assert history(source) == (in_order([*records, crime(9)]), {})

    def test_a_parquet_file_and_a_compressed_one_are_known_by_content(self, tmp_path: Path) -> None:
        records = [crime(n, ward="") for n in range(5)]
        plain = b"".join(text + b"\n" for text in (HEADER, *map(line, records)))
        members = gzip.compress(plain[:100]) + gzip.compress(plain[100:])
        (tmp_path / "gz.parquet").write_bytes(members)
        table = pa.Table.from_pylist([{name: row.get(name) for name in FIELDS} for row in records])
        pq.write_table(table.rename_columns(TITLES), tmp_path / "parquet.csv")
        for name in ("gz.parquet", "parquet.csv"):
            assert changes(feed(tmp_path / name)) == in_order(records), name

    def test_typed_parquet_columns_become_the_api_s_texts(self, tmp_path: Path) -> None:
        stamp = datetime(2018, 11, 19, 16, 14, 28)
        table = pa.table(
            {
                "id": pa.array([74339603074], pa.float64()),
                "updated_on": pa.array([stamp], pa.timestamp("ns")),
                "seen_utc": pa.array([datetime(2018, 11, 19, 22, 14, 28)], pa.timestamp("us", tz="UTC")),
                "day": pa.array([stamp.date()]),
                "arrest": [True],
                "beat": pa.array([111], pa.int16()),
                "latitude": [41.861717546],
                "empty": [""],
                "not_a_number": [float("nan")],
                "kind": pa.array(["THEFT"]).dictionary_encode(),
                "location": [{"longitude": "-87.7", "latitude": "41.8"}],
            }
        )
        pq.write_table(table, tmp_path / "a.parquet")
        expected = {
            "id": "74339603074",
            "updated_on": "2018-11-19T16:14:28.000",
            "seen_utc": "2018-11-19T16:14:28.000",
            "day": "2018-11-19T00:00:00.000",
            "arrest": "true",
            "beat": "111",
            "latitude": "41.861717546",
            "kind": "THEFT",
            "location": '{"latitude":"41.8","longitude":"-87.7"}',
        }
        assert changes(feed(tmp_path / "a.parquet"), DAY, DAY) == [expected]
        assert history(feed(tmp_path / "a.parquet")) == ([expected], {})


class TestDays:
    @pytest.mark.parametrize(
        ("stamp", "day"),
        [
            ("11/19/2018 11:59:59 PM", date(2018, 11, 19)),
            ("11/19/2018 12:00:00 AM", date(2018, 11, 19)),
            ("2018-11-19T23:59:59.999", date(2018, 11, 19)),
            ("2018-11-19T00:00:00", date(2018, 11, 19)),
            ("2018-11-19 10:00:00", date(2018, 11, 19)),
            ("11/19/2018 16:14:28", date(2018, 11, 19)),
            ("1/9/2018 3:05", date(2018, 1, 9)),
            ("02/29/2018 10:00:00 AM", None),
            ("99/99/2018 10:00:00 AM", None),
            ("0000-01-01T00:00:00", None),
            ("yesterday", None),
            ("", None),
        ],
    )
    def test_every_form_of_a_stamp(self, tmp_path: Path, stamp: str, day: date | None) -> None:
        record = crime(1, updated_on=stamp)
        source = export(tmp_path / "a.csv", [line(record)])
        assert changes(source) == ([record] if day else [])
        if day:
            assert source.latest_day() == day
            assert changes(source, day, day) == [record]
            assert history(source, before=day)[0] == []
        else:
            assert history(source, before=FOREVER[0])[0] == [record]

    def test_each_record_is_in_history_or_in_changes(self, tmp_path: Path) -> None:
        stamps = [f"11/{day:02}/2018 04:00:00 PM" for day in range(1, 31)]
        records = [crime(n, updated_on=random.Random(n).choice(stamps)) for n in range(200)]
        # Two files, and some rows in both: a feed removes no duplicates.
        export(tmp_path / "a.csv", map(line, records[:120]))
        export(tmp_path / "b.csv", map(line, records[80:]))
        source = feed(tmp_path / "[ab].csv")
        first, last = date(2018, 11, 10), date(2018, 11, 19)
        expected = [*records, *records[80:120]]
        late = [row for row in expected if f"{first:%m/%d}" <= str(row["updated_on"])[:5] <= f"{last:%m/%d}"]
        assert changes(source, first, last) == in_order(late)
        assert source.count(first, last) == len(late)
        assert history(source, date(2018, 12, 1))[0] == in_order(expected)
        assert (
            source.latest_day() == max(datetime.strptime(str(r["updated_on"])[:10], "%m/%d/%Y") for r in records).date()
        )

    def test_what_is_known_of_a_file_ends_when_it_changes(self, tmp_path: Path) -> None:
        source = export(tmp_path / "a.csv", [line(crime(1))])
        assert source.count(DAY, DAY) == 1
        export(tmp_path / "a.csv", [line(crime(1)), line(crime(2, updated_on="11/20/2018 01:00:00 AM"))])
        export(tmp_path / "b.csv", [line(crime(3))])
        assert source.latest_day() == LATER
        assert changes(source, LATER, LATER) == [crime(2, updated_on="11/20/2018 01:00:00 AM")]
        (tmp_path / "a.csv").unlink()
        with pytest.raises(UsageError):
            source.latest_day()


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
        with pytest.raises(FeedError, match="changed while it was read"):
            read_history(source, LATER)

    def test_names_of_files_and_columns_can_be_anything(self, tmp_path: Path) -> None:
        header = HEADER + b''',"a ""quoted"" name","'); DROP TABLE x; --","_damage"'''
        name = """it's "one" [file]; *.csv"""
        source = export(tmp_path / name, [line(crime(1)) + b",x,y,z"], header=header)
        expected = {**crime(1), "a_quoted_name": "x", "drop_table_x": "y", "damage": "z"}
        assert changes(source, DAY, DAY) == [expected]
        assert history(source) == ([expected], {})


class TestRealExports:
    """The portal's own files of 2016 to 2018, taken on 2018-11-21, and one of 2024 with a byte-order mark."""

    def test_a_year(self, shared_data: Path) -> None:
        counts: dict[str, int] = {}
        expected: list[Record] = []
        path = shared_data / "chicago" / "Crimes_-_2018.csv.gz"
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            for row in csv.DictReader(text):
                month, day, year = row["Updated On"][:10].split("/")
                key = f"{year}-{month}-{day}"
                counts[key] = counts.get(key, 0) + 1
                if key == "2018-11-19":
                    expected.append({api_name(title): value for title, value in row.items() if value})
        assert sum(counts.values()) == 230_659
        assert len(expected) > 500

        source = feed(path)
        first = date(2018, 11, 10)
        assert changes(source, DAY, DAY) == in_order(expected)
        assert source.latest_day() == DAY
        assert source.count(*FOREVER) == 230_659
        assert source.count(first, DAY) == sum(counts[f"2018-11-{day}"] for day in range(10, 20))
        rows = damaged = 0
        with source.history(first) as loading:
            assert {part[:4] for part in loading.parts} == {"2018"}
            for name in loading.parts:
                part = loading.read(name)
                rows += part.num_rows
                damaged += part.num_rows - part.column(DAMAGE).null_count
                assert set(pc.utf8_slice_codeunits(part["date"], 0, 2).unique().to_pylist()) == {name[5:7]}
        assert (rows + sum(1 for _ in source.changes(first, DAY)), damaged) == (230_659, 0)

    def test_a_byte_order_mark(self, shared_data: Path) -> None:
        path = shared_data / "chicago" / "sample_2024_10k_bom.csv.gz"
        source = feed(path)
        assert source.columns() == frozenset(FIELDS)
        with gzip.open(path, "rt", encoding="utf-8-sig", newline="") as text:
            rows = list(csv.DictReader(text))
        expected = [{api_name(title): value for title, value in row.items() if value} for row in rows]
        assert changes(source) == in_order(expected)
        assert source.latest_day() == date(2025, 11, 30)


class TestReplay:
    """What is kept of a file between feeds."""

    def test_a_second_feed_reads_the_export_no_more(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        source = export(tmp_path / "a.csv", [line(crime(n, updated_on=stamp(DAY))) for n in range(5)])
        expected = changes(source, DAY, DAY)
        (tmp_path / "a.csv").chmod(0o600)
        again = feed(tmp_path / "a.csv")
        monkeypatch.setattr(again, "_parts", None)  # reading the file again would fail
        assert changes(again, DAY, DAY) == expected
        assert (again.latest_day(), again.count(DAY, DAY)) == (DAY, 5)

    def test_an_earlier_day_is_read_again(self, tmp_path: Path) -> None:
        earlier = DAY - timedelta(days=3)
        source = export(
            tmp_path / "a.csv", [line(crime(1, updated_on=stamp(earlier))), line(crime(2, updated_on=stamp(DAY)))]
        )
        assert len(changes(source, DAY, DAY)) == 1
        assert [row["id"] for row in changes(feed(tmp_path / "a.csv"), earlier, earlier)] == ["1"]

    def test_a_changed_export_is_read_again(self, tmp_path: Path) -> None:
        changes(export(tmp_path / "a.csv", [line(crime(1, updated_on=stamp(DAY)))]), DAY, DAY)
        source = export(tmp_path / "a.csv", [line(crime(n, updated_on=stamp(DAY))) for n in (2, 3)])
        assert [row["id"] for row in changes(source, DAY, DAY)] == ["2", "3"]

    def test_a_damaged_memory_is_no_harm(self, tmp_path: Path, kept: Path) -> None:
        source = export(tmp_path / "a.csv", [line(crime(1, updated_on=stamp(DAY)))])
        expected = changes(source, DAY, DAY)
        (file,) = kept.iterdir()
        file.write_bytes(file.read_bytes()[:100])
        assert changes(feed(tmp_path / "a.csv"), DAY, DAY) == expected

    def test_a_pass_that_breaks_off_keeps_nothing(self, tmp_path: Path, kept: Path) -> None:
        path = tmp_path / "a.csv.gz"
        path.write_bytes(gzip.compress(HEADER + b"\n" + b"\n".join(line(crime(n)) for n in range(9)))[:-9])
        with pytest.raises(FeedError):
            changes(feed(path), DAY, DAY)
        assert list(kept.iterdir()) == []

    def test_a_stamp_in_the_future_is_not_the_latest_day(self, tmp_path: Path) -> None:
        lines = [line(crime(1, updated_on=stamp(DAY))), line(crime(2, updated_on=stamp(TODAY)))]
        assert export(tmp_path / "a.csv", lines).latest_day() == DAY


def broken_off(source: ExportFeed) -> tuple[str, dict[str, list[Record]]]:
    """The source and all parts of a history whose load breaks off after the last of them."""
    found: dict[str, list[Record]] = {}
    names: list[str] = []

    def load() -> None:
        with source.history(LATER) as reading:
            names.append(reading.source)
            found.update({part: reading.read(part).to_pylist() for part in reading.parts})
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        load()
    return names[0], found


class TestHistoryInOrder:
    """The parts of a history, and what is kept on disk for one that was broken off."""

    OCCURRED = ("11/01/2018 12:01:00 AM", "2018-10-31T23:59:59.999", "12/31/2001 11:59:00 PM", "2018-11-30 10:00:00")
    NO_MONTH = ("", "yesterday", "99/99/2018", "01/01/1800 10:00:00 AM", "2101-01-01T00:00:00")

    @pytest.fixture
    def crimes(self) -> list[Record]:
        chance = random.Random(3)
        return [crime(n, date=chance.choice((*self.OCCURRED, *self.NO_MONTH))) for n in range(300)]

    @pytest.fixture
    def path(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crimes: list[Record]) -> Path:
        monkeypatch.setattr(csv_lines, "BLOCK_BYTES", 5_000)
        monkeypatch.setattr(spool, "_ROWS", 50)
        to_come = crime(9_000, updated_on=stamp(date(2018, 11, 25)))
        export(tmp_path / "a.csv", [*map(line, crimes[:200]), b"damaged", line(to_come)])
        export(tmp_path / "b.csv", map(line, crimes[200:]))
        return tmp_path / "[ab].csv"

    def test_a_part_has_rows_of_one_month_and_what_has_none_is_a_part_too(
        self, path: Path, crimes: list[Record]
    ) -> None:
        found: dict[str, list[object]] = {}
        with feed(path).history(LATER) as reading:
            for part in reading.parts:
                rows = reading.read(part)
                assert 0 < rows.num_rows <= 50
                found.setdefault(part.split(".")[0], []).extend(rows["id"].to_pylist())
        months = dict(zip(self.OCCURRED, ("2018-11", "2018-10", "2001-12", "2018-11"), strict=True))
        expected: dict[str, list[object]] = {"none": [None]}
        for one in crimes:
            expected.setdefault(months.get(str(one.get("date")), "none"), []).append(one["id"])
        assert {month: sorted(map(str, ids)) for month, ids in found.items()} == {
            month: sorted(map(str, ids)) for month, ids in expected.items()
        }

    def test_a_load_that_goes_on_reads_the_export_no_more(
        self, path: Path, kept: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        first = broken_off(feed(path))
        again = feed(path)
        monkeypatch.setattr(again, "_parts", None)  # reading the files again would fail
        assert broken_off(again) == first
        assert (kept / "history").exists()
        with again.history(LATER) as reading:
            assert (reading.source, set(reading.parts)) == (first[0], set(first[1]))
        assert not (kept / "history").exists()

    @pytest.mark.parametrize("change", ["another day", "an edited file", "one file more", "another clock"])
    def test_another_history_is_read_anew(self, path: Path, crimes: list[Record], change: str) -> None:
        source, _ = broken_off(feed(path))
        today, before = TODAY, LATER
        expected: list[str | None] = [*(str(one["id"]) for one in crimes), None]
        match change:
            case "another day":
                before, expected = DAY, [None]
            case "an edited file":
                export(path.parent / "b.csv", [line(crime(7_000))])
                expected[200:300] = ["7000"]
            case "one file more":
                export(path.parent / "c.csv", [line(crime(8_000))])
                path = path.parent / "*.csv"
                expected.append("8000")
            case "another clock":
                # A day that one pulls later is still to come for the other.
                today = date(2018, 11, 21)
                expected.append(None)
        other = ExportFeed(get("chicago"), str(path), cache=Kept.directory, today=today)
        with other.history(before) as reading:
            assert reading.source != source
            rows = [row for part in reading.parts for row in reading.read(part).to_pylist()]
        assert Counter(row["id"] for row in rows) == Counter(expected)

    def test_a_pass_over_the_files_that_breaks_off_is_not_trusted(
        self, path: Path, crimes: list[Record], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        parts = ExportFile.parts

        def breaking(file: ExportFile) -> Iterator[csv_lines.Lines]:
            if file.path.name == "b.csv":
                raise FeedError("gone")
            yield from parts(file)

        with monkeypatch.context() as patch:
            patch.setattr(ExportFile, "parts", breaking)
            with pytest.raises(FeedError, match="gone"):
                history(feed(path))
        assert history(feed(path)) == (in_order(crimes), {"damaged": "1 fields where the header has 22"})
