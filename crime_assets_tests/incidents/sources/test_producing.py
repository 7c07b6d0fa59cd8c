"""Putting reports: into a directory also where splitting was broken off, to Kinesis whatever it refuses."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from crime_assets.cloud.aws.errors import AwsError, AwsThrottled
from crime_assets.core.errors import UsageError
from crime_assets.incidents.sources import producing
from crime_assets.incidents.sources.directory import CLOSED, closed_of, shards_of
from crime_assets.incidents.sources.producing import DirectoryProducer, KinesisProducer
from crime_assets_tests.incidents.sources.faulty import (
    FaultyClient,
    all_refused,
    answered_twice,
    half_refused,
    lost_answer,
    refusal,
)
from crime_assets_tests.incidents.sources.streams import STREAM, DirectoryStream, Reader, kinesis_stream, put

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class TestDirectory:
    @pytest.fixture
    def root(self, tmp_path: Path) -> Path:
        return tmp_path / "stream"

    def test_all_keys_have_exactly_one_shard(self, root: Path) -> None:
        producer = DirectoryProducer(root, shards=3)
        low, *_, high = producer.shards()
        producer.merge(*producer.split(low))
        producer.split(high)
        assert_all_keys_have_one_shard(producer, root)

    def test_it_arrives_when_it_is_put_not_when_it_is_written(self, root: Path) -> None:
        times = iter(AT + timedelta(seconds=n) for n in range(10))
        producer = DirectoryProducer(root, lambda: next(times), shards=1, linger_seconds=60)
        for n in range(3):
            producer.put("key", b"%d" % n)
        reader = Reader(DirectoryStream(root))
        assert reader.step() == 0
        producer.flush()
        reader.read(3)
        assert [record.arrived_at for record in reader.records] == [AT + timedelta(seconds=n) for n in range(3)]

    def test_what_has_waited_long_enough_is_written_with_the_next(self, root: Path) -> None:
        producer = DirectoryProducer(root, shards=1, linger_seconds=0)
        producer.put("key", b"{}")
        assert len(list(root.glob("shards/*/*.ndjson"))) == 1

    def test_several_may_put(self, root: Path) -> None:
        producers = [DirectoryProducer(root, most=3, linger_seconds=60) for _ in range(3)]
        for n in range(90):
            producers[n % 3].put(f"key{n}", b'{"n":%d}' % n)
            if n == 40:
                # The others write to the new shards, too.
                producers[0].split(producers[0].shards()[0])
        for one in producers:
            one.close()
        reader = Reader(DirectoryStream(root))
        assert len(set(reader.read(90))) == 90

    @pytest.mark.parametrize("breaks_at", range(1, 5))
    @pytest.mark.parametrize("kind", ["split", "merge"])
    def test_what_was_broken_off_is_done_by_the_next(
        self, root: Path, kind: str, breaks_at: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stream = DirectoryStream(root)
        sent = put(stream, range(50), keys=50)
        producer = stream.producer()
        one, other = producer.shards()
        written = 0
        write = producing._write

        def breaking(path: Path, content: bytes) -> None:
            nonlocal written
            written += 1
            if written == breaks_at:
                raise KeyboardInterrupt
            write(path, content)

        monkeypatch.setattr(producing, "_write", breaking)
        try:
            producer.split(one) if kind == "split" else producer.merge(one, other)
        except KeyboardInterrupt:
            assert written == breaks_at
        monkeypatch.setattr(producing, "_write", write)
        assert_all_keys_have_one_shard(stream.producer(), root)
        sent += put(stream, range(50, 100), keys=50)
        stream.producer().end()
        reader = Reader(stream)
        reader.read_until(lambda positions: bool(positions) and all(one.is_ended for one in positions.values()))
        assert sorted(reader.data) == sorted(data for _, data in sent)

    def test_what_cannot_be_done_is_one_sentence(self, root: Path) -> None:
        producer = DirectoryProducer(root, shards=3)
        low, _, high = producer.shards()
        with pytest.raises(UsageError, match="are not beside each other"):
            producer.merge(low, high)
        with pytest.raises(UsageError, match="There is no open shard x: name one of shardId-000000000000, "):
            producer.split("x")
        producer.end()
        with pytest.raises(UsageError, match="has ended: put reports into another directory"):
            DirectoryProducer(root).shards()

    def test_the_end_says_how_many_files_there_are(self, root: Path) -> None:
        producer = DirectoryProducer(root, shards=1, most=1)
        for _ in range(3):
            producer.put("key", b"{}")
        producer.end()
        (path,) = root.glob(f"shards/*/{CLOSED}")
        closed = closed_of(path.parent)
        assert closed is not None
        assert (closed.files, closed.children) == (3, ())


def assert_all_keys_have_one_shard(producer: DirectoryProducer, root: Path) -> None:
    open_now = [shards_of(root)[id] for id in producer.shards()]
    bounds = [(int(shard.hash_from), int(shard.hash_to)) for shard in open_now]
    assert bounds[0][0] == 0
    assert bounds[-1][1] == 2**128 - 1
    assert all(one[1] + 1 == other[0] for one, other in pairwise(bounds))


class Time:
    """A clock that goes on only while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def clock(self) -> float:
        return self.now


class Taken:
    """Kinesis that takes everything and remembers the calls."""

    def __init__(self) -> None:
        self.calls: list[list[dict[str, Any]]] = []

    def put_records(self, StreamName: str, Records: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803
        self.calls.append(Records)
        return {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1"} for _ in Records]}

    @property
    def data(self) -> list[bytes]:
        return [record["Data"] for call in self.calls for record in call]


class TestKinesis:
    @pytest.fixture
    def taken(self) -> Taken:
        return Taken()

    @pytest.fixture
    def client(self, taken: Taken) -> FaultyClient:
        return FaultyClient(taken)

    @pytest.fixture
    def time_of(self) -> Time:
        return Time()

    @pytest.fixture
    def producer(self, client: FaultyClient, time_of: Time) -> KinesisProducer:
        chance = random.Random(3).random
        return KinesisProducer(client, STREAM, sleep=time_of.sleep, clock=time_of.clock, chance=chance)

    def test_calls_keep_to_the_limits(self, producer: KinesisProducer, taken: Taken) -> None:
        for n in range(1_201):
            producer.put(f"key{n}", b"%d" % n)
        producer.close()
        assert [len(call) for call in taken.calls] == [500, 500, 201]
        taken.calls.clear()
        for _ in range(12):
            producer.put("k" * 76, b"x" * ((1 << 20) - 76))
        producer.close()
        assert [len(call) for call in taken.calls] == [5, 5, 2]

    def test_what_has_waited_long_enough_is_put_with_the_next(
        self, producer: KinesisProducer, taken: Taken, time_of: Time
    ) -> None:
        producer.put("key", b"1")
        time_of.now += 0.3
        producer.put("key", b"2")
        assert taken.data == [b"1", b"2"]

    def test_exactly_the_refused_ones_are_put_again(
        self, producer: KinesisProducer, client: FaultyClient, taken: Taken
    ) -> None:
        client.plan("put_records", half_refused(), half_refused("InternalFailure"), all_refused)
        for n in range(100):
            producer.put("key", b"%d" % n)
        producer.close()
        assert Counter(taken.data) == Counter(b"%d" % n for n in range(100))
        assert [len(call) for call in taken.calls] == [50, 25, 25]

    def test_throttled_calls_are_made_again(
        self, producer: KinesisProducer, client: FaultyClient, taken: Taken, time_of: Time
    ) -> None:
        busy = refusal("ProvisionedThroughputExceededException", "PutRecords")
        client.plan("put_records", busy, refusal("LimitExceededException", "PutRecords"), half_refused(), busy)
        for n in range(10):
            producer.put("key", b"%d" % n)
        producer.close()
        assert Counter(taken.data) == Counter(b"%d" % n for n in range(10))
        assert 0 < time_of.now < 2

    def test_it_gives_up_after_five_minutes_and_keeps_what_is_left(
        self, producer: KinesisProducer, client: FaultyClient, taken: Taken, time_of: Time
    ) -> None:
        client.plan("put_records", half_refused(), *[all_refused] * 10_000)
        producer.put("key", b"1")
        producer.put("key", b"2")
        with pytest.raises(
            AwsThrottled, match=r"no record for 5 minutes \(InternalFailure\): give the stream fir more"
        ):
            producer.flush()
        assert 300 <= time_of.now < 310
        client.planned.clear()
        producer.put("key", b"3")
        producer.close()
        assert taken.data == [b"1", b"2", b"3"]

    def test_what_is_refused_for_good_is_one_sentence(self, producer: KinesisProducer, client: FaultyClient) -> None:
        client.plan("put_records", refusal("ResourceNotFoundException", "PutRecords"))
        producer.put("key", b"1")
        with pytest.raises(AwsError, match=r"put records to the stream fir: it does not exist .* CRIME_STREAM"):
            producer.flush()

    @pytest.mark.parametrize(("key", "size"), [("k", 1 << 20), ("", 1), ("k" * 257, 1)])
    def test_what_kinesis_never_takes_is_told_at_once(self, producer: KinesisProducer, key: str, size: int) -> None:
        with pytest.raises(UsageError, match="cannot be put: Kinesis takes 1,048,576 bytes and keys of 1 to 256"):
            producer.put(key, b"x" * size)

    def test_an_answer_that_is_lost_is_told_and_put_again_by_who_retries(
        self, producer: KinesisProducer, client: FaultyClient, taken: Taken
    ) -> None:
        client.plan("put_records", lost_answer, answered_twice)
        producer.put("key", b"1")
        with pytest.raises(AwsError, match="check the network"):
            producer.flush()
        producer.close()
        assert taken.data == [b"1"] * 3


@pytest.mark.slow
def test_repeats_have_sequences_of_their_own_and_are_all_read(moto: str) -> None:
    """Kinesis promises at least once: it is up to the reports' own ids that none counts twice."""
    stream = kinesis_stream()
    plain = stream.client
    stream.client = FaultyClient(plain)
    stream.client.plan("put_records", half_refused(), answered_twice)
    sent = put(stream, range(40))
    stream.client = plain
    reader = Reader(stream)
    read = reader.read(60)
    assert Counter(read).keys() == {data for _, data in sent}
    assert sorted(Counter(read).values()) == [1] * 20 + [2] * 20
    assert len({(record.shard, record.sequence) for record in reader.records}) == 60
    reader.close()
