"""Keeps one confined worker for each gate that is asked, starts it anew when the gate is, and ends it at its limits."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

import pyarrow as pa

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.governance.gates import GATE, Gate
from crime_assets.governance.worker import GONE, LENGTH


@dataclass(frozen=True)
class Limits:
    """What one question may take."""

    cpu_seconds: float = 5.0
    seconds: float = 10.0
    most_rows: int = 100_000
    most_bytes: int = 64 << 20


@dataclass
class _Worker:
    state: str
    process: subprocess.Popen[bytes]
    questions: BinaryIO
    answers: BinaryIO
    lock: threading.Lock = field(default_factory=threading.Lock)


class Refused(UsageError):
    """A query that a worker did not answer, and what it would have read: an error's text may tell of it."""

    def __init__(self, sentence: str, reads: Mapping[str, Any]) -> None:
        super().__init__(sentence)
        self.reads = {name: reads[name] for name in ("tables", "columns_read") if name in reads}


class Gone(CrimeAssetsError):
    """A gate was removed after it was found, before a worker had it open: there may be a newer one."""


@dataclass(frozen=True)
class Answered:
    """An answer: the names of its columns, which may repeat, and its rows, whose columns are called 0, 1, …

    Besides, the tables and columns of the gate (`crimes.district`) that it was read from, and the ids of the crimes
    that its rows are; None if they are not one crime each, or have no id.
    """

    columns: list[str]
    rows: pa.Table
    tables: list[str]
    columns_read: list[str]
    ids: list[int] | None


class Pool:
    """Workers by gate. Safe for threads; questions to one gate are answered one after the other."""

    def __init__(self, limits: Limits | None = None, switches: tuple[str, ...] = ()) -> None:
        """`switches` take walls away from the workers, for tests that each wall holds alone."""
        self._limits = limits or Limits()
        self._switches = switches
        self._workers: dict[Path, _Worker] = {}
        self._lock = threading.Lock()

    def ask(self, gate: Gate, sql: str) -> Answered:
        """The answer to a person's query on a gate; UsageError if there is none, Gone if the gate is gone."""
        told: Mapping[str, Any] | None = None
        while told is None:
            worker = self._worker(gate)
            with worker.lock:
                if worker.process.poll() is None:
                    told, content = self._told(worker, sql)
                # Who asked it last when another one took its place, ends it.
                if told is not None and (told.get("last") or self._workers.get(gate.place) is not worker):
                    _end(worker)
        if "stopped" in told:
            raise self._stopped()
        if "refused" in told:
            raise Refused(told["refused"], told["reads"])
        rows, reads = pa.ipc.open_stream(content).read_all() if content else pa.table({}), told["reads"]
        return Answered(told["columns"], rows, reads["tables"], reads["columns_read"], _ids(rows, reads.get("id")))

    def close(self) -> None:
        """End all workers."""
        with self._lock:
            for worker in self._workers.values():
                _end(worker)
            self._workers.clear()

    def _worker(self, gate: Gate) -> _Worker:
        with self._lock:
            found = self._workers.get(gate.place)
            if found is not None and found.state == gate.state and found.process.poll() is None:
                return found
            # A gate that was removed is asked no more.
            gone = [place for place in self._workers if place == gate.place or not (place / GATE).exists()]
            ended = [self._workers.pop(place) for place in gone]
            self._workers[gate.place] = made = self._started(gate)
        for worker in ended:
            # If it is being asked, who asks ends it.
            if worker.lock.acquire(blocking=False):
                try:
                    _end(worker)
                finally:
                    worker.lock.release()
        return made

    def _started(self, gate: Gate) -> _Worker:
        # A fresh program: nothing of this process is in it, no open file, no variable, no key.
        process = subprocess.Popen(  # noqa: S603 - our own program, in a place of our own
            [sys.executable, "-I", "-m", "crime_assets.governance.worker", str(gate.place), *self._switches],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={},
            cwd="/",
            close_fds=True,
        )
        return _Worker(gate.state, process, cast("BinaryIO", process.stdin), cast("BinaryIO", process.stdout))

    def _told(self, worker: _Worker, sql: str) -> tuple[Mapping[str, Any], bytes]:
        limits = self._limits
        asked = {
            "sql": sql,
            "cpu_seconds": limits.cpu_seconds,
            "most_rows": limits.most_rows,
            "most_bytes": limits.most_bytes,
        }
        patience = threading.Timer(limits.seconds, worker.process.kill)
        patience.start()
        try:
            return _exchanged(worker, json.dumps(asked).encode())
        except (EOFError, OSError) as error:
            _end(worker)
            if worker.process.returncode == GONE:
                raise Gone("What you may see is being made anew: ask again.") from error
            raise self._stopped() from error
        finally:
            patience.cancel()

    def _stopped(self) -> UsageError:
        """Which limit it was depends on what else the machine has to do."""
        return UsageError(
            f"The query was stopped: it may take {self._limits.cpu_seconds:.0f} seconds of the processor, "
            f"{self._limits.seconds:.0f} seconds in all, and 1 GB of memory."
        )


def _ids(rows: pa.Table, place: int | None) -> list[int] | None:
    """The ids in a column; None if it has anything else."""
    if place is None or not pa.types.is_integer(rows.column(place).type) or rows.column(place).null_count:
        return None
    found: list[int] = rows.column(place).unique().to_pylist()
    return found if all(id >= 0 for id in found) else None


def _exchanged(worker: _Worker, asked: bytes) -> tuple[Mapping[str, Any], bytes]:
    """What the worker says to a question; EOFError or BrokenPipeError if it has ended."""
    worker.questions.write(asked + b"\n")
    worker.questions.flush()

    def read(size: int) -> bytes:
        content = worker.answers.read(size)
        if len(content) < size:
            raise EOFError
        return content

    (length,) = LENGTH.unpack(read(LENGTH.size))
    told = json.loads(read(length))
    return told, read(told.get("bytes", 0))


def _end(worker: _Worker) -> None:
    worker.process.kill()
    worker.process.wait()
    for end in (worker.questions, worker.answers):
        # What was not written yet is for nobody.
        with suppress(BrokenPipeError):
            end.close()
