"""The export feed on sound files, and on the portal's real ones."""

from __future__ import annotations

import csv
import gzip
import random
from datetime import date, datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from crime_assets.core.errors import UsageError
from crime_assets.sources.feeds import DAMAGE, RAW, Record
from crime_assets.sources.feeds.export_file import api_name
from crime_assets_tests.sources.feeds.export.files import (
    DAY,
    FIELDS,
    FOREVER,
    HEADER,
    LATER,
    TITLES,
    changes,
    crime,
    export,
    feed,
    history,
    in_order,
    line,
)
from crime_assets_tests.sources.feeds.histories import read_history


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
