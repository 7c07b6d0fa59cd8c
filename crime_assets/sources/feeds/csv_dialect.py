"""The dialect of a CSV file, detected from its beginning: encoding, line ends, separator and header line.

Nothing is guessed: if two answers are possible, CsvError names both. Lines after the header are not examined.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from functools import lru_cache

from crime_assets.sources.feeds.packed import ByteStream

HEAD_BYTES = 128 << 10
"""Longest header line."""
NOT_UTF8 = "bytes that are not UTF-8"

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
"""Separators and their names."""

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
# In this order, because one mark begins like another.
_MARKS = {
    codecs.BOM_UTF32_LE: "utf-32-le",
    codecs.BOM_UTF32_BE: "utf-32-be",
    codecs.BOM_UTF16_LE: "utf-16-le",
    codecs.BOM_UTF16_BE: "utf-16-be",
}
_SEPARATOR_LINE = re.compile(rb'"?sep=(.)"?', re.IGNORECASE)


class CsvError(ValueError):
    """These bytes are not a CSV file; says what is wrong with them and, after a semicolon, what to do."""

    def __init__(self, seen: str, remedy: str = "fetch it again") -> None:
        super().__init__(f"{seen}; {remedy}")


class CutOffError(CsvError):
    """These bytes are the beginning of a CSV file; says where they end."""


@dataclass(frozen=True)
class Dialect:
    """How a file is written."""

    header: bytes
    """The header line in UTF-8, without its end."""
    names: list[str]
    """The names in the header line as written; empty ones after the last are left out."""
    separator: str = ","
    separator_line: bytes | None = None
    """The line that tells spreadsheets the separator."""
    encoding: str | None = None
    """None for UTF-8."""
    is_cr_only: bool = False

    def utf8(self, stream: ByteStream) -> ByteStream:
        """The file's stream in UTF-8, its lines ending with a line feed."""
        if self.encoding:
            stream = _Decoded(stream, self.encoding)
        return _LineFeeds(stream) if self.is_cr_only else stream

    @property
    def no_records(self) -> tuple[bytes, ...]:
        """Lines that are never records, wherever they are: the header, and the one that names the separator."""
        return (self.header, self.separator_line) if self.separator_line else (self.header,)

    def is_no_record(self, line: bytes) -> bool:
        """Whether a line is one of those, perhaps after a byte-order mark."""
        return line.removeprefix(_BYTE_ORDER_MARK) in self.no_records


class _Decoded:
    """Converts a stream in another encoding to UTF-8. Lone surrogates stay as they are, which is not UTF-8."""

    def __init__(self, stream: ByteStream, encoding: str) -> None:
        self._stream, self._encoding = stream, encoding
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")

    def read(self, size: int, /) -> bytes:
        while data := self._stream.read(size):
            try:
                text = self._decoder.decode(data)
            except UnicodeDecodeError as error:
                raise CsvError(f"it is not the {self._encoding.upper()} that it begins with") from error
            if text:
                return text.encode("utf-8", "surrogatepass")
        try:
            self._decoder.decode(b"", final=True)
        except UnicodeDecodeError as error:
            raise CutOffError("it ends inside a character") from error
        return b""


class _LineFeeds:
    """A stream with line feeds for carriage returns."""

    def __init__(self, stream: ByteStream) -> None:
        self._stream = stream

    def read(self, size: int, /) -> bytes:
        return self._stream.read(size).replace(b"\r", b"\n")


def dialect_of(stream: ByteStream) -> Dialect:
    """The dialect of a file with these bytes; CsvError if it cannot be detected."""
    raw = _head(stream)
    if not raw:
        raise CsvError("it is empty")
    encoding = _encoding(raw)
    head = _decoded(raw, encoding).removeprefix(_BYTE_ORDER_MARK) if encoding else raw.removeprefix(_BYTE_ORDER_MARK)
    lines = [line for line in head.splitlines() if line]
    if not lines:
        raise CsvError("it has no header line")
    told = _SEPARATOR_LINE.fullmatch(lines[0])
    header = lines[1] if told and len(lines) > 1 else lines[0]
    if header.lstrip()[:1] in (b"<", b"{", b"["):
        raise CsvError(f"it begins like {'HTML or XML' if header.lstrip()[:1] == b'<' else 'JSON'}")
    if reason := not_text(header):
        raise CsvError(f"its header line has {reason}", "save it as UTF-8" if reason == NOT_UTF8 else "fetch it again")
    separator = _separator(header.decode(), told[1].decode("latin-1") if told else None)
    names = split(header.decode(), separator) or []
    while names and not names[-1].strip():
        names.pop()
    return Dialect(
        header, names, separator, lines[0] if told else None, encoding, is_cr_only=b"\r" in head and b"\n" not in head
    )


def _head(stream: ByteStream) -> bytes:
    head = b""
    while len(head) < HEAD_BYTES and (more := stream.read(HEAD_BYTES - len(head))):
        head += more
    return head


def _encoding(head: bytes) -> str | None:
    """The encoding that a byte-order mark names or, without one, that zeros beside ASCII can only mean."""
    for mark, encoding in _MARKS.items():
        if head.startswith(mark):
            return encoding
    start = head[: min(len(head), 256) // 2 * 2]
    if start and any(start):
        even, odd = start[::2], start[1::2]
        if not any(odd) and all(even):
            return "utf-16-le"
        if not any(even) and all(odd):
            return "utf-16-be"
    return None


def _decoded(head: bytes, encoding: str) -> bytes:
    try:
        return codecs.getincrementaldecoder(encoding)("surrogatepass").decode(head).encode("utf-8", "surrogatepass")
    except UnicodeDecodeError as error:
        raise CsvError(f"it is not the {encoding.upper()} that it begins with") from error


def _separator(header: str, told: str | None) -> str:
    """The separator that the file names, or else the one that gives the most names in the header line."""
    if told is not None:
        if told not in SEPARATORS:
            raise CsvError(f"its first line names the separator {told!r}", "separate it by commas or semicolons")
        return told
    found = {sign: len(names) for sign in SEPARATORS if (names := split(header, sign)) is not None}
    if not found:
        raise CsvError("its header line has a misplaced quote")
    most = max(found.values())
    best = [sign for sign, names in found.items() if names == most]
    if len(best) > 1 and most > 1:
        signs = " or ".join(SEPARATORS[sign] for sign in best)
        raise CsvError(f"its header line can be separated by {signs}", 'quote the names in it, or begin with "sep=,"')
    return best[0]


def split(record: str, separator: str) -> list[str] | None:
    """Values strictly as in RFC 4180; None if a quote is anywhere but around a field or doubled inside it."""
    field = _field(separator)
    values, position, is_open = [], 0, True
    while is_open:
        match = field.match(record, position)
        if not match:
            return None
        quoted, plain, end = match.groups()
        values.append(plain if quoted is None else quoted.replace('""', '"'))
        position, is_open = match.end(), bool(end)
    return values


@lru_cache
def _field(separator: str) -> re.Pattern[str]:
    sign = re.escape(separator)
    return re.compile(rf'(?:"([^"]*(?:""[^"]*)*)"|([^"{sign}\r\n]*))({sign}|\Z)')


def not_text(data: bytes) -> str | None:
    """Why bytes are not text; None if they are."""
    if b"\0" in data:
        return "NUL bytes"
    if not data.isascii():
        try:
            data.decode()
        except UnicodeDecodeError:
            return NOT_UTF8
    return None
