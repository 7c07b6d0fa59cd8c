"""Lines of a stream's files become rows of Spark as they become rows of DuckDB."""

from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime
from pathlib import Path

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.contract import Record
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources.directory import line_of
from crime_assets.incidents.spark.typing import SCHEMA, place_of, typing
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.consumed import ZONE
from crime_assets_tests.incidents.messages import message

AT = datetime(2026, 3, 2, 9, 30, 15, 250_000, tzinfo=UTC)
ADDRESS = Path("/some where/source/shards/shard-000000000002/000000000007.ndjson").as_uri()
NAMES = [column.split()[0] for column in SCHEMA.split(", ")]


def rows(*lines: bytes) -> list[dict[str, object]]:
    typed = typing(ZONE, 5)([(line.decode(), ADDRESS) for line in lines])
    return [dict(zip(NAMES, row, strict=True)) for row in typed]


def test_a_place_is_told_by_the_address():
    assert place_of(ADDRESS) == ("shard-000000000002", 7)


def test_a_report_has_what_the_reader_says_of_it():
    data = json.dumps(message()).encode()
    (row,) = rows(line_of(3, AT, "key", data))
    record = Record("shard-000000000002", "000000000007:000000003", AT, data)
    (expected,) = Reader(Calendar(ZONE)).read([record])[0].to_pylist()
    told = [name for name in NAMES if name not in {"file", "line", "quarantined"}]
    assert len(told) > 25
    assert {name: row[name] for name in told} == {name: expected[name] for name in told}
    assert (row["file"], row["quarantined"]) == (7, None)
    line = json.loads(str(row["line"]))
    assert line["arrived_at"] == "2026-03-02T09:30:15.250000Z"
    assert (line["_shard"], line["_sequence"], line["_tick"]) == (record.shard, record.sequence, 5)
    assert (line["fir_id"], line["lat_milli"]) == (expected["fir_id"], expected["lat_milli"])


def test_what_is_no_report_is_a_line_of_the_quarantine():
    (row,) = rows(line_of(1, AT, "key", b"\xff not JSON"))
    told = json.loads(str(row["quarantined"]))
    assert (told["reason"], told["tick"], told["sequence"]) == ("not_json", 5, "000000000007:000000001")
    assert (row["line"], row["event_id"], row["shard"], row["arrived_s"]) == (
        None,
        None,
        "shard-000000000002",
        AT.timestamp(),
    )


def test_lines_written_by_others_are_read():
    told = {"at": AT.isoformat(), "data": message(), "key": "key", "n": 2}
    (row,) = rows(json.dumps(told).encode())
    assert row["sequence"] == "000000000007:000000002"


DAMAGED = [
    b'{"n": 1, "key": "a"',
    b'{"at": "2026-03-02T09:30:15+00:00", "data": {}}',
    b'{"n":1,"at":"2026-03-02T09:30:15","key":"Asha Devi","data":{}}',
    b'{"n": 1, "data": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    b"",
]


@pytest.mark.parametrize("line", DAMAGED, ids=map(str, range(len(DAMAGED))))
def test_a_damaged_line_stops_it(line: bytes) -> None:
    with pytest.raises(LandingError, match="is not as it was written: restore it") as error:
        rows(line)
    # What logs show of it does not repeat the line.
    assert "Asha" not in "".join(traceback.format_exception(error.value))


def test_old_years_are_written_so_that_they_can_be_read():
    (row,) = rows(line_of(1, AT, "key", json.dumps(message(occurred_to="0999-05-05T00:00:00Z")).encode()))
    assert json.loads(str(row["line"]))["occurred_to"] == "0999-05-05T00:00:00.000000Z"
