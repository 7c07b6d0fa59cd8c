"""A stream in a directory: splits and merges, recordings, and files that are not as they were written."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents.sources import SLACK, Position, source_name
from crime_assets.incidents.sources.directory import DirectorySource, line_of, record_of, shards_of
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets_tests.incidents.sources.streams import DirectoryStream, Reader, order_by_key, put

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
NOW = AT.timestamp() + 1_000


class Recording(DirectoryStream):
    """One that is replayed."""

    def source(self) -> DirectorySource:
        return DirectorySource(self.root, is_live=False, clock=lambda: NOW, sleep=lambda _: None)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "stream"


@pytest.fixture
def stream(root: Path) -> DirectoryStream:
    return DirectoryStream(root)


def all_ended(reader: Reader) -> None:
    reader.read_until(lambda positions: bool(positions) and all(one.is_ended for one in positions.values()))


class TestResharding:
    def test_nothing_is_lost_doubled_or_out_of_order(self, stream: DirectoryStream) -> None:
        """Every process ends after one batch, while shards are split and merged."""
        producer = stream.producer()
        sent: list[tuple[str, bytes]] = []
        reader = Reader(stream)
        for round in range(6):
            sent += put(stream, range(100 * round, 100 * round + 100), keys=40)
            shards = producer.shards()
            if round % 2:
                producer.merge(*shards[:2])
            else:
                producer.split(shards[round % len(shards)])
            for _ in range(5):
                reader.open()
                reader.step(17)
        producer.end()
        all_ended(reader)
        assert len(reader.positions) == 2 + 3 * 2 + 3
        assert sorted(reader.data) == sorted(data for _, data in sent)
        place = {data: n for n, data in enumerate(reader.data)}
        for datas in order_by_key(sent).values():
            assert sorted(datas, key=place.__getitem__) == datas

    def test_children_wait_until_the_end_of_all_parents_is_committed(self, stream: DirectoryStream) -> None:
        producer = stream.producer()
        put(stream, range(20))
        one, other = producer.shards()
        child = producer.merge(one, other)
        put(stream, range(20, 30))
        source = stream.source()
        source.open({})
        seen: dict[str, Position] = {}
        records = []
        for _ in range(5):
            batch = source.take(100, 0.05)
            records += batch.records
            seen |= batch.positions
        assert len(records) == 20
        assert {shard for shard, position in seen.items() if position.is_ended} == {one, other}
        assert seen[child] == Position(None, False)
        source.committed({one: seen[one]})
        assert source.take(100, 0.05).records == []
        source.committed({other: seen[other]})
        assert len(source.take(100, 0.05).records) == 10

    def test_the_end_is_in_the_batch_that_names_the_children(self, stream: DirectoryStream) -> None:
        producer = DirectoryProducer(stream.root, lambda: AT, shards=1)
        producer.put("key", b"{}")
        (shard,) = producer.shards()
        children = producer.split(shard)
        source = Recording(stream.root).source()
        batch = source.take(100, 0)
        assert batch.positions == {
            shard: Position("000000000001:000000001", True),
            **dict.fromkeys(children, Position(None, False)),
        }
        assert batch.progress == dict.fromkeys((shard, *children), AT.timestamp() - SLACK)


class TestProgress:
    def test_a_recording_has_no_clock(self, root: Path) -> None:
        DirectoryProducer(root, lambda: AT).close()
        reader = Reader(Recording(root))
        reader.step()
        assert reader.progress == {}
        producer = DirectoryProducer(root, lambda: AT)
        producer.put("key", b"{}")
        producer.close()
        reader.read(1)
        reader.step()
        assert list(reader.progress.values()) == [AT.timestamp() - SLACK]

    def test_a_live_one_has(self, root: Path) -> None:
        DirectoryProducer(root, lambda: AT).close()
        source = DirectorySource(root, clock=lambda: NOW, sleep=lambda _: None)
        assert list(source.take(10, 0).progress.values()) == [NOW - SLACK] * 2
        # It is said once: a clock that stands still gives no news.
        assert source.take(10, 0).progress == {}

    def test_shards_are_read_side_by_side(self, root: Path) -> None:
        """Whichever is behind comes first, so that no shard's records wait in vain for the others'."""
        times = iter(AT + timedelta(minutes=n) for n in range(1_000))
        producer = DirectoryProducer(root, lambda: next(times), most=10)
        for number in range(400):
            producer.put(f"key{number}", b"{}")
        producer.end()
        reader = Reader(Recording(root))
        while reader.step(10):
            last = {record.shard: record.arrived_at for record in reader.records}
            assert max(last.values()) - min(last.values()) < timedelta(minutes=40)
        assert len(reader.records) == 400
        all_ended(reader)


class TestLines:
    def test_bytes_come_back(self) -> None:
        for data in (b'{"a":1}', b"{}", b'{"a":"}"}', b"", b"{", b'"x"', b'{"a":\r1}', "{}".encode("utf-16")):
            line = line_of(3, AT, 'a,"data":{\n', data)
            assert b"\n" not in line
            record = record_of(line, "s", 1, 3)
            assert (record.data, record.arrived_at, record.sequence) == (data, AT, "000000000001:000000003")

    def test_others_may_write_them_in_their_own_way(self) -> None:
        at = AT.astimezone(timezone(timedelta(hours=5.5))).isoformat()
        line = json.dumps({"data": {"a": [1, 2]}, "at": at, "key": "k", "n": 1}).encode()
        assert record_of(line, "s", 1, 1).arrived_at == AT
        assert json.loads(record_of(line, "s", 1, 1).data) == {"a": [1, 2]}

    @pytest.mark.parametrize(
        "line",
        [b"", b"{}", b"x", b'{"n":2,"at":"2026-03-01T12:00:00Z","data":{}}', b'{"n":1,"at":"2026-03-01","data":{}}'],
    )
    def test_what_is_none_is_one_clear_error(self, root: Path, line: bytes) -> None:
        producer = DirectoryProducer(root, shards=1)
        producer.put("key", b"{}")
        producer.close()
        (path,) = root.glob("shards/*/*.ndjson")
        path.write_bytes(line + b"\n")
        with pytest.raises(
            LandingError, match=r"000000000001\.ndjson is missing, or is not as it was written: restore"
        ):
            DirectorySource(root).take(10, 0)


class TestFiles:
    @pytest.mark.parametrize("is_ended", [True, False])
    @pytest.mark.parametrize("number", [1, 2, 3])
    def test_one_that_is_missing_is_told(self, root: Path, number: int, is_ended: bool) -> None:
        producer = DirectoryProducer(root, shards=1, most=1)
        for _ in range(4):
            producer.put("key", b"{}")
        if is_ended:
            producer.end()
        (shard,) = root.glob("shards/*")
        (shard / f"{number:012}.ndjson").unlink()
        source = DirectorySource(root)
        source.open({shard.name: Position("000000000002:000000001", False)} if number > 1 else {})
        with pytest.raises(LandingError, match=f"{number:012}.ndjson is missing"):
            source.take(10, 0)

    def test_a_position_beyond_the_file_is_told(self, root: Path) -> None:
        producer = DirectoryProducer(root, shards=1)
        producer.put("key", b"{}")
        producer.close()
        source = DirectorySource(root)
        source.open({next(iter(shards_of(root))): Position("000000000001:000000002", False)})
        with pytest.raises(LandingError, match="not as it was written"):
            source.take(10, 0)

    def test_what_tells_of_a_shard_must_be_readable(self, root: Path) -> None:
        DirectoryProducer(root, shards=1).close()
        (path,) = root.glob("shards/*/meta.json")
        path.write_text("{")
        with pytest.raises(LandingError, match=r"meta\.json is not as it was written"):
            DirectorySource(root).take(10, 0)

    def test_a_stream_that_is_not_there_yet_is_waited_for(self, root: Path) -> None:
        source = DirectorySource(root)
        assert source.take(10, 0.05).records == []
        put(DirectoryStream(root), range(3))
        assert len(source.take(10, 1).records) >= 1

    def test_it_may_be_moved(self, stream: DirectoryStream, tmp_path: Path) -> None:
        put(stream, range(30))
        reader = Reader(stream)
        reader.step(10)
        shutil.move(stream.root, tmp_path / "other")
        reader.stream = DirectoryStream(tmp_path / "other")
        reader.open()
        reader.read(30)
        assert len(set(reader.data)) == 30


def test_names_for_keys() -> None:
    assert source_name("fir-2026") == "fir-2026"
    long = [source_name(name) for name in ("Fir_2026", "fir_2026", "x" * 100, "x" * 101, "...", "fir.2026")]
    assert len(set(long)) == len(long)
    assert all(len(name) <= 40 and set(name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") for name in long)
