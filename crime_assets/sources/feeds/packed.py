"""Unpacks an export: gzip, or a zip or tar archive with one file in it, opened as a stream of bytes.

Archives are hostile: nothing from them is written to disk, and every read is bounded. What the bytes mean is not
known here.
"""

from __future__ import annotations

import gzip
import io
import re
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import pyarrow as pa

BROKEN = (
    *(pa.ArrowException, OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile),
    # From the metadata of the files in an archive, or of the columns in Parquet.
    *(NotImplementedError, UnicodeDecodeError),
)
"""Errors that reading a damaged or truncated packed file may raise."""
MOST_TIMES, ALWAYS_BYTES = 200, 256 << 20
"""A file that unpacks to more than this many times its size and to more than this many bytes is not an export."""

_READ_BYTES = 1 << 20
_MOST_TAR_HEADERS = 4 << 20
_HEAD_BYTES = tarfile.BLOCKSIZE
_ZIP = (b"PK\x03\x04", b"PK\x05\x06", b"PK\x07\x08")
_GZIP = b"\x1f\x8b"
_OTHERS = {
    b"BZh": "a bzip2 file",
    b"\xfd7zXZ\0": "an xz file",
    b"\x28\xb5\x2f\xfd": "a zstd file",
    b"\x1f\x9d": "a compress file",
    b"7z\xbc\xaf\x27\x1c": "a 7-Zip archive",
    b"Rar!": "a RAR archive",
}
_NO_TABLES = {
    b"PAR1": "a Parquet file",
    b"PARE": "an encrypted Parquet file",
    b"ORC": "an ORC file",
    b"Obj\x01": "an Avro file",
    b"ARROW1": "an Arrow file",
    b"SQLite format 3\0": "a SQLite database",
    b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1": "an Excel workbook of the old kind",
    b"%PDF": "a PDF",
}
_LITTER = re.compile(r"(?:.*/)?(?:__MACOSX/.*|\._[^/]*|\.DS_Store)", re.DOTALL)
"""Files that a Mac adds to an archive."""


class RefusedError(ValueError):
    """What the file is and what to do about it, as the rest of a sentence about it."""


class ByteStream(Protocol):
    """What can be read from front to end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


@contextmanager
def unpacked(path: Path) -> Iterator[ByteStream]:
    """The bytes of the file, unpacked; of an archive, those of its only file.

    Raises RefusedError for what cannot be unpacked here, also while reading; one of BROKEN if it is incomplete.
    """
    limit = max(ALWAYS_BYTES, MOST_TIMES * path.stat().st_size)
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
        file.seek(0)
        if head.startswith(_ZIP):
            with _in_zip(path) as member:
                yield _Bounded(member, limit)
        elif head.startswith(_GZIP):
            with _unzipped(path) as unzipped:
                inside = unzipped.read(_HEAD_BYTES)
            with _unzipped(path) as unzipped:
                bounded = _Bounded(unzipped, limit)
                if _is_tar(inside):
                    with _in_tar(bounded) as member:
                        yield member
                else:
                    yield _plain(bounded, inside, "gzip file")
        elif _is_tar(head):
            with _in_tar(file) as member:
                yield member
        elif packing := _kind(head, _OTHERS):
            raise RefusedError(f"is {packing}: unpack it first")
        elif kind := _kind(head, _NO_TABLES):
            raise RefusedError(f"is {kind}: export the dataset as CSV or Parquet")
        else:
            yield file


def _unzipped(path: Path) -> gzip.GzipFile | pa.NativeFile:
    """A gzip file's content. Arrow reads faster, but rejects zeros after the end, which tapes and disks add."""
    with path.open("rb") as file:
        file.seek(-1, io.SEEK_END)
        may_be_padded = file.read() == b"\0"
    return gzip.open(path) if may_be_padded else pa.input_stream(path, compression="gzip")


class _Bounded:
    """A stream with a limited length."""

    def __init__(self, stream: ByteStream, limit: int) -> None:
        self._stream, self._limit, self._left = stream, limit, limit

    def read(self, size: int, /) -> bytes:
        data = self._stream.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise RefusedError(f"unpacks to more than {self._limit} bytes, which no export does: fetch it again")
        return data


def _plain(stream: ByteStream, head: bytes, within: str) -> ByteStream:
    """The stream, which begins with `head`; RefusedError if it is packed once more."""
    kind = _kind(head, {_GZIP: "a gzip file", **dict.fromkeys(_ZIP, "a zip archive"), **_OTHERS, **_NO_TABLES})
    if kind or _is_tar(head):
        raise RefusedError(f"is a {within} with {kind or 'a tar archive'} in it: unpack it first")
    return stream


def _kind(head: bytes, kinds: dict[bytes, str]) -> str | None:
    return next((kind for magic, kind in kinds.items() if head.startswith(magic)), None)


class _FewBytes(io.FileIO):
    """A file that refuses large reads: zipfile reads an archive's list of files at once, whatever its length."""

    def read(self, size: int | None = -1, /) -> bytes:
        is_bounded = size is not None and 0 <= size <= _READ_BYTES
        data = super().read(size if is_bounded else _READ_BYTES + 1) or b""
        if len(data) > _READ_BYTES:
            raise RefusedError("is a zip archive with a list of files that is too long: unpack it first")
        return data


class _Pieces:
    """A stream whose reads are limited to what `_FewBytes` allows."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        return self._stream.read(min(size, _READ_BYTES))


@contextmanager
def _in_zip(path: Path) -> Iterator[ByteStream]:
    with _FewBytes(path) as file, zipfile.ZipFile(file) as archive:
        files = [one for one in archive.infolist() if not one.is_dir() and not _LITTER.fullmatch(one.filename)]
        _check_names("zip", [one.filename for one in files])
        (only,) = files
        if stat.S_ISLNK(only.external_attr >> 16):
            raise RefusedError("is a zip archive with a link in it: unpack it first")
        if only.flag_bits & 0x41:
            raise RefusedError(f"is a zip archive whose file {_shown(only.filename)} is encrypted: unpack it first")
        # Other methods are unpacked without a limit on what a read returns.
        if only.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise RefusedError(f"is a zip archive compressed by method {only.compress_type}: unpack it first")
        with archive.open(only) as member:
            head = member.read(_HEAD_BYTES)
        with archive.open(only) as member:
            yield _plain(_Pieces(member), head, "zip archive")


def _is_tar(head: bytes) -> bool:
    try:
        tarfile.TarInfo.frombuf(head, "utf-8", "surrogateescape")
    except tarfile.HeaderError:
        return False
    return True


class _Headers(io.RawIOBase):
    """A stream that gives only so many bytes while tarfile looks for the next file: headers can have any length."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream
        self._left = _MOST_TAR_HEADERS
        self.are_sought = True

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if self.are_sought:
            self._left -= len(data)
            if self._left < 0:
                raise RefusedError("is a tar archive whose headers are too long: unpack it first")
        return data


class _TarFile:
    """The only file of a tar archive; whether another follows shows only at its end."""

    def __init__(self, archive: tarfile.TarFile, headers: _Headers) -> None:
        self._archive, self._headers = archive, headers
        self._member = self._next()
        _check_names("tar", [self._member.name] if self._member else [])
        self._file = archive.extractfile(self._member) if self._member else None
        headers.are_sought = False

    def read(self, size: int, /) -> bytes:
        data = self._file.read(size) if self._file else b""
        if not data and not self._headers.are_sought:
            self._headers.are_sought = True
            if self._member and (another := self._next()):
                _check_names("tar", [self._member.name, another.name])
        return data

    def _next(self) -> tarfile.TarInfo | None:
        """The next file that is neither a directory nor litter."""
        while (member := self._archive.next()) is not None:
            if not member.isdir() and not _LITTER.fullmatch(member.name):
                if not member.isreg() or member.issparse():
                    raise RefusedError(
                        f"is a tar archive in which {_shown(member.name)} is not a file: unpack it first"
                    )
                return member
        return None


@contextmanager
def _in_tar(stream: ByteStream) -> Iterator[ByteStream]:
    headers = _Headers(stream)
    with tarfile.open(fileobj=headers, mode="r|", bufsize=_READ_BYTES) as archive:
        yield _Begun(_TarFile(archive, headers))


class _Begun:
    """A stream whose beginning has been read, to see whether it is packed once more."""

    def __init__(self, stream: ByteStream) -> None:
        self._head = stream.read(_HEAD_BYTES)
        self._stream = _plain(stream, self._head, "tar archive")

    def read(self, size: int, /) -> bytes:
        head, self._head = self._head[:size], self._head[size:]
        return head or self._stream.read(size)


def _check_names(kind: str, names: list[str]) -> None:
    """RefusedError unless there is exactly one name, of a file inside the archive."""
    if not names:
        raise RefusedError(f"is a {kind} archive with no file in it: fetch it again")
    if len(names) > 1:
        listed = ", ".join(map(_shown, names[:3])) + (", …" if len(names) > 3 else "")
        raise RefusedError(f"is a {kind} archive with several files in it ({listed}): unpack it and name one of them")
    if re.match(r"[/\\]|[A-Za-z]:|(?:.*[/\\])?\.\.(?:[/\\]|\Z)", names[0], re.DOTALL):
        raise RefusedError(f"is a {kind} archive with a path outside of it, {_shown(names[0])}: do not trust it")


def _shown(name: str) -> str:
    """A name fit for a message."""
    return "".join(sign if sign.isprintable() else "?" for sign in name[-60:])
