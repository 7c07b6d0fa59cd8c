"""Deliveries are read back as they were written."""

from __future__ import annotations

import gzip
from pathlib import Path
from typing import Any

import orjson
import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.contract import FIELDS
from crime_assets.incidents.deliveries import read_reports
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.messages import REGISTERED, message, record, sensitive

NAMES = [field.name for field in FIELDS]


@pytest.fixture
def reader() -> Reader:
    return Reader(Calendar("Asia/Kolkata"))


@pytest.fixture
def landing(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def test_a_delivery_is_read_back(landing: DirectoryStore, reader: Reader) -> None:
    reports, _ = reader.read([record(message(1)), record(message(2, version=2)), record(sensitive())])
    rows = reports.select([*NAMES, "shard", "sequence"]).to_pylist()
    lines = [orjson.dumps({**row, "_shard": row["shard"], "_sequence": row["sequence"], "_tick": 9}) for row in rows]
    landing.write("one", b"".join(gzip.compress(line + b"\n") for line in lines))

    found = list(read_reports(landing, "one"))

    assert found == [
        {**{name: row[name] for name in NAMES}, "_shard": "s1", "_sequence": "1", "_tick": 9} for row in rows
    ]
    assert found[0]["registered_at"] == REGISTERED


@pytest.mark.parametrize(
    "line", [b"Asha Devi", b"[]", b'{"fir_id":"Asha Devi"}', b"{" * 50_000, b"1" * (1 << 22), b'{"version":"Asha"}']
)
def test_a_line_that_is_no_report_is_named_not_shown(landing: DirectoryStore, reader: Reader, line: bytes) -> None:
    reports, _ = reader.read([record(message(1))])
    good = orjson.dumps(reports.select(NAMES).to_pylist()[0])
    landing.write("one", gzip.compress(good + b"\n\n" + line))

    found: list[dict[str, Any]] = []
    with pytest.raises(LandingError, match="Line 2 of the delivery one is no report") as caught:
        found.extend(read_reports(landing, "one"))
    assert len(found) == 1
    assert "Asha" not in str(caught.value)
    assert caught.value.__context__ is None
