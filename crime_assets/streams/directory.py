"""A landing store in a local directory."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from crime_assets.core.errors import LandingError
from crime_assets.streams import StoredObject

_CHUNK = 1 << 20
_PARTIAL = ".partial-"


class DirectoryStore:
    """Keys are paths under `root`. A write ends with a rename, so that a reader never sees half an object.

    Files whose names begin with a dot are not objects: unfinished writes, and files that desktops create.
    """

    def __init__(self, root: Path) -> None:
        self._root = root

    def list(self, prefix: str) -> Iterator[StoredObject]:
        """Objects whose key begins with the prefix, in key order."""
        root = self._root.resolve()
        keys = (path.relative_to(root).as_posix() for path in _files(self._path(prefix.rpartition("/")[0])))
        for key in sorted(key for key in keys if key.startswith(prefix)):
            try:
                found = (root / key).stat()
            except FileNotFoundError:
                continue
            etag = f"{found.st_mtime_ns:x}-{found.st_size:x}-{found.st_ino:x}"
            yield StoredObject(key, etag, found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))

    def read(self, key: str) -> bytes | None:
        """An object's content; None if there is none."""
        try:
            return self._path(key).read_bytes()
        except FileNotFoundError:
            return None

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, a mebibyte at a time."""
        try:
            with self._path(key).open("rb") as file:
                while chunk := file.read(_CHUNK):
                    yield chunk
        except OSError as error:
            raise LandingError(f"The delivery {key} cannot be read ({error.strerror}): restore it.") from error

    def write(self, key: str, content: bytes) -> None:
        """Write a whole object, replacing any existing one."""
        path = self._path(key)
        with _written_beside(path, content) as partial:
            os.replace(partial, path)

    def write_new(self, key: str, content: bytes) -> bool:
        """Write a whole object unless one exists; returns whether it was written."""
        path = self._path(key)
        with _written_beside(path, content) as partial:
            try:
                os.link(partial, path)
            except FileExistsError:
                return False
        return True

    def delete(self, key: str) -> None:
        """Remove an object, if there is one."""
        self._path(key).unlink(missing_ok=True)

    def location(self, key: str) -> str:
        """The object's path."""
        return str(self._path(key))

    def _path(self, key: str) -> Path:
        path = (self._root / key).resolve()
        if not path.is_relative_to(self._root.resolve()):
            raise LandingError(f"The key {key!r} leads out of the landing store.")
        return path


@contextmanager
def _written_beside(path: Path, content: bytes) -> Iterator[Path]:
    """The content in a temporary file that is removed afterwards."""
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(prefix=_PARTIAL, dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield Path(name)
    finally:
        Path(name).unlink(missing_ok=True)


def _files(directory: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(directory, onerror=_refuse):
        yield from (Path(parent, name) for name in names if not name.startswith("."))


def _refuse(error: OSError) -> None:
    """A missing directory holds nothing; one that cannot be read must not look empty."""
    if not isinstance(error, FileNotFoundError):
        raise error
