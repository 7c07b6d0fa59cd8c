"""One holder at a time of a file: a lock that the kernel releases when its holder dies."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from crime_assets.core.errors import StoreBusy


@contextmanager
def held(path: Path) -> Iterator[None]:
    """Hold the lock `path`. StoreBusy, with the holder's process id, if another has it: also one of this process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            holder = "".join(sign for sign in file.read(20) if sign.isdigit()) or "unknown"
            raise StoreBusy(
                f"Another process (pid {holder}) migrates into {path.parent}: wait until it has finished, or stop it, "
                "and run again."
            ) from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield
