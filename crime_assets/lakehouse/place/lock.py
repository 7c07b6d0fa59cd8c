"""One writer at a time: a lock on the lake that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from crime_assets.core.errors import LakeBusy


@dataclass
class _Held:
    file: IO[str]
    depth: int


_held: dict[Path, _Held] = {}
_mutex = threading.Lock()
_mutexes: dict[Path, threading.RLock] = {}
"""Lock by path: threads that wait for one do not hold up those that need another."""


@contextmanager
def writer_lock(path: Path, wait_seconds: float) -> Iterator[None]:
    """Hold the lock, waiting at most `wait_seconds` for another process; LakeBusy after that.

    A process that already holds it may take it again.
    """
    path = path.resolve()
    with _mutex:
        mutex = _mutexes.setdefault(path, threading.RLock())
    with mutex:
        held = _held.get(path)
        if held is None:
            _held[path] = held = _Held(_acquire(path, wait_seconds), 0)
        held.depth += 1
        try:
            yield
        finally:
            held.depth -= 1
            if held.depth == 0:
                del _held[path]
                held.file.close()


def _acquire(path: Path, wait_seconds: float) -> IO[str]:
    path.parent.mkdir(parents=True, exist_ok=True)
    deadline = time.monotonic() + wait_seconds
    while True:
        file = path.open("a+")
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = file.read().strip() or "unknown"
            file.close()
            if time.monotonic() >= deadline:
                raise LakeBusy(
                    f"Another process (pid {holder}) is writing to the lake {path.parent}: "
                    "wait until it has finished, or stop it, and run again."
                ) from None
            time.sleep(0.1)
            continue
        if _is_ours(file, path):
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            return file
        file.close()


def _is_ours(file: IO[str], path: Path) -> bool:
    """Whether the locked file is the one at the path, and not another lake's; if not, there is a new file now."""
    held = os.fstat(file.fileno())
    if held.st_nlink == 1:
        return os.path.samestat(held, path.stat())
    # A copy made with hard links: others that wait for this file also look at the path again.
    if held.st_nlink > 1 and os.path.samestat(held, path.stat()):
        path.unlink()
    return False
