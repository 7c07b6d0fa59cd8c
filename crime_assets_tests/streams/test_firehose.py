"""The Firehose stream: everything is taken once it is closed, whatever Firehose refuses on the way."""

from __future__ import annotations

import json
import random
import threading
import time
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError

from crime_assets.cloud.aws.errors import AwsError, AwsThrottled
from crime_assets.core import keys
from crime_assets.core.envelopes import Envelope, seal
from crime_assets.core.errors import FeedError
from crime_assets.streams import firehose as under_test
from crime_assets.streams.deliveries import read_delivery
from crime_assets.streams.firehose import FirehoseStream, delivery_stream_settings
from crime_assets.streams.s3 import S3Store
from crime_assets_tests.build import record
from crime_assets_tests.cloud.aws.firehose_server import MOST_PARTITIONS, ROLE, DeliveryStream, Refusal
from crime_assets_tests.cloud.aws.servers import Seaweed

DAY, OTHER = date(2024, 1, 20), date(2024, 1, 19)
AT = datetime(2024, 1, 21, 8, tzinfo=UTC)


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []
        self._lock = threading.Lock()

    def sleep(self, seconds: float) -> None:
        with self._lock:
            self.now += seconds
            self.slept.append(seconds)

    def clock(self) -> float:
        return self.now


@pytest.fixture
def time_of() -> Time:
    return Time()


@pytest.fixture
def client(firehose: DeliveryStream) -> Any:
    """A client that does not try again by itself, so that the stream has to."""
    return boto3.client("firehose", config=Config(retries={"mode": "standard", "total_max_attempts": 1}))


@pytest.fixture
def stream(firehose: DeliveryStream, client: Any, time_of: Time) -> FirehoseStream:
    chance = random.Random(3)
    return FirehoseStream(client, firehose.name, sleep=time_of.sleep, clock=time_of.clock, chance=chance.random)


@pytest.fixture
def store(firehose: DeliveryStream, aws: Seaweed) -> S3Store:
    return S3Store(aws.client(), firehose.bucket, firehose.prefix)


def batch(first: int, number: int = 200, day: date = DAY) -> list[bytes]:
    """Sealed records with ids from `first` on."""
    return [seal(record(id, str(day)), "chicago", day, f"{first}", AT) for id in range(first, first + number)]


def taken(firehose: DeliveryStream) -> Counter[bytes]:
    return Counter(firehose.server.taken)


class TestSettings:
    def test_objects_land_by_the_records_own_day_and_city(
        self, firehose: DeliveryStream, stream: FirehoseStream, store: S3Store
    ) -> None:
        days = [DAY - timedelta(days=n) for n in range(30)]
        for number, day in enumerate(days):
            stream.put(day, batch(1000 * number, 1 + number, day))
        stream.close()
        firehose.server.release()
        for number, day in enumerate(days):
            found = list(store.list(keys.deliveries_prefix("chicago", day)))
            assert found
            assert all(f"/{firehose.name}-1-20" in item.key and item.key.endswith(".gz") for item in found)
            lines = [line for item in found for line in read_delivery(store, item.key, "chicago")]
            assert all(isinstance(line, Envelope) and line.change_day == day for line in lines)
            assert sorted(int(str(line.record["id"])) for line in lines if isinstance(line, Envelope)) == list(
                range(1000 * number, 1000 * number + 1 + number)
            )
        assert {item.key.split("/")[0] for item in store.list("")} == {"raw"}

    def test_what_has_no_day_is_laid_aside(self, firehose: DeliveryStream, client: Any, store: S3Store) -> None:
        client.put_record_batch(DeliveryStreamName=firehose.name, Records=[{"Data": b"{}\n"}, {"Data": b"x"}])
        firehose.server.release()
        (found,) = store.list("")
        assert found.key.startswith("errors/metadata-extraction-failed/")

    def test_without_a_prefix_and_in_another_partition_of_aws(self) -> None:
        settings = delivery_stream_settings("bucket", "arn:aws-us-gov:iam::1:role/r")
        assert settings["BucketARN"] == "arn:aws-us-gov:s3:::bucket"
        assert settings["Prefix"].startswith("raw/city=!{partitionKeyFromQuery:city}/change_day=")
        assert settings["ErrorOutputPrefix"].startswith("errors/")
        assert delivery_stream_settings("b", ROLE, "/a/b/")["Prefix"].startswith("a/b/raw/")

    def test_moto_takes_them_and_the_records_too(self, moto: str, time_of: Time) -> None:
        boto3.client("s3").create_bucket(Bucket="landing")
        client = boto3.client("firehose")
        settings = delivery_stream_settings("landing", ROLE, "police")
        client.create_delivery_stream(DeliveryStreamName="crimes", ExtendedS3DestinationConfiguration=settings)
        stream = FirehoseStream(client, "crimes", sleep=time_of.sleep, clock=time_of.clock)
        lines = batch(1, 10)
        stream.put(DAY, lines)
        stream.close()
        found = boto3.client("s3").list_objects_v2(Bucket="landing")["Contents"]
        contents = [boto3.client("s3").get_object(Bucket="landing", Key=o["Key"])["Body"].read() for o in found]
        assert b"".join(contents) == b"".join(lines)


class TestLimits:
    def test_five_hundred_records_a_call_across_batches_and_days(
        self, firehose: DeliveryStream, stream: FirehoseStream
    ) -> None:
        lines = []
        for number in range(13):
            day = (DAY, OTHER)[number % 2]
            lines += batch(1000 * number, 200, day)
            stream.put(day, lines[-200:])
        stream.close()
        assert sorted(firehose.server.calls) == [100, 500, 500, 500, 500, 500]
        assert taken(firehose) == Counter(lines)

    def test_four_mebibytes_a_call(self, firehose: DeliveryStream, stream: FirehoseStream) -> None:
        lines = [b"%07d" % number + b"x" * 200_000 + b"\n" for number in range(45)]
        stream.put(DAY, lines)
        stream.close()
        assert sum(firehose.server.calls) == 45
        assert max(firehose.server.calls) * 200_008 * 4 / 3 <= 4 << 20
        assert taken(firehose) == Counter(lines)

    def test_a_line_as_long_as_a_record_may_be(self, firehose: DeliveryStream, stream: FirehoseStream) -> None:
        lines = [b"%d" % n + b"x" * 1_023_998 + b"\n" for n in range(5)]
        stream.put(DAY, lines)
        stream.close()
        assert taken(firehose) == Counter(lines)

    def test_a_longer_line_is_one_clear_error_and_never_closed_in_peace(
        self, firehose: DeliveryStream, stream: FirehoseStream
    ) -> None:
        stream.put(DAY, batch(1))
        told = r"a record of 2024-01-20 that is 1,024,001 bytes long, but Firehose takes at most 1,024,000: shorten"
        with pytest.raises(FeedError, match=told):
            stream.put(DAY, [b"x" * 1_024_000 + b"\n"])
        with pytest.raises(FeedError, match=told):
            stream.put(DAY, batch(1000, 1))
        with pytest.raises(FeedError, match=told):
            stream.close()

    def test_the_server_has_the_limits_of_firehose(self, firehose: DeliveryStream, client: Any) -> None:
        for records in ([b"x"] * 501, [b"x" * 1_024_001], [b"x" * 1_000_000] * 5):
            with pytest.raises(ClientError, match="InvalidArgumentException"):
                client.put_record_batch(DeliveryStreamName=firehose.name, Records=[{"Data": one} for one in records])

    def test_nothing_put_is_nothing_called(self, firehose: DeliveryStream, stream: FirehoseStream) -> None:
        stream.close()
        stream.close()
        assert firehose.server.calls == []

    def test_building_a_stream_asks_for_nothing(self) -> None:
        before = threading.active_count()
        FirehoseStream(None, "crimes")
        assert threading.active_count() == before


class TestPartitions:
    """Firehose has no more than 500 partitions open at a time; here it has 30, and the stream is told so."""

    DAYS = tuple(date(2020, 1, 1) + timedelta(days=n) for n in range(40))

    @pytest.fixture(autouse=True)
    def fewer(self, firehose: DeliveryStream, monkeypatch: pytest.MonkeyPatch) -> None:
        assert under_test.MOST_DAYS < MOST_PARTITIONS
        firehose.server.most_partitions = 30
        monkeypatch.setattr(under_test, "MOST_DAYS", 30)

    def test_a_long_backfill_never_has_too_many_days_on_their_way(
        self, firehose: DeliveryStream, client: Any, store: S3Store
    ) -> None:
        slept: list[float] = []

        def sleep(seconds: float) -> None:
            # What Firehose has taken by now is written when we wake up, and nothing else.
            slept.append(seconds)
            firehose.server.release()
            firehose.server.hold()

        firehose.server.hold()
        stream = FirehoseStream(client, firehose.name, sleep=sleep)
        for day in self.DAYS:
            stream.put(day, batch(day.toordinal(), 1, day))
        stream.close()
        firehose.server.release()
        assert slept == [under_test.WRITTEN_SECONDS]
        assert {item.key.split("/")[0] for item in store.list("")} == {"raw"}
        assert len({item.key.split("/")[2] for item in store.list("")}) == len(self.DAYS)

    def test_without_waiting_the_rest_would_be_laid_aside(
        self, firehose: DeliveryStream, stream: FirehoseStream, store: S3Store, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(under_test, "MOST_DAYS", 10_000)
        firehose.server.hold()
        for day in self.DAYS:
            stream.put(day, batch(day.toordinal(), 1, day))
        stream.close()
        firehose.server.release()
        assert {item.key.split("/")[0] for item in store.list("")} == {"raw", "errors"}

    def test_days_that_go_on_are_not_waited_for(
        self, stream: FirehoseStream, time_of: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(under_test, "MOST_DAYS", 2)
        for day in (DAY, OTHER, DAY, OTHER, DAY):
            stream.put(day, batch(1, 1, day))
        stream.close()
        assert time_of.slept == []


class TestRefusals:
    @pytest.mark.parametrize("every", [2, 3, 499])
    def test_records_that_are_not_taken_are_put_again_and_only_those(
        self, firehose: DeliveryStream, stream: FirehoseStream, every: int
    ) -> None:
        firehose.server.fail_every = every
        lines = batch(1, 1700)
        stream.put(DAY, lines)
        stream.close()
        assert taken(firehose) == Counter(lines), "each record once"
        assert len(firehose.server.calls) > 4

    def test_throttled_calls_are_made_again_ever_later(
        self, firehose: DeliveryStream, client: Any, time_of: Time
    ) -> None:
        firehose.server.throttled_calls = 8
        stream = FirehoseStream(client, firehose.name, sleep=time_of.sleep, clock=time_of.clock, chance=lambda: 1.0)
        lines = batch(1, 100)
        stream.put(DAY, lines)
        stream.close()
        assert taken(firehose) == Counter(lines)
        assert time_of.slept == [pytest.approx(0.2 * 2**n) for n in range(6)] + [10.0, 10.0]

    def test_pauses_are_of_chance_length(self, firehose: DeliveryStream, stream: FirehoseStream, time_of: Time) -> None:
        firehose.server.throttled_calls = 40
        stream.put(DAY, batch(1, 500))
        stream.close()
        late = time_of.slept[10:]
        assert len(late) == 30
        assert 0 <= min(late) < 2
        assert 8 < max(late) <= 10

    def test_throttling_that_does_not_end_is_one_sentence(
        self, firehose: DeliveryStream, stream: FirehoseStream, time_of: Time
    ) -> None:
        firehose.server.throttled_calls = 10**6
        stream.put(DAY, batch(1, 3000))
        with pytest.raises(
            AwsThrottled, match=r"^Firehose took no record for 5 minutes .*what did not land is put again"
        ):
            stream.close()
        assert firehose.server.taken == []
        assert time_of.now >= 300

    def test_records_that_are_never_taken_are_one_sentence(
        self, firehose: DeliveryStream, stream: FirehoseStream
    ) -> None:
        firehose.server.fail_every = 1
        stream.put(DAY, batch(1, 10))
        with pytest.raises(AwsThrottled, match=r"5 minutes \(ServiceUnavailableException\): raise the limits of"):
            stream.close()
        with pytest.raises(AwsThrottled):
            stream.close()

    def test_patience_begins_anew_with_every_record_that_is_taken(
        self, firehose: DeliveryStream, client: Any, time_of: Time, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(under_test, "_GIVE_UP_SECONDS", 15.0)
        firehose.server.fail_every = 2
        lines = batch(1, 500)

        def sleep(seconds: float) -> None:
            # Half of the records are taken, then half of the rest, …; once that took long, a call is refused whole.
            firehose.server.throttled_calls = int(time_of.now < 15 <= time_of.now + seconds)
            time_of.sleep(seconds)

        stream = FirehoseStream(client, firehose.name, sleep=sleep, clock=time_of.clock, chance=lambda: 1.0)
        stream.put(DAY, lines)
        stream.close()
        assert time_of.now > 15
        assert taken(firehose) == Counter(lines)

    @pytest.mark.parametrize(
        ("code", "told"),
        [
            (
                "UnrecognizedClientException",
                "AWS refused to put records to the delivery stream crimes .*CRIME_FIREHOSE",
            ),
            ("AccessDeniedException", "AWS refused to put records to the delivery stream crimes .*CRIME_FIREHOSE"),
            (
                "ResourceNotFoundException",
                "put records to the delivery stream crimes: it does not exist .*CRIME_FIREHOSE",
            ),
        ],
    )
    def test_what_trying_again_does_not_help_is_told_at_once(
        self, firehose: DeliveryStream, stream: FirehoseStream, time_of: Time, code: str, told: str
    ) -> None:
        firehose.server.refusal = Refusal(code, "no")
        stream.put(DAY, batch(1, 10))
        with pytest.raises(AwsError, match=told):
            stream.close()
        assert time_of.slept == []

    def test_a_put_after_a_refusal_says_it(self, firehose: DeliveryStream, stream: FirehoseStream) -> None:
        firehose.server.refusal = Refusal("AccessDeniedException", "no")
        lines = batch(1, 20_000)
        with pytest.raises(AwsError, match="AWS refused"):
            stream.put(DAY, lines)
        assert firehose.server.taken == []

    def test_a_server_that_is_not_there(self, aws: Seaweed, time_of: Time) -> None:
        config = Config(retries={"mode": "standard", "total_max_attempts": 1})
        stream = FirehoseStream(boto3.client("firehose", config=config), "crimes", sleep=time_of.sleep)
        stream.put(DAY, batch(1, 10))
        with pytest.raises(
            AwsError, match=r"^AWS cannot be reached to put records to the delivery stream crimes: check"
        ):
            stream.close()


def test_close_returns_only_when_everything_was_taken(
    firehose: DeliveryStream, stream: FirehoseStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    together = threading.Barrier(4, timeout=20)
    real = firehose.server.answer

    def slow(operation: str, asked: Any) -> dict[str, Any]:
        # Four calls at a time: one alone would wait for the others in vain.
        together.wait()
        time.sleep(0.05)
        return real(operation, asked)

    monkeypatch.setattr(firehose.server, "answer", slow)
    lines = batch(1, 4000)
    stream.put(DAY, lines)
    stream.close()
    assert taken(firehose) == Counter(lines)


def test_few_calls_wait_at_a_time(
    firehose: DeliveryStream, stream: FirehoseStream, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, open_gate = firehose.server.answer, threading.Event()

    def gated(operation: str, asked: Any) -> dict[str, Any]:
        assert open_gate.wait(20)
        return real(operation, asked)

    monkeypatch.setattr(firehose.server, "answer", gated)
    lines, put = batch(1, 500), 0

    def put_all() -> None:
        nonlocal put
        for _ in range(40):
            stream.put(DAY, lines)
            put += 1

    putting = threading.Thread(target=put_all)
    putting.start()
    putting.join(0.3)
    waited_at = put
    open_gate.set()
    putting.join(20)
    stream.close()
    assert waited_at < 15, "memory is bounded"
    assert len(firehose.server.taken) == 20_000


def test_records_that_are_delivered_twice_or_taken_twice_are_envelopes_like_others(
    firehose: DeliveryStream, stream: FirehoseStream, store: S3Store
) -> None:
    firehose.server.delivers_twice = True
    stream.put(DAY, batch(1, 7))
    stream.close()
    firehose.server.release()
    lines = [line for item in store.list("raw/") for line in read_delivery(store, item.key, "chicago")]
    assert len(lines) == 14
    assert len({line.md5 for line in lines}) == 7
    assert json.loads(firehose.server.taken[0])["_change_day"] == str(DAY)
