"""What every source of reports promises, on a directory and on Kinesis: moto, and where they are, other servers."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from crime_assets.incidents.sources import SLACK, Position
from crime_assets_tests.incidents.sources.kinesis_servers import SERVERS
from crime_assets_tests.incidents.sources.streams import (
    DirectoryStream,
    Reader,
    Stream,
    kinesis_stream,
    order_by_key,
    put,
)


@pytest.fixture(params=["directory", *(pytest.param(name, marks=pytest.mark.slow) for name in ("moto", *SERVERS))])
def stream(request: pytest.FixtureRequest, tmp_path: Path) -> Stream:
    if request.param == "directory":
        return DirectoryStream(tmp_path / "stream")
    if request.param == "moto":
        request.getfixturevalue("moto")
        return kinesis_stream()
    made: Stream = request.getfixturevalue("kinesis_server")(request.param).stream()
    return made


@pytest.fixture
def reader(stream: Stream) -> Iterator[Reader]:
    made = Reader(stream)
    yield made
    made.close()


def test_all_is_read_and_each_key_in_its_order(stream: Stream, reader: Reader) -> None:
    sent = put(stream, range(200))
    read = reader.read(200)
    assert sorted(read) == sorted(data for _, data in sent)
    place = {data: n for n, data in enumerate(read)}
    for datas in order_by_key(sent).values():
        assert sorted(datas, key=place.__getitem__) == datas
    assert len({record.shard for record in reader.records}) == 2
    assert all(record.arrived_at.tzinfo for record in reader.records)


def test_the_sequence_of_the_last_record_is_the_position(stream: Stream, reader: Reader) -> None:
    put(stream, range(50))
    reader.read(50)
    last = {record.shard: Position(record.sequence, False) for record in reader.records}
    assert reader.positions == last


def test_it_goes_on_exactly_after_any_batch(stream: Stream, reader: Reader) -> None:
    """Each batch is the last one of a process. What was read and not committed is read again."""
    sent = put(stream, range(30))
    while len(reader.records) < 30:
        other = Reader(stream, dict(reader.positions))
        other.step(11)
        other.close()
        reader.open()
        reader.step(4, wait_seconds=1)
    assert sorted(reader.data) == sorted(data for _, data in sent)
    reader.open()
    assert reader.step() == 0
    put(stream, range(30, 40))
    reader.read(40)
    assert len(set(reader.data)) == 40


def test_two_readers_read_the_same(stream: Stream, reader: Reader) -> None:
    put(stream, range(60))
    reader.read(60)
    other = Reader(stream)
    other.read(60, most=13)
    other.close()
    key = [(record.shard, record.sequence) for record in reader.records]
    assert sorted((record.shard, record.sequence) for record in other.records) == sorted(key)
    assert {(record.sequence, record.data, record.arrived_at) for record in other.records} == {
        (record.sequence, record.data, record.arrived_at) for record in reader.records
    }


def test_bytes_stay_as_they_are(stream: Stream, reader: Reader) -> None:
    odd = [
        b'{ "a" : 1.0,\t"data": {"x":[1,2]} }',
        b'{"a":\n1}',
        b"\x00\xff\n\r",
        b'{"a":NaN}',
        b'["a"]',
        b"x" * 70_000,
        '{"name":"जयपुर"}'.encode(),
    ]
    producer = stream.producer()
    for data in odd:
        producer.put('k,"data":1', data)
    producer.close()
    assert reader.read(len(odd)) == odd


def test_progress_follows_what_was_read_and_then_the_clock(stream: Stream, reader: Reader) -> None:
    put(stream, range(20))
    newest = time.time()
    reader.read(20)
    assert set(reader.progress) == {record.shard for record in reader.records}
    assert all(newest - SLACK - 5 < one <= time.time() - SLACK for one in reader.progress.values())
    before = time.time()
    while not all(one >= before - SLACK for one in reader.progress.values()):
        assert reader.step() == 0
        assert time.time() < before + 10


def test_an_empty_stream_has_shards_and_progress(stream: Stream, reader: Reader) -> None:
    put(stream, [])
    while len(reader.progress) < 2:
        reader.step()
    assert list(reader.positions.values()) == [Position(None, False)] * 2
    reader.open()
    put(stream, range(5))
    reader.read(5)


def test_what_comes_ends_the_wait(stream: Stream, reader: Reader) -> None:
    put(stream, [])
    reader.step()
    put(stream, [1])
    begun = time.monotonic()
    reader.read(1, seconds=5)
    assert time.monotonic() - begun < 3
    source = reader.source
    assert source is not None
    begun = time.monotonic()
    batch = source.take(10, 0.3)
    assert batch.records == []
    assert 0.25 < time.monotonic() - begun < 2


def test_a_batch_says_only_what_changed(stream: Stream, reader: Reader) -> None:
    put(stream, range(10))
    reader.read(10)
    source = reader.source
    assert source is not None
    records, positions, _ = source.take(10, 0.1)
    assert (records, positions) == ([], {})
    assert re.fullmatch(r"[a-z0-9-]{1,40}", source.name)
