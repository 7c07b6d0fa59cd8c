"""A Kinesis stream, by plain API calls, since positions belong into our own transaction.

Each shard has a thread of its own, which hands over what it reads. A shard begins when all that was in its parents is
committed: so what is said of a report is read in the order in which it was said, also where shards are split and
merged. Records that a producer's library has put together into one are not taken apart.
"""

from __future__ import annotations

import random
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from crime_assets.cloud.aws.errors import AwsError, AwsThrottled, explain
from crime_assets.incidents.contract import Record
from crime_assets.incidents.sources import Batch, Position, source_name
from crime_assets.incidents.sources.gathering import Gathering

READ_SECONDS = 0.25
"""Between two reads of a shard. Kinesis allows five a second; one of them is left to Firehose, which may read, too."""
LIST_SECONDS = 10.0
"""Between two looks at which shards there are."""
MOST_A_READ = 10_000
"""Records in an answer; Kinesis takes no greater number."""
MOST_HELD, MOST_HELD_BYTES = 40_000, 64 << 20
"""Records, and bytes of them, that were read and not yet taken, beyond which shards are not read on."""

_RETENTION_SECONDS = 600.0
"""Between two looks at how long the stream keeps records."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 5.0
_GIVE_UP_SECONDS = 300.0
"""How long a call is tried again while it is not answered."""
_EXPIRED, _MISSING = "ExpiredIteratorException", "ResourceNotFoundException"


class _Stopped(Exception):
    """Reading has ended while something was waited for."""


@dataclass
class _Piece:
    """What a read of a shard gave. `reached` is an arrival time by which all is read, in seconds since 1970."""

    shard: str
    records: deque[Record] = field(default_factory=deque)
    reached: float | None = None
    is_ended: bool = False
    children: tuple[str, ...] = ()


class KinesisSource:
    """Reads all shards of a stream at once."""

    def __init__(
        self,
        client: Any,
        stream: str,
        name: str = "",
        *,
        clock: Callable[[], float] = time.time,
        chance: Callable[[], float] = random.random,
        list_seconds: float = LIST_SECONDS,
    ) -> None:
        """`client` is boto3's kinesis client, and `name` is in keys, by default the stream's. `clock` returns seconds
        since 1970, `chance` a number from 0 to 1.
        """
        self.name = name or source_name(stream)
        self._clock = clock
        self._calls = _Calls(client, stream, chance)
        self._list_seconds = list_seconds
        self._held = _Held()
        self._gathering = Gathering({})
        self._threads: dict[str, threading.Thread] = {}
        self._retention = (float("-inf"), 0.0)

    def open(self, positions: Mapping[str, Position]) -> None:
        """Begin after these positions. AwsError where the stream cannot be read."""
        self._gathering = Gathering(positions)
        self._over = {shard for shard, position in positions.items() if position.is_ended}
        shards = self._calls.look()
        self._listed_at = time.monotonic()
        for shard, position in positions.items():
            if not position.is_ended and shard not in shards:
                # All it had is older than what the stream keeps.
                self._held.put(_Piece(shard, is_ended=True))
        self._begin()

    def take(self, most: int, wait_seconds: float) -> Batch:
        """What is there, or comes within the wait. AwsError where a shard cannot be read."""
        if time.monotonic() - self._listed_at >= self._list_seconds:
            # A thread of its own: nobody waits for the list.
            self._listed_at = time.monotonic()
            self._start("list", self._calls.look)
        self._begin()
        self._held.wait(wait_seconds)
        while self._gathering.count < most and (piece := self._held.take(most - self._gathering.count)):
            self._gathering.read(piece.shard, piece.records)
            if piece.is_ended:
                followers = (shard for shard, parents in self._calls.shards.items() if piece.shard in parents)
                self._gathering.ended(piece.shard, sorted({*piece.children, *followers}))
            elif piece.reached is not None:
                self._gathering.reached(piece.shard, piece.reached)
        return self._gathering.batch()

    def committed(self, positions: Mapping[str, Position]) -> None:
        """Children of those of them that have ended may begin."""
        self._over |= {shard for shard, position in positions.items() if position.is_ended}
        self._begin()

    def close(self) -> None:
        """End reading. An answer that is underway is waited for, but not long."""
        self._calls.stopped.set()
        self._held.stop()
        for thread in self._threads.values():
            thread.join(5)

    def lost_since(self, progress: Mapping[str, float]) -> float | None:
        """The oldest of these times, if the stream does not keep records so long. AwsError where it does not say."""
        looked_at, kept = self._retention
        if time.monotonic() - looked_at >= _RETENTION_SECONDS:
            told = self._calls.patiently(
                "ask for the retention of the stream",
                lambda: self._calls.client.describe_stream_summary(StreamName=self._calls.stream),
            )
            kept = told["StreamDescriptionSummary"]["RetentionPeriodHours"] * 3600.0
            self._retention = (time.monotonic(), kept)
        oldest = min(progress.values(), default=float("inf"))
        return oldest if oldest < self._clock() - kept else None

    def _begin(self) -> None:
        """Read those shards, too, whose parents were read to their end for good, or are no longer kept."""
        for shard, parents in self._calls.shards.items():
            is_done = shard in self._threads or self._gathering.position(shard).is_ended
            if not is_done and not any(map(self._is_open, parents)):
                self._gathering.begins(shard)
                position = self._gathering.position(shard)
                reading = _Reading(shard, position.sequence, self._calls, self._held, self._clock)
                self._start(shard, reading.run)

    def _is_open(self, parent: str) -> bool:
        # What was read of a shard may still be held when the stream no longer keeps it.
        is_there = parent in self._calls.shards or self._gathering.knows(parent)
        return is_there and parent not in self._over

    def _start(self, name: str, run: Callable[[], object]) -> None:
        def guarded() -> None:
            try:
                run()
            except _Stopped:
                pass
            except Exception as failure:
                self._held.fail(failure)

        thread = threading.Thread(target=guarded, name=f"kinesis {name}", daemon=True)
        self._threads[name] = thread
        thread.start()


class _Reading:
    """A shard that is read from a position to its end."""

    def __init__(
        self, shard: str, sequence: str | None, calls: _Calls, held: _Held, clock: Callable[[], float]
    ) -> None:
        self._shard = shard
        self._sequence = sequence
        self._calls = calls
        self._held = held
        self._clock = clock
        self._iterator: str | None = None

    def run(self) -> None:
        """Hand over what is read until the shard ends."""
        due, is_ended = 0.0, False
        while not is_ended:
            self._held.wait_for_room()
            self._calls.sleep(due - time.monotonic())
            due = time.monotonic() + READ_SECONDS
            piece = self._read()
            self._held.put(piece)
            is_ended = piece.is_ended

    def _read(self) -> _Piece:
        now = self._clock()
        try:
            answer = self._calls.patiently(f"read the shard {self._shard} of the stream", self._try)
        except AwsError as error:
            if _code(error.__cause__) != _MISSING or self._shard in self._calls.look():
                raise
            # What was left of it is older than what the stream keeps.
            return _Piece(self._shard, is_ended=True)
        records = deque(
            Record(self._shard, told["SequenceNumber"], told["ApproximateArrivalTimestamp"], told["Data"])
            for told in answer["Records"]
        )
        if records:
            self._sequence = records[-1].sequence
        self._iterator = answer.get("NextShardIterator")
        if self._iterator is None:
            self._calls.look()
            children = tuple(child["ShardId"] for child in answer.get("ChildShards", ()))
            return _Piece(self._shard, records, is_ended=True, children=children)
        return _Piece(self._shard, records, now if answer.get("MillisBehindLatest") == 0 else None)

    def _try(self) -> Mapping[str, Any]:
        client = self._calls.client
        try:
            if self._iterator is None:
                since = {"StartingSequenceNumber": self._sequence} if self._sequence else {}
                self._iterator = client.get_shard_iterator(
                    StreamName=self._calls.stream,
                    ShardId=self._shard,
                    ShardIteratorType="AFTER_SEQUENCE_NUMBER" if since else "TRIM_HORIZON",
                    **since,
                )["ShardIterator"]
            answer: Mapping[str, Any] = client.get_records(ShardIterator=self._iterator, Limit=MOST_A_READ)
        except Exception as error:
            if not isinstance(explain(error, "", ""), AwsThrottled):
                # Whatever is wrong with it: another one goes on behind the last record that was read.
                self._iterator = None
            raise
        return answer


class _Calls:
    """Calls that are tried again, until reading is stopped, while Kinesis is busy or does not answer."""

    def __init__(self, client: Any, stream: str, chance: Callable[[], float]) -> None:
        self.client = client
        self.stream = stream
        self.stopped = threading.Event()
        self.shards: Mapping[str, tuple[str, ...]] = {}
        self._chance = chance

    def sleep(self, seconds: float) -> None:
        """Wait. _Stopped if reading is stopped by then."""
        if self.stopped.wait(max(0.0, seconds)):
            raise _Stopped

    def look(self) -> Mapping[str, tuple[str, ...]]:
        """Which shards there are now, each with its parents."""
        found: dict[str, tuple[str, ...]] = {}
        page: dict[str, str] = {"StreamName": self.stream}
        while page:
            answer = self.patiently("list the shards of the stream", partial(self.client.list_shards, **page))
            for told in answer["Shards"]:
                parents = (told.get("ParentShardId"), told.get("AdjacentParentShardId"))
                found[told["ShardId"]] = tuple(parent for parent in parents if parent)
            page = {"NextToken": answer["NextToken"]} if answer.get("NextToken") else {}
        self.shards = found
        return found

    def patiently(self, action: str, step: Callable[[], Any]) -> Any:
        """What the step gives. AwsThrottled if it fails for five minutes, AwsError if it would always fail."""
        begun, attempt = time.monotonic(), 0
        while True:
            try:
                return step()
            except Exception as error:
                told = explain(error, f"{action} {self.stream}", "CRIME_STREAM")
                if told is None:
                    raise
                if not isinstance(told, AwsThrottled) and not _passes(error):
                    raise told from error
                if time.monotonic() - begun >= _GIVE_UP_SECONDS:
                    raise AwsThrottled(
                        f"It was not possible to {action} {self.stream} for {_GIVE_UP_SECONDS / 60:.0f} minutes "
                        f"({_code(error)}): see that nothing else reads it so often, then run again; nothing was lost."
                    ) from error
            self.sleep((0.5 + 0.5 * self._chance()) * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
            attempt += 1


class _Held:
    """What was read and not yet taken, by shard; what arrived first is taken first."""

    def __init__(self) -> None:
        self._pieces: dict[str, deque[_Piece]] = {}
        self._count = self._bytes = 0
        self._changed = threading.Condition()
        self._failure: Exception | None = None
        self._is_stopped = False

    def put(self, piece: _Piece) -> None:
        """Hand over what was read."""
        with self._changed:
            pieces = self._pieces.setdefault(piece.shard, deque())
            if pieces and not piece.records and not piece.is_ended:
                pieces[-1].reached = piece.reached or pieces[-1].reached
                return
            pieces.append(piece)
            self._hold(piece, 1)
            self._changed.notify_all()

    def take(self, most: int) -> _Piece | None:
        """At most so many records of a shard; None if there is nothing."""
        with self._changed:
            if self._failure is not None:
                raise self._failure
            if not self._pieces:
                return None
            shard = min(self._pieces, key=lambda one: _first_arrival(self._pieces[one][0]))
            pieces = self._pieces[shard]
            piece = pieces[0]
            if len(piece.records) > most:
                piece = _Piece(shard, deque(piece.records.popleft() for _ in range(most)))
            else:
                pieces.popleft()
            if not pieces:
                del self._pieces[shard]
            self._hold(piece, -1)
            self._changed.notify_all()
            return piece

    def wait(self, seconds: float) -> None:
        """Until there is more than progress."""
        with self._changed:
            self._changed.wait_for(lambda: self._failure or any(map(_is_news, self._pieces.values())), seconds)

    def wait_for_room(self) -> None:
        """Until more may be read. _Stopped if reading is stopped by then."""
        with self._changed:
            self._changed.wait_for(
                lambda: self._is_stopped or (self._count < MOST_HELD and self._bytes < MOST_HELD_BYTES)
            )
            if self._is_stopped:
                raise _Stopped

    def fail(self, failure: Exception) -> None:
        """A shard cannot be read: whoever takes is told."""
        with self._changed:
            self._failure = self._failure or failure
            self._changed.notify_all()

    def stop(self) -> None:
        """Nobody takes any more."""
        with self._changed:
            self._is_stopped = True
            self._changed.notify_all()

    def _hold(self, piece: _Piece, sign: int) -> None:
        self._count += sign * len(piece.records)
        self._bytes += sign * sum(len(record.data) for record in piece.records)


def _first_arrival(piece: _Piece) -> float:
    return piece.records[0].arrived_at.timestamp() if piece.records else float("-inf")


def _is_news(pieces: deque[_Piece]) -> bool:
    return any(piece.records or piece.is_ended for piece in pieces)


def _code(error: BaseException | None) -> str:
    """What AWS calls it, or boto3."""
    return str(_response(error).get("Error", {}).get("Code") or type(error).__name__)


def _response(error: BaseException | None) -> Mapping[str, Any]:
    return getattr(error, "response", None) or {}


def _passes(error: Exception) -> bool:
    """Whether the next try may be answered: the service, or the way to it, is disturbed, or an iterator is too old."""
    from botocore.exceptions import ConnectionError as NotConnected
    from botocore.exceptions import HTTPClientError

    status = _response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
    return status >= 500 or isinstance(error, NotConnected | HTTPClientError) or _code(error) == _EXPIRED
