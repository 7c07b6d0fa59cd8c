"""Standard output and standard error in whatever state they are: closed, full, broken, or unable to hold a character.

The exit code says what a command did. If its output cannot be written, only the output is lost. Only a command whose
job is to print an answer fails in that case: it writes to `answering`.
"""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from crime_assets.core.errors import CrimeAssetsError

_STANDARD = (0, 1, 2)


class ReaderGone(Exception):
    """The reader of the answer has closed the pipe; it has read enough."""


def hold_descriptors() -> None:
    """Open closed standard streams on /dev/null: else a file of the lake gets their number, and output goes into it."""
    for number in _STANDARD:
        try:
            os.fstat(number)
        except OSError:
            nothing = os.open(os.devnull, os.O_RDWR)
            os.dup2(nothing, number)
            if nothing != number:
                os.close(nothing)
            os.set_inheritable(number, True)


class Output:
    """A text stream whose failures are ignored. Characters that it cannot hold are replaced and counted."""

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` is None if there was none to begin with."""
        self.stream = stream
        self.replaced = 0

    @property
    def encoding(self) -> str:
        """The stream's encoding; UTF-8 if it names none."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self.put(text)
        return len(text)

    def flush(self) -> None:
        """Write what is still buffered, if that is possible."""
        with suppress(OSError, ValueError):
            self.end()

    def put(self, text: str) -> None:
        """Write, and raise what the stream raises: OSError, or ValueError if it was closed."""
        stream = self._open()
        try:
            stream.write(text)
        except UnicodeEncodeError:
            held = text.encode(self.encoding, "replace").decode(self.encoding)
            stream.write(held)
            self.replaced += sum(was != now for was, now in zip(text, held, strict=True))

    def end(self) -> None:
        """Flush, and raise what the stream raises."""
        self._open().flush()

    def let_go(self) -> None:
        """Flush for the last time. What cannot be written is dropped, so that the interpreter does not try again."""
        try:
            self.end()
        except (OSError, ValueError):
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), self._open().fileno())

    def isatty(self) -> bool:
        """Whether it is a terminal."""
        with suppress(OSError, ValueError):
            return self._open().isatty()
        return False

    def _open(self) -> TextIO:
        if self.stream is None:
            raise OSError(errno.EBADF, "it is closed")
        return self.stream

    def __getattr__(self, name: str) -> Any:
        # Others ask for its file number, for instance.
        return getattr(self.stream, name)


class _Answering(Output):
    """Standard output of a command whose output is its result."""

    def write(self, text: str) -> int:
        with _told():
            self.put(text)
        return len(text)

    def flush(self) -> None:
        with _told():
            self.end()


@contextmanager
def unbreakable() -> Iterator[None]:
    """Replace standard output and standard error so that printing never raises."""
    before = sys.stdout, sys.stderr
    outputs = Output(before[0]), Output(before[1])
    sys.stdout, sys.stderr = cast(TextIO, outputs[0]), cast(TextIO, outputs[1])
    try:
        yield
    finally:
        sys.stdout, sys.stderr = before
        for output in outputs:
            output.let_go()


@contextmanager
def answering() -> Iterator[TextIO]:
    """Standard output for an answer. CrimeAssetsError if it cannot be written, ReaderGone if nobody reads on."""
    found = cast(object, sys.stdout)
    out = _Answering(found.stream if isinstance(found, Output) else sys.stdout)
    yield cast(TextIO, out)
    out.flush()
    if out.replaced:
        print(
            f"crime-assets: {out.replaced:,} characters of the answer are not in {out.encoding} and became ?: "
            "set PYTHONIOENCODING=utf-8 to keep them.",
            file=sys.stderr,
        )


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except (BrokenPipeError, ConnectionResetError) as error:
        raise ReaderGone from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else error
        raise CrimeAssetsError(
            f"The answer could not be written to standard output ({why}) and is incomplete: write it elsewhere and "
            "ask again."
        ) from error
