"""Reading ahead gives what reading gives: in its order, with its errors, and children after their parents' end."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from crime_assets.core.errors import LandingError
from crime_assets.incidents import ahead as ahead_module
from crime_assets.incidents.ahead import Ahead, Taken
from crime_assets.incidents.contract import Record
from crime_assets.incidents.reading import Reader
from crime_assets.incidents.sources import Batch, Position
from crime_assets.incidents.sources.directory import DirectorySource
from crime_assets.incidents.sources.producing import DirectoryProducer
from crime_assets.incidents.times import Calendar
from crime_assets_tests.incidents.messages import REGISTERED, message, record


class Scripted:
    """A source of one shard that gives so many records at each look, then fails or has nothing more."""

    name = "scripted"

    def __init__(self, looks: list[int], failure: Exception | None = None) -> None:
        self._looks, self._failure = iter(looks), failure
        self.next = 1
        self.asked: list[int] = []
        self.committed_positions: list[Mapping[str, Position]] = []
        self.threads: set[int] = set()

    def open(self, positions: Mapping[str, Position]) -> None:
        """Always from the first on."""

    def take(self, most: int, wait_seconds: float) -> Batch:
        self.threads.add(threading.get_ident())
        self.asked.append(most)
        number = next(self._looks, None)
        if number is None:
            if self._failure:
                raise self._failure
            time.sleep(min(wait_seconds, 0.001))
            return Batch([], {}, {})
        records = [self._record() for _ in range(min(number, most))]
        last = {"s1": Position(records[-1].sequence, False)} if records else {}
        return Batch(records, last, {"s1": float(self.next)})

    def committed(self, positions: Mapping[str, Position]) -> None:
        self.threads.add(threading.get_ident())
        self.committed_positions.append(positions)

    def close(self) -> None:
        """Nothing is held."""

    def _record(self) -> Record:
        number, self.next = self.next, self.next + 1
        told: dict[str, Any] | bytes = message(number) if number % 3 else b"?"
        return record(told, sequence=str(number))


@contextmanager
def reading(source: Scripted, most: int = 1_000, stage: Callable[[str], None] = lambda _: None) -> Iterator[Ahead]:
    with Ahead(source, Reader(Calendar("Asia/Kolkata")), most, stage) as ahead:
        yield ahead


def until(condition: Callable[[], bool]) -> None:
    ends = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.001)


def all_of(ahead: Ahead, number: int) -> list[Taken]:
    found: list[Taken] = []
    while sum(len(one.batch.records) for one in found) < number:
        found.append(ahead.take())
    return found


def test_what_was_read_ahead_is_taken_at_once_and_in_order() -> None:
    source = Scripted([3, 0, 4, 5])
    with reading(source) as ahead:
        until(lambda: len(source.asked) >= 5)
        taken = ahead.take()

    assert [one.sequence for one in taken.batch.records] == [str(number) for number in range(1, 13)]
    assert taken.arrived["sequence"].to_pylist() == [str(number) for number in range(1, 13) if number % 3]
    assert [one.sequence for one in taken.bad] == ["3", "6", "9", "12"]
    assert taken.batch.positions == {"s1": Position("12", False)}
    assert taken.batch.progress == {"s1": 13.0}


def test_no_more_is_held_than_a_tick_takes() -> None:
    source = Scripted([10] * 5)
    with reading(source, most=25) as ahead:
        until(lambda: source.next == 26)
        time.sleep(0.05)
        assert source.next == 26
        assert len(ahead.take().batch.records) == 25
        until(lambda: source.next > 26)

    assert max(source.asked) == 25


def test_few_long_records_are_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead_module, "_MOST_BYTES", 1_500)
    source = Scripted([2] * 50)
    with reading(source) as ahead:
        time.sleep(0.2)
        assert source.next <= 7
        assert sum(len(one.batch.records) for one in all_of(ahead, 100)) == 100


def test_who_finds_nothing_waits_for_one_look() -> None:
    source = Scripted([])
    with reading(source) as ahead:
        for _ in range(3):
            assert ahead.take().batch == Batch([], {}, {})


def test_an_error_comes_after_what_was_read_before_it() -> None:
    source = Scripted([3, 3], failure=LandingError("it is broken"))
    with reading(source) as ahead:
        assert sum(len(one.batch.records) for one in all_of(ahead, 6)) == 6
        for _ in range(2):
            with pytest.raises(LandingError, match="it is broken"):
                ahead.take()


@pytest.mark.parametrize("stage", ["read", "typed"])
def test_whatever_is_raised_while_reading_reaches_the_caller(stage: str) -> None:
    def fail(reached: str) -> None:
        if reached == stage:
            raise KeyboardInterrupt

    with reading(Scripted([3]), stage=fail) as ahead, pytest.raises(KeyboardInterrupt):
        ahead.take()


def test_positions_are_told_before_the_next_look_in_the_thread_that_reads() -> None:
    source = Scripted([])
    ended = {"s1": Position("9", True)}
    with reading(source) as ahead:
        ahead.committed(ended)
        until(lambda: ended in source.committed_positions)

    assert len(source.threads) == 1
    assert source.threads != {threading.get_ident()}


def test_children_wait_for_the_commit_of_their_parents_end(tmp_path: Path) -> None:
    at = [REGISTERED]
    producer = DirectoryProducer(tmp_path, lambda: at[0], shards=1)
    producer.put("key", json.dumps(message(1)).encode())
    (parent,) = producer.shards()
    children = producer.split(parent)
    producer.put("key", json.dumps(message(2)).encode())
    producer.end()
    positions: dict[str, Position] = {}

    with Ahead(DirectorySource(tmp_path, is_live=False), Reader(Calendar("UTC")), 10, lambda _: None) as ahead:
        while not positions.get(parent, Position(None, False)).is_ended:
            positions |= ahead.take().batch.positions
        for _ in range(3):
            assert ahead.take().batch.records == []
        ahead.committed(positions)
        (found,) = [one for taken in all_of(ahead, 1) for one in taken.batch.records]

    assert positions == {parent: Position("000000000001:000000001", True)} | dict.fromkeys(
        children, Position(None, False)
    )
    assert found.shard in children


def test_reading_ends_with_its_context_though_nobody_takes() -> None:
    source = Scripted([5] * 100)
    with reading(source, most=7):
        until(lambda: source.next == 8)

    looks = len(source.asked)
    time.sleep(0.05)
    assert len(source.asked) == looks
    assert not [thread for thread in threading.enumerate() if thread.name == "reading ahead"]


def test_few_records_are_left_to_gather_until_somebody_asks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each look has a price, and while a tick is taken nobody waits for a single record."""
    monkeypatch.setattr(ahead_module, "_PAUSE", 60)
    source = Scripted([1] * 1_000)
    with reading(source) as ahead:
        time.sleep(0.3)
        assert len(source.asked) <= 1
        before = time.monotonic()
        all_of(ahead, 6)
        assert time.monotonic() - before < 60
