"""Parquet as many programs write it: what has a text is read, columns of bytes are named as not taken."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from crime_assets.defs.checks.verdicts import source_schema
from crime_assets.sources.feeds import Record
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets_tests.build import CHICAGO, HEADERS
from crime_assets_tests.sources.feeds.export_files import DAY, LATER, ROWS, TODAY, read, refusal
from crime_assets_tests.sources.feeds.histories import read_history

COLUMNS = dict(zip(HEADERS, map(list, zip(*ROWS, strict=True)), strict=True))
POINT = b"\x01\x01\x00\x00\x00\x9a\x99\x99\x99\x99\xe9U\xc0\xcd\xcc\xcc\xcc\xcc\xecD@"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.parquet"


def one(path: Path, columns: Mapping[str, pa.Array], metadata: Mapping[str, str] | None = None) -> ExportFeed:
    """The feed of a file with one row, which has these columns beside those that are needed."""
    needed = {"id": pa.array([1]), "updated_on": pa.array([datetime(2018, 11, 19)], pa.timestamp("us"))}
    pq.write_table(pa.table({**needed, **columns}).replace_schema_metadata(metadata), path)
    return ExportFeed(CHICAGO, str(path), cache=path.parent / "cache", today=TODAY)


def record(source: ExportFeed) -> Record:
    """The one record beside what is needed, the same in history and changes."""
    (found,) = source.changes(DAY, DAY)
    (row,) = read_history(source, LATER).to_pylist()
    assert found == {name: value for name, value in row.items() if value is not None}
    return {name: value for name, value in found.items() if name not in ("id", "updated_on")}


def test_columns_of_bytes_are_named_and_not_taken(path: Path) -> None:
    source = one(
        path,
        {
            "block": pa.array(["014XX S AVERS AVE"]),
            "geometry": pa.array([POINT]),
            "Thumb Nail": pa.array([b"\xff\xd8"], pa.large_binary()),
            "digest": pa.array([b"0123456789abcdef"], pa.binary(16)),
            "coded": pa.array([b"\xff"]).dictionary_encode(),
            "shapes": pa.array([[{"wkb": POINT}]]),
        },
    )
    assert record(source) == {"block": "014XX S AVERS AVE"}
    left_out = {"geometry (binary)", "thumb_nail (large_binary)", "digest (fixed_size_binary[16])"}
    nested = source.columns() - left_out - {"id", "updated_on", "block", "coded (binary)"}
    assert source.columns() > left_out
    assert [name.partition(" ")[0] for name in nested] == ["shapes"]
    drift = source_schema(CHICAGO, source.columns(), []).figures["drift"]
    assert isinstance(drift, dict)
    assert drift["geometry (binary)"].endswith("crimes takes no column with such a name")


@pytest.mark.parametrize("column", ["geometry", "Location", "block"])
def test_geometry_in_any_place(path: Path, column: str) -> None:
    """Also where the name is one that the city has: bytes are no text."""
    geo = json.dumps({"primary_column": column, "columns": {column: {"encoding": "WKB"}}})
    source = one(path, {"case_number": pa.array(["HZ1"]), column: pa.array([POINT])}, {"geo": geo})
    assert record(source) == {"case_number": "HZ1"}
    assert source.columns() == {"id", "updated_on", "case_number", f"{column.lower()} (binary)"}


def test_nested_values_are_json_as_the_api_has_it(path: Path) -> None:
    point = pa.array([{"longitude": "-87.7", "latitude": "41.8", "none": None}])
    source = one(
        path,
        {
            "location": point,
            "tags": pa.array([["ä", 'say "b"']]),
            "codes": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int32())),
            "ring": pa.array([[[-87.5, 41.5]]]),
            "seen": pa.array([{"at": datetime(2018, 11, 19, 10)}]),
        },
    )
    assert record(source) == {
        "location": '{"latitude":"41.8","longitude":"-87.7","none":null}',
        "tags": '["ä","say \\"b\\""]',
        "codes": '[["a",1]]',
        "ring": "[[-87.5,41.5]]",
        "seen": '{"at":"2018-11-19 10:00:00"}',
    }


def test_every_other_type_has_its_text(path: Path) -> None:
    source = one(
        path,
        {
            "large": pa.array(["a"], pa.large_string()),
            "view": pa.array(["b"], pa.string_view()),
            "exact": pa.array([Decimal("12.00")]),
            "small": pa.array([7], pa.uint8()),
            "half": pa.array([1.5], pa.float16()),
            "clock": pa.array([time(10, 30)], pa.time32("s")),
            "day": pa.array([date(2018, 11, 19)]),
            "flag": pa.array([False]),
            "nothing": pa.nulls(1),
            "kind": pa.array(["c"]).dictionary_encode(),
        },
    )
    texts = {"large": "a", "view": "b", "exact": "12.00", "small": "7", "half": "1.5", "clock": "10:30:00.000"}
    assert record(source) == {**texts, "day": "2018-11-19T00:00:00.000", "flag": "false", "kind": "c"}


def test_where_nothing_is_called_a_text_bytes_are_texts(path: Path) -> None:
    """As Impala, Hive and old Sparks write them."""
    table = pa.table({name: pa.array(texts).cast(pa.binary()) for name, texts in COLUMNS.items()})
    pq.write_table(table, path)
    assert read(path) == ROWS

    with_picture = pa.table(
        {**{name: table.column(name) for name in HEADERS}, "picture": pa.array([POINT] * len(ROWS))}
    )
    pq.write_table(with_picture, path)
    assert "has values that are not text in its column 'picture' (Invalid UTF8" in refusal(path, path.read_bytes())


def test_texts_that_are_none(path: Path) -> None:
    """Parquet's readers believe a writer who calls bytes a text."""
    texts = pa.array([b"A\xff", *[b"B"] * (len(ROWS) - 1)])
    broken = pa.Array.from_buffers(pa.string(), len(texts), texts.buffers())
    pq.write_table(pa.table({**COLUMNS, "Block": broken}), path)
    assert "has values that are not text in its column 'Block'" in refusal(path, path.read_bytes())


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99, 0.999])
def test_a_file_that_is_cut_off(path: Path, share: float) -> None:
    pq.write_table(pa.table(COLUMNS), path)
    whole = path.read_bytes()
    assert read(path, whole) == ROWS
    assert "fetch it again." in refusal(path, whole[: max(int(len(whole) * share), 4)])


def test_a_file_whose_key_is_bytes_has_none(path: Path) -> None:
    pq.write_table(pa.table({**COLUMNS, "ID": pa.array([b"\xff"] * len(ROWS))}), path)
    source = ExportFeed(CHICAGO, str(path), cache=path.parent / "cache", today=TODAY)
    with pytest.raises(Exception, match="has no column id, read as Parquet with the columns case_number, date, "):
        source.columns()
