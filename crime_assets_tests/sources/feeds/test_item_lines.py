"""Exports of DynamoDB as records: what is one, what is passed over, and what is damaged."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import FeedError
from crime_assets.sources.feeds import item_lines
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.exported import ExportedFiles
from crime_assets_tests.build import CHICAGO

FIELDS = ["id", "date", "ward", "arrest", "block"]


def line(**attributes: Any) -> bytes:
    """A crime; an attribute of None is left out."""
    whole = {
        "id": {"S": "crime#7"},
        "part": {"S": "-"},
        "kind": {"S": "crime"},
        "crime_id": {"N": "7"},
        "date": {"S": "2018-11-19T16:00:01"},
        "ward": {"N": "10"},
        "arrest": {"BOOL": True},
        "block": {"S": 'ü "x" \\ \n 中'},
        "roles": {"L": [{"M": {"role": {"S": "victim"}}}]},
        **attributes,
    }
    item = {name: value for name, value in whole.items() if value is not None}
    return json.dumps({"Item": item}, ensure_ascii=False).encode()


CRIME = {"id": "7", "date": "2018-11-19T16:00:01", "ward": "10", "arrest": "true", "block": 'ü "x" \\ \n 中'}
PASSED_OVER = [
    line(id={"S": "crime#7"}, part={"S": "notes#000001"}),
    line(id={"S": "code#IUCR#0110"}, kind={"S": "code"}, crime_id=None),
    b'{"Item":{"id":{"S":"~progress"},"part":{"S":"-"},"token":{"N":"4"}}}',
]
DAMAGED = {
    b"no json": "no JSON",
    b'{"Item":{"id":{"S":"crime#7"': "no JSON",
    b'{"Item":{"id":{"S":"crime#7","kind":{"S":"\xff"}}}}': "no JSON",
    b'{"Item":{"block":{"S":"\\ud800"}}}': "no JSON",
    b"[]": "no item",
    b'{"item":{}}': "no item",
    b'{"Item":"crime"}': "no item",
    b'{"Item":{"id":{"S":"other"}}}': "an item of no kind",
    line(ward={"N": 10}): "ward is neither text, number nor flag",
    line(ward={"L": [{"N": "1"}]}): "ward is neither text, number nor flag",
    line(arrest={"BOOL": "true"}): "arrest is neither text, number nor flag",
    line(ward="10"): "ward is neither text, number nor flag",
    line(kind={"M": {}}): "kind is neither text, number nor flag",
    line(_odd={"S": "x"}): "_odd is no map",
    line(part=None): "neither a first item of a document nor a part of one",
    line(part={"S": "x"}): "neither a first item of a document nor a part of one",
}


def read(content: bytes) -> tuple[list[dict[str, Any]], dict[str, str]]:
    parts = list(item_lines.read(io.BytesIO(content), FIELDS))
    records = [record for part in parts for record in part.records.to_pylist()]
    return records, {one.line: one.reason for part in parts for one in part.damaged}


def test_a_crime_is_a_record_under_the_citys_names() -> None:
    assert read(line() + b"\n") == ([CRIME], {})
    assert read(line()) == ([CRIME], {})


@pytest.mark.parametrize("more", [b"", b"no json\n"], ids=["together", "line by line"])
def test_both_ways_of_reading_give_the_same(more: bytes) -> None:
    """A line that is refused has its block read line by line."""
    lines = [
        line(),
        line(block={"S": ""}, ward=None, date={"NULL": True} if more else None),
        line(arrest=None, ward=None, _odd={"M": {"arrest": {"S": "?"}, "id": {"S": "NaN"}}}, crime_id=None),
        line(mine={"SS": ["a"]}, data={"B": "AA=="}),
        line(ward=None, _odd={"M": {"ward": {"N": "3"}}}),
        *PASSED_OVER,
        b"",
        b"  ",
    ]
    records, damaged = read(b"\r\n".join(lines) + b"\n" + more)
    assert records == [
        CRIME,
        {**CRIME, "block": None, "ward": None, "date": None},
        {**CRIME, "arrest": "?", "ward": None, "id": "NaN"},
        CRIME,
        {**CRIME, "ward": "3"},
    ]
    assert damaged == ({"no json": "no JSON"} if more else {})


def test_damaged_lines_harm_no_others() -> None:
    lines = [part for bad in DAMAGED for part in (line(), bad)]
    records, damaged = read(b"\n".join(lines))
    assert records == [CRIME] * len(DAMAGED)
    assert damaged == {bad.decode(errors="backslashreplace"): reason for bad, reason in DAMAGED.items()}


@pytest.mark.parametrize("bad", DAMAGED, ids=range(len(DAMAGED)))
def test_each_damaged_line_is_told_alone(bad: bytes) -> None:
    """Arrow must not take what is refused line by line."""
    assert read(bad + b"\n") == ([], {bad.decode(errors="backslashreplace"): DAMAGED[bad]})


def test_blocks_end_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    content = b"".join(line(crime_id={"N": str(number)}) + b"\n" for number in range(50))
    for size in (1, 7, 100, len(line()), len(line()) + 1, 3_000):
        monkeypatch.setattr(item_lines, "BLOCK_BYTES", size)
        records, damaged = read(content)
        assert [record["id"] for record in records] == [str(number) for number in range(50)]
        assert damaged == {}


def test_an_endless_line_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(item_lines, "LONGEST_LINE", 10_000)
    monkeypatch.setattr(item_lines, "BLOCK_BYTES", 5_000)
    path = tmp_path / "a.json"
    path.write_bytes(line(block={"S": "x" * 30_000}))
    with pytest.raises(FeedError, match="has a line of more than 10000 bytes, which no item is: export it again"):
        list(ExportFile(path, CHICAGO.timezone, FIELDS).parts())


def test_a_file_is_known_by_its_first_signs_and_read_with_the_citys_fields(tmp_path: Path) -> None:
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(line() + b"\n"))
    (file,) = ExportedFiles(CHICAGO, str(tmp_path / "*.json.gz")).current()
    assert file.fields == list(CHICAGO.source_columns)
    assert (file.seen, file.left_out) == ("DynamoDB JSON", [])
    (part,) = file.parts()
    (record,) = part.records.to_pylist()
    assert {name: value for name, value in record.items() if value is not None} == CRIME


def test_a_file_that_was_cut_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.json.gz"
    path.write_bytes(gzip.compress(b"".join(line() + b"\n" for _ in range(5_000)))[:-20])
    with pytest.raises(FeedError, match="cannot be read to its end"):
        list(ExportFile(path, CHICAGO.timezone, FIELDS).parts())
