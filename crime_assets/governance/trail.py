"""The audit trail: who asked what and what came back, a JSON object a line, each chained to the one before by its hash.

A line is on disk before the answer leaves; where it cannot be written, nothing is answered. Heads of the chain, kept
where those who may write the trail may not, show also that lines were cut off its end, or all were written anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.lakehouse.place.lock import writer_lock

EVENTS = frozenset(
    "ask answer refuse page download login login_failed logout session_ended grant revoke token gate_built "
    "policy_changed trail_read verify torn".split()
)
FIRST = "0" * 64
"""What the first line is chained to."""

ANCHORED_EVERY = 64
"""So often, in lines, the head of the chain is noted with the anchors."""

_ANCHORS = "heads.jsonl"
_PATIENCE_SECONDS = 30.0
_LONGEST = 1 << 20
"""Most bytes of a line: the text of a query is cut before."""


@dataclass(frozen=True)
class Entry:
    """One line: its number, when it was written (UTC), what happened, and its hash."""

    n: int
    at: str
    event: str
    fields: Mapping[str, Any]
    prev: str
    hash: str


@dataclass(frozen=True)
class Verdict:
    """What became of the trail: `problems` is empty if nothing is wrong; `anchored` is the last line that an anchor
    vouches for, 0 if there is none.
    """

    lines: int
    anchored: int
    problems: tuple[str, ...]


class Trail:
    """The trail in a directory, and its anchors in another one. Safe for threads and processes."""

    def __init__(
        self, directory: Path, anchors: Path | None = None, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        self._directory = directory
        self._anchors = anchors
        self._clock = clock

    def append(self, event: str, **fields: object) -> Entry:
        """Write a line and see it onto the disk. LakeError if that is not possible."""
        if event not in EVENTS:
            raise ValueError(event)
        try:
            self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            with writer_lock(self._directory / ".lock", _PATIENCE_SECONDS):
                written = self._written(self._mended_tail(), event, fields)
                if written.n % ANCHORED_EVERY == 0:
                    self._note(written)
                return written
        except OSError as error:
            raise LakeError(
                f"The audit trail {self._directory} cannot be written ({error.strerror}), so nothing is answered: "
                "mend that."
            ) from error

    def anchor(self) -> None:
        """Note the head of the chain where the anchors are. LakeError if that is not possible."""
        try:
            with writer_lock(self._directory / ".lock", _PATIENCE_SECONDS):
                last = self._mended_tail()
                if last is not None:
                    self._note(last)
        except OSError as error:
            raise LakeError(f"The anchors {self._anchors} cannot be written ({error.strerror}): mend that.") from error

    def entries(self) -> Iterator[Entry]:
        """All lines, in order. LakeError at one that is none."""
        for path in self._files():
            with path.open("rb") as file:
                for place, line in enumerate(file, 1):
                    entry = _entry(line)
                    if entry is None:
                        raise LakeError(f"{path}:{place} is not a line of the audit trail: `audit verify` says more.")
                    yield entry

    def verify(self) -> Verdict:
        """Hold all lines against each other, and against the anchors."""
        problems: list[str] = []
        hashes = [FIRST]
        for path in self._files():
            with path.open("rb") as file:
                for place, line in enumerate(file, 1):
                    entry, where = _entry(line), f"{path.name}:{place}"
                    if entry is None:
                        problems.append(f"{where} is not a line of the trail")
                        continue
                    problems += (f"{where} {said}" for said in _faults(entry, line, len(hashes), hashes[-1], path))
                    hashes.append(entry.hash)
        anchored = self._anchored(hashes, problems)
        return Verdict(len(hashes) - 1, anchored, tuple(problems))

    def _note(self, head: Entry) -> None:
        if self._anchors is not None:
            path = self._anchors / _ANCHORS
            # After what a crash has left of a line, a new one begins.
            is_torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
            noted = json.dumps({"n": head.n, "at": head.at, "hash": head.hash}).encode()
            _append(path, b"\n" * is_torn + noted + b"\n")

    def _anchored(self, hashes: list[str], problems: list[str]) -> int:
        """The last line that an anchor vouches for; adds what the anchors contradict."""
        if self._anchors is None:
            return 0
        if not self._anchors.is_dir():
            problems.append(f"the anchors {self._anchors} are not there")
            return 0
        path, newest = self._anchors / _ANCHORS, 0
        for place, line in enumerate(path.read_bytes().splitlines() if path.is_file() else (), 1):
            noted = _anchor(line)
            if noted is None:
                problems.append(f"{_ANCHORS}:{place} is no anchor")
                continue
            n, at, known = noted
            newest = max(newest, n)
            if n >= len(hashes):
                problems.append(f"line {n:,}, noted on {at}, is missing")
            elif hashes[n] != known:
                problems.append(f"line {n:,} is not the one noted on {at}")
        return newest

    def _files(self) -> list[Path]:
        return sorted(path for path in self._directory.glob("[0-9]*.jsonl") if path.is_file())

    def _mended_tail(self) -> Entry | None:
        """The last line; None if there is none. What a crash has left of a line is taken out, and that is noted."""
        files = self._files()
        if not files:
            return None
        path = files[-1]
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * _LONGEST))
            tail = file.read()
        whole, _, torn = tail.rpartition(b"\n")
        last = _entry(whole.rpartition(b"\n")[2]) if whole else self._last_of(files[:-1])
        if whole and last is None:
            raise LakeError(f"The last line of {path} is not one of the audit trail: see `audit verify`.")
        if torn:
            os.truncate(path, size - len(torn))
            return self._written(last, "torn", {"bytes": len(torn), "sha256": sha256(torn).hexdigest()})
        return last

    def _last_of(self, files: list[Path]) -> Entry | None:
        for path in reversed(files):
            lines = path.read_bytes().splitlines()
            if lines:
                return _entry(lines[-1])
        return None

    def _written(self, last: Entry | None, event: str, fields: Mapping[str, object]) -> Entry:
        # Never before the line ahead, whatever the clock says: the days are the order of the files.
        at = max(self._clock().isoformat(timespec="microseconds"), last.at if last is not None else "")
        told: dict[str, Any] = {"n": last.n + 1 if last is not None else 1, "at": at, "event": event, **fields}
        told["prev"] = last.hash if last is not None else FIRST
        told["hash"] = _hash(told)
        line = json.dumps(told, ensure_ascii=True).encode() + b"\n"
        if len(line) > _LONGEST:
            raise UsageError("The question is too long for a line of the audit trail: ask a shorter one.")
        _append(self._directory / f"{at[:10]}.jsonl", line)
        return Entry(told["n"], at, event, fields, told["prev"], told["hash"])


def _append(path: Path, line: bytes) -> None:
    """Add a line, on disk when this returns; nothing of it is left if that fails."""
    is_new = not path.exists()
    descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    try:
        before = os.fstat(descriptor).st_size
        try:
            written = os.write(descriptor, line)
            if written < len(line):
                raise OSError(28, os.strerror(28), str(path))
            os.fsync(descriptor)
        except OSError:
            with suppress(OSError):
                os.ftruncate(descriptor, before)
            raise
    finally:
        os.close(descriptor)
    if is_new:
        directory = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)


def _hash(told: Mapping[str, Any]) -> str:
    content = {name: value for name, value in told.items() if name != "hash"}
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _entry(line: bytes) -> Entry | None:
    """A line as an entry; None if it is none."""
    try:
        told = json.loads(line)
        fields = {name: value for name, value in told.items() if name not in {"n", "at", "event", "prev", "hash"}}
        found = Entry(told["n"], told["at"], told["event"], fields, told["prev"], told["hash"])
        date.fromisoformat(found.at[:10])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found if type(found.n) is int else None


def _anchor(line: bytes) -> tuple[int, str, str] | None:
    """Number, time and hash of an anchor; None if it is none."""
    try:
        noted = json.loads(line)
        n, at, known = noted["n"], noted["at"], noted["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (n, at, known) if type(n) is int and n > 0 and isinstance(at, str) and isinstance(known, str) else None


def _faults(entry: Entry, line: bytes, n: int, prev: str, path: Path) -> Iterator[str]:
    """What is wrong with a line that should be the n-th, after one with the hash `prev`."""
    told = json.loads(line)
    if _hash(told) != entry.hash:
        yield "was changed: its hash is another"
    if line != json.dumps(told, ensure_ascii=True).encode() + b"\n":
        yield "was written by somebody else"
    if entry.n != n:
        yield f"has the number {entry.n}, not {n}"
    if entry.prev != prev:
        yield "does not follow the line before"
    if f"{entry.at[:10]}.jsonl" != path.name:
        yield f"is of {entry.at[:10]}"
