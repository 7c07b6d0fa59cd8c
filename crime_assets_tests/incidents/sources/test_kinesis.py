"""Reading Kinesis where it refuses, forgets, splits and merges: shards of our own script, and moto behind faults."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from botocore.exceptions import EndpointConnectionError

from crime_assets.cloud.aws.errors import AwsError, AwsThrottled
from crime_assets.incidents.sources import SLACK, Forgetful, Position, kinesis
from crime_assets.incidents.sources.kinesis import KinesisSource
from crime_assets_tests.incidents.sources.faulty import FaultyClient, ScriptedClient, refusal, timeout
from crime_assets_tests.incidents.sources.streams import Reader, kinesis_stream, put

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = AT.timestamp() + 1_000


@dataclass
class Scripted:
    client: Any

    def source(self) -> KinesisSource:
        return KinesisSource(self.client, "fir", clock=lambda: NOW, chance=lambda: 0.0, list_seconds=0.05)

    def producer(self) -> Any:
        raise NotImplementedError


@pytest.fixture(autouse=True)
def faster(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kinesis, "READ_SECONDS", 0.01)
    monkeypatch.setattr(kinesis, "_FIRST_PAUSE", 0.01)


@pytest.fixture
def server() -> ScriptedClient:
    return ScriptedClient({"a": [], "b": []})


@pytest.fixture
def reader(server: ScriptedClient) -> Iterator[Reader]:
    made = Reader(Scripted(server))
    yield made
    made.close()


def write(server: ScriptedClient, shard: str, *numbers: int) -> None:
    for number in numbers:
        at = AT + timedelta(seconds=number)
        told = {"SequenceNumber": f"{number:056}", "ApproximateArrivalTimestamp": at, "Data": b"%d" % number}
        server.records[shard].append({**told, "PartitionKey": "key"})


class TestShards:
    def test_an_ended_shard_says_so_with_its_last_records_and_its_children(
        self, server: ScriptedClient, reader: Reader
    ) -> None:
        server.shards |= {"c": ["a"], "d": ["a"]}
        write(server, "a", 1, 2)
        server.ended.add("a")
        source = reader.open()
        while not (batch := source.take(10, 1)).records:
            assert "a" not in batch.positions or not batch.positions["a"].is_ended
        assert [record.data for record in batch.records] == [b"1", b"2"]
        assert batch.positions["a"] == Position(f"{2:056}", True)
        assert batch.positions["c"] == batch.positions["d"] == Position(None, False)
        assert batch.progress["a"] == batch.progress["c"] == AT.timestamp() + 2 - SLACK

    @pytest.mark.parametrize("has_child_shards", [True, False])
    def test_children_wait_until_the_end_of_all_parents_is_committed(
        self, server: ScriptedClient, reader: Reader, has_child_shards: bool
    ) -> None:
        server.has_child_shards = has_child_shards
        server.shards["c"] = ["a", "b"]
        write(server, "a", 1)
        write(server, "b", 2)
        write(server, "c", 3)
        server.ended.add("a")
        source = reader.open()
        seen: dict[str, Position] = {}
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            seen |= source.take(10, 0.05).positions
        assert seen == {"a": Position(f"{1:056}", True), "b": Position(f"{2:056}", False), "c": Position(None, False)}
        source.committed(seen)
        server.ended.add("b")
        until = time.monotonic() + 0.4
        while time.monotonic() < until:
            seen |= source.take(10, 0.05).positions
        assert seen["b"].is_ended
        assert seen["c"] == Position(None, False)
        source.committed(seen)
        assert [record.data for record in source.take(10, 5).records] == [b"3"]

    def test_a_process_that_stops_between_end_and_children_goes_on(
        self, server: ScriptedClient, reader: Reader
    ) -> None:
        server.shards["c"] = ["a"]
        write(server, "a", 1)
        server.ended.add("a")
        write(server, "c", 2)
        reader.read_until(lambda positions: "a" in positions and positions["a"].is_ended)
        reader.records.clear()
        reader.open()
        assert reader.read(1) == [b"2"]

    def test_a_parent_that_is_no_longer_there_holds_nobody_up(self, server: ScriptedClient, reader: Reader) -> None:
        server.shards["a"] = ["older", "oldest"]
        write(server, "a", 1)
        assert reader.read(1) == [b"1"]

    def test_a_shard_that_is_no_longer_kept_has_ended(self, server: ScriptedClient, reader: Reader) -> None:
        server.shards = {"c": ["a"]}
        write(server, "c", 3)
        reader.positions = {"a": Position(f"{1:056}", False)}
        source = reader.open()
        batch = source.take(10, 1)
        assert batch.records == []
        assert batch.positions == {"a": Position(f"{1:056}", True), "c": Position(None, False)}
        source.committed(batch.positions)
        assert [record.data for record in source.take(10, 5).records] == [b"3"]

    def test_one_that_goes_while_it_is_read_has_ended_too(self, server: ScriptedClient, reader: Reader) -> None:
        server.shards["c"] = ["a"]
        write(server, "a", 1)
        write(server, "c", 2)
        reader.read(1)
        del server.shards["a"]
        assert reader.read(2) == [b"1", b"2"]
        assert reader.positions["a"] == Position(f"{1:056}", True)

    def test_new_shards_are_found(self, server: ScriptedClient, reader: Reader) -> None:
        reader.step()
        server.shards["e"] = []
        write(server, "e", 5)
        assert reader.read(1) == [b"5"]

    def test_a_long_backlog_is_read_in_pieces_and_not_all_held(
        self, server: ScriptedClient, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kinesis, "MOST_HELD", 20)
        server.a_page = 10
        write(server, "a", *range(200))
        write(server, "b", *range(1_000, 1_010))
        source = reader.open()
        assert isinstance(source, KinesisSource)
        time.sleep(0.3)
        assert source._held._count <= 40
        assert sorted(reader.read(210, most=7), key=int) == [b"%d" % n for n in [*range(200), *range(1_000, 1_010)]]
        of_a = [int(record.data) for record in reader.records if record.shard == "a"]
        assert of_a == list(range(200))


class TestProgress:
    def test_of_a_shard_that_is_behind_it_is_the_newest_arrival(self, server: ScriptedClient, reader: Reader) -> None:
        server.behind = 60_000
        write(server, "a", 1, 7, 3)
        reader.read(3)
        time.sleep(0.1)
        reader.step()
        assert reader.progress == {"a": AT.timestamp() + 7 - SLACK}

    def test_of_an_idle_one_it_is_now(self, server: ScriptedClient, reader: Reader) -> None:
        until = time.monotonic() + 5
        while reader.progress != {"a": NOW - SLACK, "b": NOW - SLACK}:
            assert time.monotonic() < until
            reader.step(wait_seconds=0.05)

    def test_of_one_that_nobody_has_taken_for_long_it_is_the_latest(self, server: ScriptedClient) -> None:
        client = FaultyClient(server, is_limited=False)
        reads = client.calls["get_records"]
        source = KinesisSource(client, "fir", clock=lambda: NOW + len(reads))
        write(server, "a", 1)
        source.open({})
        until = time.monotonic() + 10
        while len(reads) < 40:
            assert time.monotonic() < until
            time.sleep(0.01)
        batch = source.take(10, 1)
        source.close()
        assert len(batch.records) == 1
        assert batch.progress["a"] > NOW + 5

    def test_of_what_was_taken_in_part_it_is_of_that_part(self, server: ScriptedClient, reader: Reader) -> None:
        write(server, "a", 1, 2, 3)
        while not reader.records:
            reader.step(2, 1)
        assert reader.progress["a"] == AT.timestamp() + 2 - SLACK

    def test_what_the_stream_no_longer_keeps_is_told(self, server: ScriptedClient, reader: Reader) -> None:
        source = reader.open()
        assert isinstance(source, Forgetful)
        day = 86_400
        assert source.lost_since({"a": NOW - day + 1, "b": NOW}) is None
        assert source.lost_since({"a": NOW - day - 1, "b": NOW}) == NOW - day - 1
        assert source.lost_since({}) is None


class TestFaults:
    @pytest.fixture
    def client(self, server: ScriptedClient, reader: Reader) -> FaultyClient:
        client = FaultyClient(server)
        reader.stream = Scripted(client)
        return client

    def test_whatever_passes_is_waited_for(self, server: ScriptedClient, client: FaultyClient, reader: Reader) -> None:
        server.a_page = 5
        write(server, "a", *range(40))
        write(server, "b", *range(40, 80))
        reader.positions = {"a": Position(None, False), "b": Position(None, False)}
        client.plan("list_shards", refusal("LimitExceededException", "ListShards"), timeout())
        client.plan("get_shard_iterator", refusal("ProvisionedThroughputExceededException", "GetShardIterator"))
        client.plan(
            "get_records",
            refusal("ProvisionedThroughputExceededException"),
            refusal("ExpiredIteratorException"),
            refusal("KMSThrottlingException"),
            refusal("InternalFailure", status=500),
            timeout(),
            EndpointConnectionError(endpoint_url="http://127.0.0.1"),
            *[refusal("ExpiredIteratorException")] * 5,
        )
        read = reader.read(80)
        assert sorted(read, key=int) == [b"%d" % n for n in range(80)]
        assert not client.planned["get_records"]

    def test_a_new_iterator_goes_on_behind_what_was_read_not_what_was_committed(
        self, server: ScriptedClient, client: FaultyClient, reader: Reader
    ) -> None:
        del server.shards["b"]
        write(server, "a", 1, 2, 3)
        source = reader.open()
        until = time.monotonic() + 5
        while len(client.calls["get_records"]) < 3:
            assert time.monotonic() < until
            time.sleep(0.01)
        client.plan("get_records", refusal("ExpiredIteratorException"))
        while len(client.calls["get_shard_iterator"]) < 2:
            assert time.monotonic() < until
            time.sleep(0.01)
        first, second = client.calls["get_shard_iterator"]
        assert first["ShardIteratorType"] == "TRIM_HORIZON"
        assert second["ShardIteratorType"] == "AFTER_SEQUENCE_NUMBER"
        assert second["StartingSequenceNumber"] == f"{3:056}"
        assert [record.data for record in source.take(10, 1).records] == [b"1", b"2", b"3"]
        assert source.take(10, 0.2).records == []

    def test_what_does_not_pass_is_one_sentence(self, client: FaultyClient, reader: Reader) -> None:
        client.plan("get_records", refusal("AccessDeniedException"))
        with pytest.raises(AwsError, match=r"AWS refused to read the shard [ab] of the stream fir \(AccessDenied"):
            reader.read_until(lambda positions: False)
        reader.close()
        client.plan("get_records", refusal("ResourceNotFoundException"))
        with pytest.raises(AwsError, match="it does not exist"):
            reader.read_until(lambda positions: False)
        reader.close()
        client.plan("list_shards", refusal("ResourceNotFoundException", "ListShards"))
        with pytest.raises(AwsError, match=r"list the shards of the stream fir: it does not exist .* CRIME_STREAM"):
            reader.open()

    def test_it_gives_up_in_the_end(
        self, client: FaultyClient, reader: Reader, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(kinesis, "_GIVE_UP_SECONDS", 0.3)
        client.plan("get_records", *[refusal("ProvisionedThroughputExceededException")] * 10_000)
        with pytest.raises(AwsThrottled, match=r"\(ProvisionedThroughputExceededException\): see that nothing else"):
            reader.read_until(lambda positions: False)

    def test_closing_ends_every_thread_soon(self, client: FaultyClient, reader: Reader) -> None:
        client.plan("get_records", *[refusal("ProvisionedThroughputExceededException")] * 10_000)
        source = reader.open()
        assert isinstance(source, KinesisSource)
        time.sleep(0.1)
        begun = time.monotonic()
        reader.close()
        assert time.monotonic() - begun < 2
        assert not any(thread.is_alive() for thread in source._threads.values())


def test_five_reads_a_second_are_never_exceeded(
    server: ScriptedClient, reader: Reader, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(kinesis, "READ_SECONDS", 0.25)
    client = FaultyClient(server)
    reader.stream = Scripted(client)
    reader.open()
    until = time.monotonic() + 2.5
    while time.monotonic() < until:
        reader.step(wait_seconds=0.1)
    assert client.too_often == 0
    assert 2 * 3 <= len(client.calls["get_records"]) <= 2 * 11


@pytest.mark.slow
def test_others_who_read_as_well_only_slow_it_down(moto: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two readers of one stream ask more often than Kinesis allows."""
    monkeypatch.setattr(kinesis, "READ_SECONDS", 0.15)
    stream = kinesis_stream()
    client = stream.client = FaultyClient(stream.client)
    readers = [Reader(stream), Reader(stream)]
    for one in readers:
        one.open()
    until = time.monotonic() + 20
    while not client.too_often:
        assert time.monotonic() < until
        for one in readers:
            one.step(wait_seconds=0.05)
    sent = put(stream, range(100))
    for one in readers:
        assert sorted(one.read(100)) == sorted(data for _, data in sent)
        one.close()
