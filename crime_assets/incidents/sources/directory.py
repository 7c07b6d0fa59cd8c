"""A stream in a directory, which needs no server: files of lines that `producing` writes, shard by shard.

    shards/<id>/meta.json            {"parents": […], "hash_from": "0", "hash_to": "…"}
    shards/<id>/000000000001.ndjson  {"n": 1, "at": "<when it arrived>", "key": "…", "data": {…}}
    shards/<id>/closed               {"files": 7, "children": [{"id": …, "parents": …, …}, …]}

Files appear whole, are numbered without a gap from 1 on, and never change. `n` numbers the lines of a file. What is no
JSON document is `base64` instead of `data`. As with Kinesis, `hash_from` and `hash_to` are bounds of the MD5 of keys.
"""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson

from crime_assets.core.errors import LandingError
from crime_assets.incidents.contract import Record
from crime_assets.incidents.sources import Batch, Position, source_name
from crime_assets.incidents.sources.gathering import Gathering

META, CLOSED = "meta.json", "closed"
_DATA = b',"data":'
_HEAD = {"n", "at", "key"}
"""What comes before the data."""
_POLL = 0.02
"""Seconds between two looks at a directory in which nothing is new."""


@dataclass(frozen=True)
class Shard:
    """A shard: the shards that it follows, and the keys whose hash it takes, bounds included."""

    id: str
    parents: tuple[str, ...]
    hash_from: str
    hash_to: str


@dataclass(frozen=True)
class Closed:
    """The end of a shard: how many files it has, and what follows it."""

    files: int
    children: tuple[Shard, ...]


def shards_of(root: Path) -> dict[str, Shard]:
    """All shards, by id, the oldest first."""
    found = (shard_at(path) for path in sorted((root / "shards").glob(f"*/{META}")))
    return {shard.id: shard for shard in found}


def shard_at(path: Path) -> Shard:
    """The shard whose meta.json this is."""
    told = _document(path)
    return Shard(path.parent.name, tuple(told["parents"]), str(told["hash_from"]), str(told["hash_to"]))


def closed_of(directory: Path) -> Closed | None:
    """The end of the shard in a directory; None while it goes on."""
    if not (directory / CLOSED).exists():
        return None
    told = _document(directory / CLOSED)
    return Closed(told["files"], tuple(Shard(**{**one, "parents": tuple(one["parents"])}) for one in told["children"]))


def closing(closed: Closed) -> bytes:
    """What `closed_of` reads."""
    return json.dumps(asdict(closed)).encode()


def file_of(directory: Path, number: int) -> Path:
    """A shard's file."""
    return directory / f"{number:012}.ndjson"


def line_of(number: int, arrived_at: datetime, key: str, data: bytes) -> bytes:
    """A line, without its end. Data stays as it is, byte by byte, wherever it is a JSON document on one line."""
    head = json.dumps({"n": number, "at": arrived_at.isoformat(), "key": key}, separators=(",", ":"))
    if b"\n" not in data and b"\r" not in data and data[:1] == b"{" and _is_json(data):
        return head[:-1].encode() + _DATA + data + b"}"
    return head[:-1].encode() + b',"base64":"' + base64.b64encode(data) + b'"}'


def record_of(line: bytes, shard: str, file: int, number: int) -> Record:
    """The record of a file's line, both counted from 1. ValueError or KeyError if it is none."""
    head, found, data = line.rstrip(b"\r\n").partition(_DATA)
    try:
        # With json, this took longer than all else that is done with a line.
        told = orjson.loads(head + b"}") if found else {}
        data = data[:-1]
    except ValueError:
        told = {}
    if told.keys() != _HEAD:
        # Written by others, with blanks, or in another order; or what it has is no JSON.
        told = _whole(line)
        data = base64.b64decode(told["base64"]) if "base64" in told else json.dumps(told["data"]).encode()
    arrived_at = datetime.fromisoformat(told["at"])
    if told["n"] != number or arrived_at.tzinfo is None:
        raise ValueError(line)
    return Record(shard, f"{file:012}:{number:09}", arrived_at, data)


def _whole(line: bytes) -> dict[str, Any]:
    try:
        told: dict[str, Any] = json.loads(line)
    except RecursionError as error:
        raise ValueError(line) from error
    return told


class DirectorySource:
    """Reads shards by turns, the one first whose next records are the oldest."""

    def __init__(
        self,
        root: Path,
        name: str = "",
        *,
        is_live: bool = True,
        clock: Callable[[], float] = time.time,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """`name` is in keys. `is_live` says that records arrive now, so that an idle shard's progress goes on by the
        clock (seconds since 1970); of a recording that is replayed it does not.
        """
        self.name = name or source_name(root.name)
        self._root = root
        self._is_live = is_live
        self._clock = clock
        self._sleep = sleep
        self.open({})

    def open(self, positions: Mapping[str, Position]) -> None:
        """Begin after these positions."""
        self._gathering = Gathering(positions)
        self._shards: dict[str, Shard] = {}
        self._reading: dict[str, _Reading] = {}
        self._over: set[str] = set()
        self.committed(positions)

    def take(self, most: int, wait_seconds: float) -> Batch:
        """What is there, or comes within the wait. LandingError where a file is missing or is no longer as it was."""
        until = time.monotonic() + wait_seconds
        while True:
            self._read(most)
            left = until - time.monotonic()
            if self._gathering.has_news or left <= 0:
                return self._gathering.batch()
            self._sleep(min(_POLL, left))

    def committed(self, positions: Mapping[str, Position]) -> None:
        """Children of those of them that have ended may begin."""
        self._over |= {shard for shard, position in positions.items() if position.is_ended}

    def close(self) -> None:
        """Nothing is held."""
        self._reading.clear()

    def _read(self, most: int) -> None:
        self._begin()
        waiting = set(self._reading)
        while waiting and self._gathering.count < most:
            shard = min(waiting, key=lambda one: (self._gathering.progress(one), one))
            now = self._clock()
            records = self._reading[shard].take(most - self._gathering.count)
            self._gathering.read(shard, records)
            if not records:
                waiting.remove(shard)
                self._is_through(shard, now)

    def _begin(self) -> None:
        """Read those shards, too, whose parents were read to their end for good."""
        directory = self._root / "shards"
        for path in sorted(directory.iterdir()) if directory.exists() else ():
            if path.name not in self._shards and (path / META).exists():
                self._shards[path.name] = shard_at(path / META)
        for shard in self._shards.values():
            is_done = self._gathering.position(shard.id).is_ended or shard.id in self._reading
            if not is_done and self._over.issuperset(shard.parents):
                self._gathering.begins(shard.id)
                position = self._gathering.position(shard.id)
                self._reading[shard.id] = _Reading(directory / shard.id, position.sequence)

    def _is_through(self, shard: str, now: float) -> None:
        """All is read that was there at that time."""
        closed = self._reading[shard].closed()
        if closed:
            self._gathering.ended(shard, (child.id for child in closed.children))
            del self._reading[shard]
        elif self._is_live:
            self._gathering.reached(shard, now)


class _Reading:
    """Where we are in a shard: the file whose lines are being taken, and those of it that are left."""

    def __init__(self, directory: Path, sequence: str | None) -> None:
        self._directory = directory
        self._file, self._line = (int(part) for part in sequence.split(":")) if sequence else (0, 0)
        self._lines: Iterator[bytes] = iter(())
        if self._file:
            lines = self._content(self._file)
            if lines is None or len(lines) < self._line:
                raise self._damaged(self._file)
            self._lines = iter(lines[self._line :])
        # One that is there has all before it; asked in this order, it is not one that came in between.
        has_later = any(int(path.stem) > self._file for path in directory.glob("*.ndjson") if path.stem.isdigit())
        if has_later and not file_of(directory, self._file + 1).exists():
            raise self._damaged(self._file + 1)

    def take(self, most: int) -> list[Record]:
        """The next records, of one file."""
        records: list[Record] = []
        while not records:
            for line in self._lines:
                self._line += 1
                records.append(self._record(line))
                if len(records) == most:
                    break
            if not records and not self._next():
                break
        return records

    def closed(self) -> Closed | None:
        """The end, if all before it was read."""
        closed = closed_of(self._directory)
        if closed and self._file < closed.files:
            if file_of(self._directory, self._file + 1).exists():
                return None
            raise self._damaged(self._file + 1)
        return closed

    def _next(self) -> bool:
        lines = self._content(self._file + 1)
        if lines is None:
            return False
        self._file, self._line, self._lines = self._file + 1, 0, iter(lines)
        return True

    def _content(self, number: int) -> list[bytes] | None:
        try:
            return file_of(self._directory, number).read_bytes().splitlines()
        except FileNotFoundError:
            return None

    def _record(self, line: bytes) -> Record:
        try:
            return record_of(line, self._directory.name, self._file, self._line)
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(self._file) from error

    def _damaged(self, number: int) -> LandingError:
        return LandingError(
            f"The stream's file {file_of(self._directory, number)} is missing, or is not as it was written: restore it."
        )


def _document(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except ValueError as error:
        raise LandingError(f"The stream's file {path} is not as it was written: restore it.") from error


def _is_json(data: bytes) -> bool:
    try:
        json.loads(data.decode())
    except (ValueError, RecursionError):
        return False
    return True
