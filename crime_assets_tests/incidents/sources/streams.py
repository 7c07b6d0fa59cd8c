"""Streams to read in tests, alike for every kind of source: a recipe puts records in, and readers are opened on it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import boto3
from botocore.config import Config

from crime_assets.incidents.contract import Record
from crime_assets.incidents.sources import Position, Source
from crime_assets.incidents.sources.directory import DirectorySource
from crime_assets.incidents.sources.kinesis import KinesisSource
from crime_assets.incidents.sources.producing import DirectoryProducer, KinesisProducer, Producer

STREAM = "fir"


class Stream(Protocol):
    """A stream with two shards."""

    def producer(self) -> Producer: ...

    def source(self) -> Source: ...


@dataclass
class DirectoryStream:
    root: Path

    def producer(self) -> DirectoryProducer:
        return DirectoryProducer(self.root, most=7)

    def source(self) -> DirectorySource:
        return DirectorySource(self.root)


@dataclass
class KinesisStream:
    client: Any
    name: str = STREAM

    def producer(self) -> KinesisProducer:
        return KinesisProducer(self.client, self.name)

    def source(self) -> KinesisSource:
        return KinesisSource(self.client, self.name, list_seconds=0.5)

    def shards(self) -> list[dict[str, Any]]:
        """Those that take records, in the order of their keys' hashes."""
        found = self.client.list_shards(StreamName=self.name)["Shards"]
        is_open = [one for one in found if "EndingSequenceNumber" not in one["SequenceNumberRange"]]
        return sorted(is_open, key=lambda one: int(one["HashKeyRange"]["StartingHashKey"]))

    def split(self, place: int) -> None:
        """Halve an open shard."""
        shard = self.shards()[place]
        low, high = (int(shard["HashKeyRange"][f"{one}HashKey"]) for one in ("Starting", "Ending"))
        self.client.split_shard(
            StreamName=self.name, ShardToSplit=shard["ShardId"], NewStartingHashKey=str((low + high + 1) // 2)
        )
        self.wait()

    def merge(self, place: int) -> None:
        """Join an open shard with the one after it."""
        one, other = self.shards()[place : place + 2]
        self.client.merge_shards(
            StreamName=self.name, ShardToMerge=one["ShardId"], AdjacentShardToMerge=other["ShardId"]
        )
        self.wait()

    def wait(self) -> None:
        """Until the stream may be changed and used."""
        until = time.monotonic() + 30
        asked = self.client.describe_stream_summary
        while asked(StreamName=self.name)["StreamDescriptionSummary"]["StreamStatus"] != "ACTIVE":
            assert time.monotonic() < until
            time.sleep(0.05)


def kinesis_stream(shards: int = 2, name: str = STREAM, **where: Any) -> KinesisStream:
    """A new stream of the server that boto3 is led to, by a client that does not try again by itself."""
    client = boto3.client("kinesis", config=Config(retries={"mode": "standard", "total_max_attempts": 1}), **where)
    client.create_stream(StreamName=name, ShardCount=shards)
    stream = KinesisStream(client, name)
    stream.wait()
    return stream


def put(stream: Stream, numbers: Iterable[int], keys: int = 10) -> list[tuple[str, bytes]]:
    """Records that say their number; those of a key come in this order."""
    sent = [(f"key{number % keys}", b'{"n":%d}' % number) for number in numbers]
    producer = stream.producer()
    for key, data in sent:
        producer.put(key, data)
    producer.close()
    return sent


@dataclass
class Reader:
    """Reads as the loop does: what it has taken, and where it would go on, are committed together."""

    stream: Stream
    positions: dict[str, Position] = field(default_factory=dict)
    progress: dict[str, float] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    source: Source | None = None

    def open(self) -> Source:
        """Go on from what is committed, as a new process would."""
        self.close()
        self.progress = {}
        self.source = self.stream.source()
        self.source.open(self.positions)
        return self.source

    def close(self) -> None:
        if self.source is not None:
            self.source.close()
            self.source = None

    def step(self, most: int = 1_000, wait_seconds: float = 0.1) -> int:
        """Take a batch and commit it; the number of its records."""
        source = self.source or self.open()
        batch = source.take(most, wait_seconds)
        assert len(batch.records) <= most
        self.records += batch.records
        for shard, reached in batch.progress.items():
            assert reached > self.progress.get(shard, float("-inf"))
        self.progress |= batch.progress
        self.positions |= batch.positions
        source.committed(batch.positions)
        return len(batch.records)

    def read(self, number: int, *, most: int = 1_000, seconds: float = 20) -> list[bytes]:
        """All records so far, once there are so many."""
        until = time.monotonic() + seconds
        while len(self.records) < number:
            assert time.monotonic() < until, f"{len(self.records)} of {number} records: {self.positions}"
            self.step(most)
        return self.data

    def read_until(self, is_so: Callable[[Mapping[str, Position]], bool], seconds: float = 20) -> None:
        """Until the positions are so."""
        until = time.monotonic() + seconds
        while not is_so(self.positions):
            assert time.monotonic() < until, self.positions
            self.step()

    @property
    def data(self) -> list[bytes]:
        return [record.data for record in self.records]


def order_by_key(sent: Iterable[tuple[str, bytes]]) -> dict[str, list[bytes]]:
    """What was sent, key by key."""
    found: dict[str, list[bytes]] = {}
    for key, data in sent:
        found.setdefault(key, []).append(data)
    return found
