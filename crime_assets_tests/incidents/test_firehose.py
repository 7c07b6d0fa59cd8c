"""What Firehose writes becomes deliveries: each object once, whatever was stopped, with all that is in it."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterator
from contextlib import nullcontext
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.chain import DELIVERIES, QUARANTINE, Chain
from crime_assets.incidents.contract import FIELDS, LARGEST
from crime_assets.incidents.deliveries import read_reports
from crime_assets.incidents.firehose import Firehose, history_stream_settings
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.retention import remove_old
from crime_assets.incidents.status import read_epoch
from crime_assets.incidents.times import Calendar
from crime_assets.incidents.warehouse.following import load_chain
from crime_assets.streams import LandingStore
from crime_assets.streams.directory import DirectoryStore
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.incidents.messages import message, record, sensitive
from crime_assets_tests.incidents.warehouse.servers import fresh, history, served, warehouse

NAMES = [field.name for field in FIELDS]
HOUR = "fir/2026/03/02/05/"
CALENDAR = Calendar("Asia/Kolkata")


@pytest.fixture
def store(tmp_path: Path) -> DirectoryStore:
    return DirectoryStore(tmp_path / "landing")


def firehose(store: LandingStore, prefix: str = "fir/") -> Firehose:
    return Firehose(store, prefix, "fir", CALENDAR)


def put(store: LandingStore, name: str, *told: dict[str, Any] | bytes, members: int = 1) -> str:
    """An object as Firehose writes it: each message with a newline behind it, packed."""
    key = f"{HOUR}history-1-2026-03-02-05-{name}.gz"
    lines = [(one if isinstance(one, bytes) else json.dumps(one).encode()) + b"\n" for one in told]
    parts = [b"".join(lines[n::members]) for n in range(members)]
    store.write(key, b"".join(gzip.compress(part) for part in parts))
    return key


def chain(store: LandingStore, name: str = DELIVERIES) -> Chain:
    epoch = read_epoch(store, "fir")
    assert epoch is not None
    return Chain(store, "fir", epoch, name)


def delivered(store: LandingStore) -> list[list[dict[str, Any]]]:
    """The reports of each delivery."""
    of = chain(store)
    return [list(read_reports(store, of.key(number))) for number, _ in of.after(0)]


def numbers(store: LandingStore) -> list[list[int]]:
    return [[one["fir_no"] for one in reports] for reports in delivered(store)]


def quarantined(store: LandingStore) -> list[dict[str, Any]]:
    contents = [content for _, content in chain(store, QUARANTINE).after(0)]
    assert len(contents) == len(delivered(store))
    return [json.loads(line) for content in contents for line in content.splitlines()]


def test_what_firehose_wrote_becomes_a_delivery(store: DirectoryStore) -> None:
    put(store, "a", message(1), message(2), members=2)

    assert firehose(store).deliver() == 1

    (found,) = delivered(store)
    assert [one["fir_no"] for one in found] == [1, 2]
    (expected,) = Reader(CALENDAR).read([record(message(1))])[0].to_pylist()
    for name in NAMES:
        assert found[0][name] == (None if name == "arrived_at" else expected[name]), name
    assert found[0]["_shard"] == "firehose"
    assert found[0]["_sequence"].endswith("-000000001")
    assert found[0]["_tick"] is None


@pytest.mark.parametrize("where", ["directory", pytest.param("s3", marks=pytest.mark.slow)])
def test_each_object_is_delivered_once(where: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    store: LandingStore = DirectoryStore(tmp_path)
    if where == "s3":
        boto3, _ = pytest.importorskip("boto3"), request.getfixturevalue("aws")
        bucket = request.getfixturevalue("landing_bucket")
        store = S3Store(boto3.client("s3"), bucket, f"live-{random.Random(str(tmp_path)).getrandbits(64):x}")
    put(store, "b", message(1))
    assert len(firehose(store).waiting()) == 1
    assert firehose(store).deliver() == 1
    before = {found.key: store.read(found.key) for found in store.list("")}
    put(store, "a", message(2), b"{")
    put(store, "c", message(1), message(3))
    assert len(firehose(store).waiting()) == 2

    assert firehose(store).deliver() == 2

    assert numbers(store) == [[1], [2], [1, 3]]
    assert [one["reason"] for one in quarantined(store)] == ["not_json"]
    after = {found.key: store.read(found.key) for found in store.list("")}
    assert after.items() >= before.items()
    assert firehose(store).deliver() == 0
    assert {found.key: store.read(found.key) for found in store.list("")} == after
    assert firehose(store).waiting() == []
    assert firehose(store, "fir/2025").waiting() == []


class Stops(Exception):
    """A process that is killed."""


class Stopping(DirectoryStore):
    """Writes so many objects, and is killed."""

    def __init__(self, root: Path, writes: int) -> None:
        super().__init__(root)
        self.writes = writes

    def write(self, key: str, content: bytes) -> None:
        self._spend()
        super().write(key, content)

    def write_new(self, key: str, content: bytes) -> bool:
        self._spend()
        return super().write_new(key, content)

    def _spend(self) -> None:
        if not self.writes:
            raise Stops
        self.writes -= 1


@pytest.mark.parametrize("writes", range(8))
def test_who_was_stopped_goes_on_with_the_same_object(writes: int, tmp_path: Path) -> None:
    store = DirectoryStore(tmp_path)
    put(store, "b", message(1), b"{")
    put(store, "c", message(2), b"[")
    with pytest.raises(Stops) if writes < 7 else nullcontext():
        firehose(Stopping(tmp_path, writes)).deliver()
    put(store, "a", message(3))

    firehose(store).deliver()

    found = numbers(store)
    assert sorted(found) == [[1], [2], [3]]
    assert found.index([1]) < found.index([2])
    assert len(quarantined(store)) == 2


def test_what_is_no_report_is_quarantined_without_names(store: DirectoryStore) -> None:
    far = message(3, registered_at=datetime(2200, 1, 1, tzinfo=UTC).isoformat(), fir_year=2026)
    long = b'{"complainant_name":"' + b"Asha Devi" * 400_000 + b'"}'
    put(store, "a", message(1), b"Asha Devi", message(2, complainant_name="Asha Devi"), far, long)

    firehose(store).deliver()

    assert numbers(store) == [[1]]
    bad = quarantined(store)
    assert [one["reason"] for one in bad] == ["not_json", "unknown_field", "registered_in_future", "too_large"]
    assert bad[-1]["size"] == LARGEST + 1
    for found in store.list("live/"):
        content = store.read(found.key) or b""
        assert b"Asha" not in (gzip.decompress(content) if found.key.endswith(".gz") else content)


def test_an_object_without_a_report_is_done_too(store: DirectoryStore) -> None:
    put(store, "a", b"{")
    put(store, "b")

    assert firehose(store).deliver() == 2

    assert delivered(store) == [[], []]
    assert len(quarantined(store)) == 1
    assert firehose(store).deliver() == 0


def test_a_damaged_object_holds_up_no_other(store: DirectoryStore) -> None:
    put(store, "a", message(1))
    damaged = put(store, "b", message(2))
    put(store, "c", message(3))
    whole = store.read(damaged)
    assert whole is not None
    store.write(damaged, whole[:-9])

    assert firehose(store).deliver() == 2
    assert firehose(store).damaged() == [damaged]
    assert numbers(store) == [[1], [3]]

    store.write(damaged, whole)
    assert firehose(store).damaged() == []
    assert firehose(store).deliver() == 1
    assert numbers(store) == [[1], [3], [2]]


def test_marks_go_with_their_objects_and_numbers_go_on(store: DirectoryStore) -> None:
    objects = [put(store, name, message(n)) for n, name in enumerate("abc", 1)]
    firehose(store).deliver()
    store.delete(objects[0])
    store.delete(objects[2])
    assert remove_old(store, "fir", DELIVERIES, datetime(2200, 1, 1, tzinfo=UTC)) == 3

    assert firehose(store).forget() == 1
    assert firehose(store).forget() == 0
    put(store, "d", message(4))

    assert firehose(store).deliver() == 1
    assert numbers(store) == [[4]]
    assert chain(store).last() == 4


def test_a_consumer_and_firehose_do_not_share_chains(store: DirectoryStore) -> None:
    store.write("live/stream=fir/epoch.json", b'{"epoch": "20260302T000000Z-1", "zone": "Asia/Kolkata"}')
    put(store, "a", message(1))
    for action in (firehose(store).deliver, firehose(store).waiting, firehose(store).forget):
        with pytest.raises(LandingError, match=r"epoch\.json names the chains of a consumer"):
            action()


def test_two_who_delivered_at_once_are_told(store: DirectoryStore) -> None:
    put(store, "a", message(1))
    firehose(store).deliver()
    (mark,) = store.list(f"live/stream=fir/epoch={read_epoch(store, 'fir')}/taken/")
    store.write(f"{mark.key[:-1]}x", b"another")
    with pytest.raises(LandingError, match="stop one of them"):
        firehose(store).deliver()


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with served() as address:
        yield address


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:XDG_RUNTIME_DIR")
def test_both_roads_fill_a_warehouse_alike(server: str, store: DirectoryStore) -> None:
    """Firehose repeats records and whole objects; our own deliveries overlap as well. Only times of arrival differ."""
    chance = random.Random(3)
    told = [message(n, version=v) for n in range(1, 120) for v in range(1, chance.choice((2, 2, 3, 4)))]
    told += [sensitive(fir_id=f"SX/101/~K1a2b3c-{n:016x}") for n in range(20)]
    chance.shuffle(told)
    consumer = Chain(store, "other", "E1", DELIVERIES)
    reader = Reader(CALENDAR)
    for n in range(12):
        part = told[n * 20 : n * 20 + 30]
        put(store, f"{n:02}", *part, *chance.sample(part, 5 if part else 0), members=1 + n % 3)
        rows = reader.read([record(one, 30 + chance.random()) for one in part])[0].select(NAMES).to_pylist()
        consumer.append(gzip.compress(b"".join(orjson.dumps(row) + b"\n" for row in rows)))
    put(store, "again", *told[:50])

    own, theirs = fresh(server), fresh(server)
    load_chain(warehouse(own), store, "other", "E1", 12)
    for _ in range(2):
        firehose(store).deliver()
        load_chain(warehouse(theirs), store, "fir", read_epoch(store, "fir") or "", 13, at_once=4)

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
