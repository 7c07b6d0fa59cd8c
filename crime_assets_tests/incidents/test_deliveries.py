"""Deliveries are read back as they were written; what Firehose wrote becomes deliveries, each object once."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import DELIVERIES, Chain
from crime_assets.incidents.contract import FIELDS, LARGEST
from crime_assets.incidents.deliveries import deliver_firehose, history_stream_settings, read_reports
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.times import Calendar
from crime_assets.streams.directory import DirectoryStore
from crime_assets_tests.incidents.messages import REGISTERED, message, record, sensitive
from crime_assets_tests.incidents.warehouse.servers import fresh, history, served, warehouse

NAMES = [field.name for field in FIELDS]
HOUR = "fir/2026/03/02/05/"


@pytest.fixture
def reader() -> Reader:
    return Reader(Calendar("Asia/Kolkata"))


@pytest.fixture
def written(tmp_path: Path) -> DirectoryStore:
    """What Firehose writes to."""
    return DirectoryStore(tmp_path / "firehose")


@pytest.fixture
def landing(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def put(store: DirectoryStore, name: str, *told: dict[str, Any] | bytes, members: int = 1) -> str:
    """An object as Firehose writes it: each message with a newline behind it, packed."""
    key = f"{HOUR}history-1-2026-03-02-05-{name}.gz"
    lines = [(one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in told]
    parts = [b"".join(lines[n::members]) for n in range(members)]
    store.write(key, b"".join(gzip.compress(part) for part in parts))
    return key


def quarantined(store: DirectoryStore) -> list[dict[str, Any]]:
    contents = (store.read(found.key) or b"" for found in store.list("live/stream=fir/firehose/quarantine/"))
    return [json.loads(line) for content in contents for line in content.splitlines()]


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


def test_what_firehose_wrote_becomes_a_delivery(
    written: DirectoryStore, landing: DirectoryStore, reader: Reader
) -> None:
    put(written, "a", message(1), message(2), members=2)

    (key,) = deliver_firehose(written, "fir/", landing, "fir", reader)

    found = list(read_reports(landing, key))
    assert [one["fir_no"] for one in found] == [1, 2]
    (expected,) = reader.read([record(message(1))])[0].to_pylist()
    for name in NAMES:
        assert found[0][name] == (None if name == "arrived_at" else expected[name]), name
    assert found[0]["_shard"] == "firehose"
    assert found[0]["_sequence"].endswith("-000000001")
    assert found[0]["_tick"] is None


def test_each_object_is_delivered_once(written: DirectoryStore, landing: DirectoryStore, reader: Reader) -> None:
    put(written, "a", message(1))
    first = deliver_firehose(written, "fir/", landing, "fir", reader)
    before = {found.key: found.etag for found in landing.list("")}
    put(written, "b", message(2))

    both = deliver_firehose(written, "fir/", landing, "fir", reader)

    assert (len(first), len(both)) == (1, 2)
    assert set(first) < set(both)
    assert {found.key: found.etag for found in landing.list("")}.items() >= before.items()
    assert deliver_firehose(written, "fir/", landing, "fir", reader) == both
    assert deliver_firehose(written, "fir/2025", landing, "fir", reader) == []


def test_what_is_no_report_is_quarantined_without_names(
    written: DirectoryStore, landing: DirectoryStore, reader: Reader
) -> None:
    far = message(3, registered_at=datetime(2200, 1, 1, tzinfo=UTC).isoformat(), fir_year=2026)
    long = b'{"complainant_name":"' + b"Asha Devi" * 400_000 + b'"}'
    put(written, "a", message(1), b"Asha Devi", message(2, complainant_name="Asha Devi"), far, long)

    (key,) = deliver_firehose(written, "fir/", landing, "fir", reader)

    assert [one["fir_no"] for one in read_reports(landing, key)] == [1]
    bad = quarantined(landing)
    assert [one["reason"] for one in bad] == ["not_json", "unknown_field", "registered_in_future", "too_large"]
    assert bad[-1]["size"] == LARGEST + 1
    for found in landing.list(""):
        content = landing.read(found.key) or b""
        assert b"Asha" not in (gzip.decompress(content) if found.key.endswith(".gz") else content)


def test_an_object_without_a_report_is_done_too(
    written: DirectoryStore, landing: DirectoryStore, reader: Reader
) -> None:
    put(written, "a", b"{")
    put(written, "b")

    keys = deliver_firehose(written, "fir/", landing, "fir", reader)

    assert [list(read_reports(landing, key)) for key in keys] == [[], []]
    assert len(quarantined(landing)) == 1


def test_a_damaged_object_holds_up_no_other(written: DirectoryStore, landing: DirectoryStore, reader: Reader) -> None:
    put(written, "a", message(1))
    damaged = put(written, "b", message(2))
    put(written, "c", message(3))
    whole = written.read(damaged)
    assert whole is not None
    written.write(damaged, whole[:-9])

    with pytest.raises(LandingError, match=f"{damaged} is cut off"):
        deliver_firehose(written, "fir/", landing, "fir", reader)
    assert len(list(landing.list("live/stream=fir/firehose/deliveries/"))) == 2

    written.write(damaged, whole)
    assert len(deliver_firehose(written, "fir/", landing, "fir", reader)) == 3


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_both_roads_fill_a_warehouse_alike(
    server: str, written: DirectoryStore, landing: DirectoryStore, reader: Reader
) -> None:
    """Firehose repeats records and whole objects; our own deliveries overlap as well. Only times of arrival differ."""
    chance = random.Random(3)
    told = [message(n, version=v) for n in range(1, 120) for v in range(1, chance.choice((2, 2, 3, 4)))]
    told += [sensitive(fir_id=f"SX/101/~K1a2b3c-{n:016x}") for n in range(20)]
    chance.shuffle(told)
    chain, keys = Chain(landing, "fir", "E1", DELIVERIES), []
    for n in range(12):
        part = told[n * 20 : n * 20 + 30]
        put(written, f"{n:02}", *part, *chance.sample(part, 5 if part else 0), members=1 + n % 3)
        rows = reader.read([record(one, 30 + chance.random()) for one in part])[0].select(NAMES).to_pylist()
        content = gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows))
        keys.append(chain.key(chain.append(content)))
    put(written, "again", *told[:50])

    own, theirs = fresh(server), fresh(server)
    warehouse(own).load(landing, keys)
    for _ in range(2):
        made = deliver_firehose(written, "fir/", landing, "fir", reader)
        chance.shuffle(made)
        for n in range(0, len(made), 4):
            warehouse(theirs).load(landing, made[n : n + 4])

    assert len(history(own)) == len({one["fir_id"] for one in told})
    assert without_arrival(history(theirs)) == without_arrival(history(own))
    assert {row["arrived_at"] for row in history(theirs).values()} == {None}


def without_arrival(rows: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    return {fir_id: {**row, "arrived_at": None} for fir_id, row in rows.items()}


def test_the_settings_of_such_a_stream_are_those_that_aws_knows() -> None:
    boto3 = pytest.importorskip("boto3")
    from botocore.validate import ParamValidator

    role, stream = "arn:aws:iam::123456789012:role/r", "arn:aws:kinesis:ap-south-1:123456789012:stream/fir"
    settings = history_stream_settings("b-1", role, stream, "landing/")
    client = boto3.client("firehose", region_name="ap-south-1")
    shape = client.meta.service_model.operation_model("CreateDeliveryStream").input_shape

    report = ParamValidator().validate({"DeliveryStreamName": "history", **settings}, shape)

    assert not report.has_errors(), report.generate_report()
    there = settings["ExtendedS3DestinationConfiguration"]
    assert (there["Prefix"], there["BucketARN"]) == ("landing/fir/", "arn:aws:s3:::b-1")
    assert not there["ErrorOutputPrefix"].startswith(there["Prefix"])
