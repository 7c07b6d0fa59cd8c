"""The audit trail: who asked what and what came back, a JSON object a line, each chained to the one before by its hash.

A line is on disk before the answer leaves; where it cannot be written, nothing is answered. Heads of the chain, kept
where those who may write the trail may not, show also that lines were cut off its end, or all were written anew.

The ids of the crimes that somebody saw lie in a file beside the lines, whose digest is in the line.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.lakehouse.place.lock import writer_lock

if TYPE_CHECKING:
    from pyroaring import BitMap64

EVENTS = frozenset(
    "login login_failed logout session_ended ask answer refuse page download gate_built policy_changed grant revoke "
    "token trail_read verify torn alerts acknowledge".split()
)
FIRST = "0" * 64
"""What the first line is chained to."""

ANCHORED_EVERY = 64
"""So often, in lines, the head of the chain is noted with the anchors."""

_ANCHORS = "heads.jsonl"
_SEEN = "seen"
_DAY = re.compile(r"[0-9][^/]*\.jsonl")
_BEGUN = b'{"n": '
"""With this an anchor begins, and with a brace it ends."""
_PATIENCE_SECONDS = 30.0
_LONGEST = 1 << 20
"""Most bytes of a line: who writes one has cut the text of a query before."""


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

    def append(self, event: str, seen: Iterable[int] | None = None, **fields: object) -> Entry:
        """Write a line and see it onto the disk. LakeError if that is not possible.

        `seen` are the ids of exactly the crimes that somebody saw; leave it out where that is not known.
        """
        if event not in EVENTS:
            raise ValueError(event)
        try:
            with self._locked():
                last = self._mended_tail()
                if seen is not None:
                    fields |= {"ids_exact": True, "seen": self._noted(last.n + 1 if last is not None else 1, seen)}
                written = self._written(last, event, fields)
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
            with self._locked():
                last = self._mended_tail()
                if last is not None:
                    self._note(last)
        except OSError as error:
            raise LakeError(f"The anchors {self._anchors} cannot be written ({error.strerror}): mend that.") from error

    def entries(self, since: date = date.min) -> Iterator[Entry]:
        """All lines since a day (UTC), in order. LakeError at one that is none."""
        for path in self._files():
            if path.stem < str(since):
                continue
            with _opened(path) as file:
                for place, line in enumerate(file, 1):
                    entry = _entry(line)
                    if entry is None:
                        raise LakeError(f"{path}:{place} is not a line of the audit trail: `audit verify` says more.")
                    yield entry

    def ids(self, entry: Entry) -> BitMap64 | None:
        """The ids of exactly the crimes that were seen; None if the line does not know. LakeError if they are lost."""
        from pyroaring import BitMap64

        if "seen" not in entry.fields:
            return None
        return BitMap64.deserialize(self._content_of_seen(entry))

    def verify(self) -> Verdict:
        """Hold all lines against each other, against the files of ids, and against the anchors.

        Of a trail that is being written, the lines that are there when it begins. What a crash has left of a line is
        taken out before, as a writer does.
        """
        try:
            with self._locked():
                # What else may be wrong with the last line is found below.
                with suppress(LakeError):
                    self._mended_tail()
                held = [(path, path.stat().st_size) for path in self._files()]
                anchors = self._anchors_now()
            return self._judged(held, anchors)
        except OSError as error:
            raise LakeError(
                f"The audit trail {self._directory} cannot be read ({error.strerror}): mend that, and verify it again."
            ) from error

    def _judged(self, held: Iterable[tuple[Path, int]], anchors: bytes | None) -> Verdict:
        """What is wrong with so many bytes of each file."""
        problems: list[str] = []
        hashes, at, day = [FIRST], "", ""
        for path, size in held:
            for place, line in _lines(path, size):
                entry, where = _entry(line), f"{path.name}:{place}"
                if entry is None:
                    problems.append(f"{where} is not a line of the trail")
                    continue
                day = max(day, entry.at[:10])
                faults = _faults(entry, line, len(hashes), hashes[-1])
                problems += (f"{where} {said}" for said in (*faults, *_faults_of_time(entry, at, day, path)))
                if "seen" in entry.fields:
                    try:
                        self._content_of_seen(entry)
                    except LakeError as error:
                        problems.append(str(error))
                hashes.append(entry.hash)
                at = entry.at
        return Verdict(len(hashes) - 1, self._anchored(anchors, hashes, problems), tuple(problems))

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Be the only one who writes."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        # Also the lock must not be a link to a file of somebody else.
        self._files()
        with writer_lock(self._directory / ".lock", _PATIENCE_SECONDS):
            yield

    def _noted(self, n: int, ids: Iterable[int]) -> str:
        """Put ids into the file of the n-th line, on disk when this returns; the file's digest."""
        from pyroaring import BitMap64

        content: bytes = BitMap64(ids).serialize()
        directory = self._directory / _SEEN
        if not directory.is_dir():
            directory.mkdir(mode=0o700)
            _sync(self._directory)
        # A line that could not be written may have left one.
        (directory / f"{n}.roaring").unlink(missing_ok=True)
        _append(directory / f"{n}.roaring", content)
        return sha256(content).hexdigest()

    def _content_of_seen(self, entry: Entry) -> bytes:
        path = self._directory / _SEEN / f"{entry.n}.roaring"
        try:
            with _opened(path) as file:
                content = file.read()
        except OSError as error:
            raise LakeError(f"{path}, the ids of line {entry.n:,}, cannot be read ({error.strerror}).") from error
        if sha256(content).hexdigest() != entry.fields["seen"]:
            raise LakeError(f"{path}, the ids of line {entry.n:,}, was changed.")
        return content

    def _note(self, head: Entry) -> None:
        if self._anchors is not None:
            path = self._anchors / _ANCHORS
            # After what a crash has left of a line, a new one begins.
            is_torn = path.is_file() and path.stat().st_size > 0 and not path.read_bytes().endswith(b"\n")
            noted = json.dumps({"n": head.n, "at": head.at, "hash": head.hash}).encode()
            _append(path, b"\n" * is_torn + noted + b"\n")

    def _anchors_now(self) -> bytes | None:
        """The anchors as they are; None if their directory is not there."""
        if self._anchors is None:
            return b""
        path = self._anchors / _ANCHORS
        if not self._anchors.is_dir():
            return None
        return path.read_bytes() if path.is_file() else b""

    def _anchored(self, anchors: bytes | None, hashes: list[str], problems: list[str]) -> int:
        """The last line that an anchor vouches for; adds what the anchors contradict."""
        if anchors is None:
            problems.append(f"the anchors {self._anchors} are not there")
            return 0
        newest = 0
        for place, line in enumerate(anchors.splitlines(), 1):
            noted = _anchor(line)
            if noted is None:
                if not _is_torn(line):
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
        """The files of the lines, in order. LakeError if there is a link: it leads to what is not the trail's."""
        try:
            with os.scandir(self._directory) as found:
                entries = list(found)
        except FileNotFoundError:
            return []
        if links := [entry.path for entry in entries if entry.is_symlink()]:
            raise LakeError(f"{links[0]} is a link, and the audit trail has none: put back what was there.")
        return sorted(Path(entry.path) for entry in entries if _DAY.fullmatch(entry.name) and entry.is_file())

    def _mended_tail(self) -> Entry | None:
        """The last line; None if there is none. What a crash has left of a line is taken out, and that is noted."""
        files = self._files()
        if not files:
            return None
        path = files[-1]
        with _opened(path) as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - 2 * _LONGEST))
            tail = file.read()
        whole, _, torn = tail.rpartition(b"\n")
        last = _entry(whole.rpartition(b"\n")[2]) if whole else self._last_of(files[:-1])
        if (whole and last is None) or (not whole and len(torn) < size):
            raise LakeError(f"The last line of {path} is not one of the audit trail: see `audit verify`.")
        if not whole:
            path.unlink()
        elif torn:
            os.truncate(path, size - len(torn))
        if torn:
            return self._written(last, "torn", {"bytes": len(torn), "sha256": sha256(torn).hexdigest()})
        return last

    def _last_of(self, files: list[Path]) -> Entry | None:
        for path in reversed(files):
            lines = path.read_bytes().splitlines()
            if lines:
                return _entry(lines[-1])
        return None

    def _written(self, last: Entry | None, event: str, fields: Mapping[str, object]) -> Entry:
        at = self._clock().isoformat(timespec="microseconds")
        told: dict[str, Any] = {"n": last.n + 1 if last is not None else 1, "at": at, "event": event, **fields}
        if last is not None and at < last.at:
            told["clock_back"] = True
        told["prev"] = last.hash if last is not None else FIRST
        told["hash"] = _hash(told)
        line = json.dumps(told, ensure_ascii=True).encode() + b"\n"
        if len(line) > _LONGEST:
            raise UsageError("The question is too long for a line of the audit trail: ask a shorter one.")
        # Never a file before the last one, whatever the clock says: the order of the files is that of the lines.
        newest = max([f"{at[:10]}.jsonl", *(path.name for path in self._files()[-1:])])
        _append(self._directory / newest, line)
        return _known(told)


def _opened(path: Path) -> BinaryIO:
    """A file to read, which is no link."""
    return os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb")


def _lines(path: Path, size: int) -> Iterator[tuple[int, bytes]]:
    """The lines in the first so many bytes of a file, and their numbers."""
    with _opened(path) as file:
        for place, line in enumerate(file, 1):
            size -= len(line)
            if size < 0:
                return
            yield place, line


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
                if is_new:
                    path.unlink()
            raise
    finally:
        os.close(descriptor)
    if is_new:
        _sync(path.parent)


def _sync(directory: Path) -> None:
    """See the names of a directory onto the disk."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _hash(told: Mapping[str, Any]) -> str:
    content = {name: value for name, value in told.items() if name != "hash"}
    return sha256(json.dumps(content, sort_keys=True, ensure_ascii=True).encode()).hexdigest()


def _entry(line: bytes) -> Entry | None:
    """A line as an entry; None if it is none."""
    try:
        found = _known(json.loads(line))
        date.fromisoformat(found.at[:10])
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return None
    return found if type(found.n) is int else None


def _known(told: Mapping[str, Any]) -> Entry:
    fields = {name: value for name, value in told.items() if name not in {"n", "at", "event", "prev", "hash"}}
    return Entry(told["n"], told["at"], told["event"], fields, told["prev"], told["hash"])


def _anchor(line: bytes) -> tuple[int, str, str] | None:
    """Number, time and hash of an anchor; None if it is none."""
    try:
        noted = json.loads(line)
        n, at, known = noted["n"], noted["at"], noted["hash"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return (n, at, known) if type(n) is int and n > 0 and isinstance(at, str) and isinstance(known, str) else None


def _is_torn(line: bytes) -> bool:
    """Whether it is what a crash has left of an anchor: it vouches for nothing, and nothing is wrong with it.

    Who could cut an anchor could take it away as well.
    """
    return line[: len(_BEGUN)] == _BEGUN[: len(line)] and not line.endswith(b"}")


def _faults(entry: Entry, line: bytes, n: int, prev: str) -> Iterator[str]:
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


def _faults_of_time(entry: Entry, before: str, day: str, path: Path) -> Iterator[str]:
    """What is wrong with a line's time and file, if the line before has the time `before` and no line a later day."""
    if path.name != f"{day}.jsonl":
        yield f"should be in {day}.jsonl"
    if (entry.at < before) is not entry.fields.get("clock_back", False):
        yield "says nothing of a clock that went back, or says it in vain"
