"""Putting reports into a stream: into a directory's shards, or to Kinesis."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import random
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Protocol

from crime_assets.cloud.aws.errors import AwsThrottled, explained
from crime_assets.core.errors import UsageError
from crime_assets.incidents.sources.directory import (
    CLOSED,
    META,
    Closed,
    Shard,
    closed_of,
    closing,
    file_of,
    line_of,
    shards_of,
)

MOST_RECORDS = 500
"""Most records in a call to Kinesis; this and the next two are its limits, the older and stricter ones."""
MOST_BYTES = 5 << 20
"""Most bytes in a call, keys included."""
MOST_RECORD_BYTES = 1 << 20
"""Most bytes in one record, its key included."""
LONGEST_KEY = 256

_HASHES = 1 << 128
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 5.0
_GIVE_UP_SECONDS = 300.0
"""How long records are put again while none of them is taken."""


class Producer(Protocol):
    """Puts reports; called from one thread. All records of a key are in one shard, or in shards that follow it."""

    def put(self, key: str, data: bytes) -> None:
        """Put a record. It may wait to be put together with those that come after it."""

    def flush(self) -> None:
        """Return when all records are in the stream."""

    def close(self) -> None:
        """The same, and no more will come of this producer; the stream goes on."""


class DirectoryProducer:
    """Puts records into a directory that `DirectorySource` reads. Several may do so at once.

    A shard's new records become a file when there are `most` of them in all, or when the first has waited for
    `linger_seconds` as another one is put.
    """

    def __init__(
        self,
        root: Path,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        *,
        shards: int = 2,
        most: int = 5_000,
        linger_seconds: float = 0.2,
    ) -> None:
        """`clock` tells when a record arrives. `shards` is how many a new stream begins with."""
        self._root = root
        self._clock = clock
        self._most = most
        self._linger = linger_seconds
        self._open: list[tuple[datetime, str, bytes]] = []
        self._since = 0.0
        self._written: dict[str, int] = {}
        with self._alone():
            if not (root / "shards").exists():
                self._begin(shards)

    def put(self, key: str, data: bytes) -> None:
        """Put a record."""
        if not self._open:
            self._since = time.monotonic()
        self._open.append((self._clock(), key, data))
        if len(self._open) >= self._most or time.monotonic() - self._since >= self._linger:
            self.flush()

    def flush(self) -> None:
        """Write the files of what was put."""
        if self._open:
            with self._alone():
                self._write()

    def close(self) -> None:
        """Write what was put."""
        self.flush()

    def end(self) -> None:
        """End the stream: all its shards are closed, and none follows them."""
        with self._alone():
            self._write()
            for shard in self._shards():
                self._close(shard, [])

    def shards(self) -> list[str]:
        """The shards that take records, in the order of their keys' hashes."""
        with self._alone():
            return [shard.id for shard in self._shards()]

    def split(self, shard: str) -> tuple[str, str]:
        """Close a shard; two new ones take a half of its keys each."""
        with self._alone():
            self._write()
            (parent,) = self._named(shard)
            first, last = int(parent.hash_from), int(parent.hash_to)
            middle = (first + last) // 2
            one, other = self._new_ids(2)
            parents = (shard,)
            children = [
                Shard(one, parents, str(first), str(middle)),
                Shard(other, parents, str(middle + 1), str(last)),
            ]
            self._close(parent, children)
            self._make(children)
        return one, other

    def merge(self, shard: str, other: str) -> str:
        """Close two shards beside each other; a new one takes the keys of both."""
        with self._alone():
            self._write()
            low, high = sorted(self._named(shard, other), key=lambda one: int(one.hash_from))
            if int(low.hash_to) + 1 != int(high.hash_from):
                raise UsageError(f"The shards {shard} and {other} are not beside each other: merge two that are.")
            (id,) = self._new_ids(1)
            child = Shard(id, (shard, other), low.hash_from, high.hash_to)
            for one in (low, high):
                self._close(one, [child])
            self._make([child])
        return id

    def _write(self) -> None:
        """Each shard's records as a file."""
        shards = self._shards()
        lines: dict[str, list[bytes]] = {}
        for arrived_at, key, data in self._open:
            hashed = int.from_bytes(hashlib.md5(key.encode(), usedforsecurity=False).digest())
            shard = next(one for one in shards if int(one.hash_from) <= hashed <= int(one.hash_to))
            put = lines.setdefault(shard.id, [])
            put.append(line_of(len(put) + 1, arrived_at, key, data))
        for id, put in lines.items():
            _write(file_of(self._root / "shards" / id, self._files(id) + 1), b"\n".join(put) + b"\n")
        self._open = []

    def _shards(self) -> list[Shard]:
        """Those that are open. Who was to close some and was stopped has left half of it: it is done first."""
        known = shards_of(self._root)
        ends = {id: closed_of(self._root / "shards" / id) for id in known}
        for child in [child for closed in ends.values() if closed for child in closed.children]:
            for parent in child.parents:
                if not ends[parent]:
                    ends[parent] = self._close(known[parent], [child])
            if child.id not in known:
                self._make([child])
                known[child.id], ends[child.id] = child, None
        found = sorted((shard for id, shard in known.items() if not ends[id]), key=lambda one: int(one.hash_from))
        if not found:
            raise UsageError(f"The stream in {self._root} has ended: put reports into another directory.")
        return found

    def _named(self, *ids: str) -> list[Shard]:
        known = {shard.id: shard for shard in self._shards()}
        for id in ids:
            if id not in known:
                raise UsageError(f"There is no open shard {id}: name one of {', '.join(known)}.")
        return [known[id] for id in ids]

    def _new_ids(self, number: int) -> list[str]:
        taken = len(shards_of(self._root))
        return [f"shardId-{taken + one:012}" for one in range(number)]

    def _begin(self, number: int) -> None:
        """All first shards at once: half of them would leave keys without one."""
        bounds = [_HASHES * one // number for one in range(number + 1)]
        partial = self._root / ".shards.partial"
        for n, id in enumerate(self._new_ids(number)):
            _write(partial / id / META, _meta(Shard(id, (), str(bounds[n]), str(bounds[n + 1] - 1))))
        partial.rename(self._root / "shards")

    def _make(self, shards: list[Shard]) -> None:
        for shard in shards:
            _write(self._root / "shards" / shard.id / META, _meta(shard))

    def _close(self, shard: Shard, children: list[Shard]) -> Closed:
        closed = Closed(self._files(shard.id), tuple(children))
        _write(self._root / "shards" / shard.id / CLOSED, closing(closed))
        return closed

    def _files(self, shard: str) -> int:
        """How many files a shard has. Long streams have many, so only the new ones are looked for."""
        directory = self._root / "shards" / shard
        number = self._written.get(shard, 0)
        while file_of(directory, number + 1).exists():
            number += 1
        self._written[shard] = number
        return number

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Only one writes at a time; what others have opened and closed is looked at anew each time."""
        self._root.mkdir(parents=True, exist_ok=True)
        with (self._root / ".lock").open("wb") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            yield


class KinesisProducer:
    """Puts records to a Kinesis stream, those that it refuses again and again. It may take a record twice."""

    def __init__(
        self,
        client: Any,
        stream: str,
        *,
        linger_seconds: float = 0.2,
        sleep: Callable[[float], object] = time.sleep,
        clock: Callable[[], float] = time.monotonic,
        chance: Callable[[], float] = random.random,
    ) -> None:
        """`client` is boto3's kinesis client. `clock` returns monotonic seconds, `chance` a number from 0 to 1."""
        self._client = client
        self._stream = stream
        self._linger = linger_seconds
        self._sleep = sleep
        self._clock = clock
        self._chance = chance
        self._open: list[dict[str, Any]] = []
        self._open_bytes = 0
        self._since = 0.0

    def put(self, key: str, data: bytes) -> None:
        """Put a record. UsageError if it is larger than Kinesis takes, AwsError if Kinesis refuses it."""
        size = len(key.encode()) + len(data)
        if size > MOST_RECORD_BYTES or not 0 < len(key) <= LONGEST_KEY:
            raise UsageError(
                f"A record of {size:,} bytes with a key of {len(key)} characters cannot be put: Kinesis takes "
                f"{MOST_RECORD_BYTES:,} bytes and keys of 1 to {LONGEST_KEY} characters."
            )
        if len(self._open) >= MOST_RECORDS or self._open_bytes + size > MOST_BYTES:
            self.flush()
        if not self._open:
            self._since = self._clock()
        self._open.append({"PartitionKey": key, "Data": data})
        self._open_bytes += size
        if len(self._open) == MOST_RECORDS or self._clock() - self._since >= self._linger:
            self.flush()

    def flush(self) -> None:
        """Return when Kinesis has taken all. AwsThrottled if it took none for five minutes; a later call goes on."""
        progress, attempt = self._clock(), 0
        while self._open:
            left, reason = self._put_once()
            if len(left) < len(self._open):
                progress, attempt = self._clock(), 0
            elif self._clock() - progress >= _GIVE_UP_SECONDS:
                raise AwsThrottled(
                    f"Kinesis took no record for {_GIVE_UP_SECONDS / 60:.0f} minutes ({reason}): give the stream "
                    f"{self._stream} more shards, or run again later."
                )
            self._open = left
            if left:
                self._sleep(self._chance() * min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**attempt))
                attempt += 1
        self._open_bytes = 0

    def close(self) -> None:
        """Return when Kinesis has taken all."""
        self.flush()

    def _put_once(self) -> tuple[list[dict[str, Any]], str]:
        """The records that were not taken, and why."""
        try:
            with explained(f"put records to the stream {self._stream}", "CRIME_STREAM"):
                answer = self._client.put_records(StreamName=self._stream, Records=self._open)
        except AwsThrottled as error:
            return self._open, str(error.__cause__)
        codes = [told.get("ErrorCode") for told in answer["Records"]]
        left = [record for record, code in zip(self._open, codes, strict=True) if code]
        return left, next((str(code) for code in codes if code), "")


def _meta(shard: Shard) -> bytes:
    told = {"parents": shard.parents, "hash_from": shard.hash_from, "hash_to": shard.hash_to}
    return json.dumps(told).encode()


def _write(path: Path, content: bytes) -> None:
    """A file that appears whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.parent / f".{path.name}.partial"
    with partial.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    partial.rename(path)
