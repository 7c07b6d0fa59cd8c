"""Standard output and standard error as they are found: closed, full, broken off, or unable to hold a character.

What a command did is told by its exit code. Where its words cannot be written they are lost, and nothing else is. Only
a command whose work is to answer fails with them: it writes to `answering`.
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
    """Whoever read the answer has closed it, having had enough."""


def hold_descriptors() -> None:
    """Open on nothing what was handed over closed: else a file of the lake takes its number, and is printed into."""
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
    """A stream of text whose failures stop nobody. Characters that it cannot hold are replaced, and counted."""

    def __init__(self, stream: TextIO | None) -> None:
        """`stream` is None where there was none to begin with."""
        self.stream = stream
        self.replaced = 0

    @property
    def encoding(self) -> str:
        """What characters become; UTF-8 where nothing says otherwise."""
        return getattr(self.stream, "encoding", None) or "utf-8"

    def write(self, text: str) -> int:
        """Write what can be written."""
        with suppress(OSError, ValueError):
            self.put(text)
        return len(text)

    def flush(self) -> None:
        """Write what was kept back, if that can be done."""
        with suppress(OSError, ValueError):
            self.end()

    def put(self, text: str) -> None:
        """Write, and raise what the stream raises: OSError, or ValueError where it was closed."""
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
        """Flush for the last time. What cannot be written goes nowhere, lest the interpreter try again and complain."""
        try:
            self.end()
        except (OSError, ValueError):
            with suppress(OSError, ValueError), open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), self._open().fileno())

    def isatty(self) -> bool:
        """Whether a person sees it."""
        with suppress(OSError, ValueError):
            return self._open().isatty()
        return False

    def _open(self) -> TextIO:
        if self.stream is None:
            raise OSError(errno.EBADF, "it is closed")
        return self.stream

    def __getattr__(self, name: str) -> Any:
        # Others ask for its number, for instance.
        return getattr(self.stream, name)


class _Answering(Output):
    """Standard output of a command that was asked for what it writes."""

    def write(self, text: str) -> int:
        with _told():
            self.put(text)
        return len(text)

    def flush(self) -> None:
        with _told():
            self.end()


@contextmanager
def unbreakable() -> Iterator[None]:
    """Make standard output and standard error such that printing raises nothing."""
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
    """Standard output for an answer. CrimeAssetsError where it cannot be written, ReaderGone where nobody reads on."""
    found = cast(object, sys.stdout)
    out = _Answering(found.stream if isinstance(found, Output) else sys.stdout)
    yield cast(TextIO, out)
    out.flush()
    if out.replaced:
        print(
            f"crime-assets: {out.replaced:,} characters of the answer are not in {out.encoding} and stand there as ?: "
            "set PYTHONIOENCODING=utf-8 to have them.",
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
            f"The answer could not be written to standard output ({why}), it is not whole: write it elsewhere, and ask "
            "again."
        ) from error
