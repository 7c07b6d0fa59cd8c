"""CSV bytes taken apart into whole records and damaged lines; a damaged line never costs its neighbours.

A line is whole if it is UTF-8 without NUL, at most `LONGEST_LINE` bytes, its quotes are even in number and closed, and
it has as many fields as the header. A record may also run over several lines, inside a quoted field. Files, cities and
change days are not known here.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

import pyarrow as pa
import pyarrow.csv as arrow_csv

BLOCK_BYTES = 4 << 20
BLOCKS_AHEAD = 2
LONGEST_LINE = 128 << 10
LONGEST_GARBAGE = 64 << 20
"""More bytes than this without an end of line are not a damaged line but no CSV at all."""

_FIELD = re.compile(r'(?:"([^"]*(?:""[^"]*)*)"|([^",\r\n]*))(,|\Z)')
# What Arrow takes for a field: quotes after the closing one, or inside an unquoted field, are text like any other.
_CLOSED = re.compile(rb'(?:(?:"[^"]*+(?:""[^"]*+)*+"|(?!"))[^,]*+(?:,|\Z))+')
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class CsvError(ValueError):
    """These bytes cannot be taken for a CSV file; the message says what is wrong with them."""


class ByteStream(Protocol):
    """What can be read from front to end."""

    def read(self, size: int, /) -> bytes:
        """The next bytes, at most `size`; none at the end."""


@dataclass(frozen=True)
class Damaged:
    """A line that is no record: why, and the line, bytes that are no text escaped as in `\\xff`."""

    reason: str
    line: str


@dataclass(frozen=True)
class Lines:
    """A part of a file: its records, one string column a field with empty as NULL, and its damaged lines."""

    records: pa.Table
    damaged: list[Damaged]


@dataclass
class _Sorted:
    """Lines by what has to be done with them."""

    single: list[bytes] = field(default_factory=list)
    """One record each, if they have the right number of fields."""
    joined: list[list[str]] = field(default_factory=list)
    """Records that only a careful look could read, as values."""
    damaged: list[Damaged] = field(default_factory=list)
    unfinished: bytes = b""
    """The beginning of a record whose end is still to be read."""


def header_line(stream: ByteStream) -> bytes:
    """The first line that is not empty, without byte-order mark and line end; CsvError if there is none."""
    head = stream.read(LONGEST_LINE).removeprefix(_BYTE_ORDER_MARK)
    if not head:
        raise CsvError("it is empty")
    for line in head.splitlines():
        if line:
            return line
    raise CsvError("it has no header line")


def header_names(line: bytes) -> list[str]:
    """The names in a header line as written; CsvError if it is not a line of CSV."""
    if reason := _not_text(line):
        raise CsvError(f"its header line has {reason}")
    names = _split(line.decode())
    if names is None:
        raise CsvError("its header line has a misplaced quote")
    return names


def read(stream: ByteStream, header: bytes, fields: list[str]) -> Iterator[Lines]:
    """All records and damaged lines of a CSV stream, some megabytes at a time.

    `header` is the stream's header line; it is no record wherever it comes. Its columns are named `fields`.
    Raises CsvError for a line without end.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        parts: deque[tuple[_Sorted, Future[tuple[pa.Table, list[Damaged]]]]] = deque()
        for found in _sorted_blocks(_blocks(stream), header, len(fields)):
            parts.append((found, pool.submit(_parse, found.single, fields)))
            if len(parts) > BLOCKS_AHEAD:
                yield _lines(*parts.popleft(), fields)
        while parts:
            yield _lines(*parts.popleft(), fields)


def _lines(found: _Sorted, parsed: Future[tuple[pa.Table, list[Damaged]]], fields: list[str]) -> Lines:
    records, damaged = parsed.result()
    return Lines(pa.concat_tables([records, _table(found.joined, fields)]), [*found.damaged, *damaged])


def _sorted_blocks(blocks: Iterator[tuple[bytes, bool]], header: bytes, width: int) -> Iterator[_Sorted]:
    unfinished = b""
    for block, is_last in blocks:
        found = _sort(unfinished + block, header, width, is_last)
        unfinished = found.unfinished
        yield found


def _blocks(stream: ByteStream) -> Iterator[tuple[bytes, bool]]:
    """The stream in blocks of whole lines, and whether it is the last block (whose last line may have no end)."""
    rest = stream.read(BLOCK_BYTES)
    while chunk := stream.read(BLOCK_BYTES):
        text = rest + chunk
        end = text.rfind(b"\n") + 1
        if end:
            yield text[:end], False
        rest = text[end:]
        if len(rest) > LONGEST_GARBAGE:
            raise CsvError(f"it has a line of more than {LONGEST_GARBAGE} bytes")
    yield rest, True


def _sort(block: bytes, header: bytes, width: int, is_last: bool) -> _Sorted:
    """Sorts lines out so that those in `single` can be parsed at once without one touching another."""
    found = _Sorted()
    text = block.replace(b"\r\n", b"\n") if b"\r" in block else block
    lines = text.removesuffix(b"\n").split(b"\n")
    raw_lines = lines if text is block else block.removesuffix(b"\n").split(b"\n")
    done = 0
    for index in _special(text, lines, header):
        if index < done:
            continue
        found.single += lines[done:index]
        done = index + 1
        line = lines[index]
        if not line or _is_header(line, header):
            continue
        end = _record_end(lines, index, width - 1)
        if end == len(lines) and not is_last:
            found.unfinished = b"\n".join([*raw_lines[index:], b""])
            return found
        if values := _values(raw_lines[index : end + 1], width):
            found.joined.append(values)
            done = end + 1
        else:
            found.damaged.append(Damaged(_damage(line) or "a carriage return outside quotes", _shown(line)))
    found.single += lines[done:]
    return found


def _special(text: bytes, lines: list[bytes], header: bytes) -> list[int]:
    """Which lines of `text` cannot be parsed among others. Line by line is slow: what no line has is not searched."""
    special = {index for index, line in enumerate(lines) if line.count(b'"') % 2}
    if b"" in lines:
        special.update(index for index, line in enumerate(lines) if not line)
    if header in text:
        special.update(index for index, line in enumerate(lines) if _is_header(line, header))
    if b"\r" in text:
        special.update(index for index, line in enumerate(lines) if b"\r" in line)
    if _not_text(text):
        special.update(index for index, line in enumerate(lines) if _not_text(line))
    if len(max(lines, key=len)) > LONGEST_LINE:
        special.update(index for index, line in enumerate(lines) if len(line) > LONGEST_LINE)
    return sorted(special)


def _is_header(line: bytes, header: bytes) -> bool:
    return line.removeprefix(_BYTE_ORDER_MARK) == header


def _record_end(lines: list[bytes], start: int, commas: int) -> int:
    """The line that ends the record begun on line `start`; `start` if none can, len(lines) if it is still to be read.

    What looks like a record of its own is not taken for the rest of the one above: a line with as many commas as a
    whole record, or one whose first quote follows a comma and so opens a field.
    """
    if lines[start].count(b'"') % 2 == 0:
        return start
    size = len(lines[start])
    for index in range(start + 1, len(lines)):
        line = lines[index]
        size += len(line) + 1
        if size > LONGEST_LINE or line.count(b",") >= commas:
            return start
        if line.count(b'"') % 2:
            return start if line.partition(b'"')[0].endswith(b",") else index
    return len(lines)


def _values(raw_lines: list[bytes], width: int) -> list[str] | None:
    """The values of the one record that these lines are; None if they are not."""
    record = b"\n".join(raw_lines).removesuffix(b"\r")
    if _not_text(record) or len(record) > LONGEST_LINE:
        return None
    values = _split(record.decode())
    return values if values and len(values) == width else None


def _split(record: str) -> list[str] | None:
    """Values by the letter of RFC 4180; None where a quote is anywhere but around a field or doubled inside it."""
    values, position, is_open = [], 0, True
    while is_open:
        match = _FIELD.match(record, position)
        if not match:
            return None
        quoted, plain, comma = match.groups()
        values.append(plain if quoted is None else quoted.replace('""', '"'))
        position, is_open = match.end(), bool(comma)
    return values


def _parse(lines: list[bytes], fields: list[str]) -> tuple[pa.Table, list[Damaged]]:
    """The records of lines that hold one each, and those lines that turn out to be damaged."""
    rejected = []

    def reject(row: arrow_csv.InvalidRow) -> str:
        rejected.append(Damaged(f"{row.actual_columns} fields where the header has {row.expected_columns}", row.text))
        return "skip"

    # A quote left open runs on to the end of the text: the additional line shows it even after the last one.
    text = b"\n".join([*lines, b",".join([b'""'] * len(fields))])
    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(column_names=fields, use_threads=False, block_size=len(text) + 1),
        parse_options=arrow_csv.ParseOptions(invalid_row_handler=reject),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(fields, pa.string()), null_values=[""], strings_can_be_null=True
        ),
    )
    if table.num_rows + len(rejected) == len(lines) + 1:
        return table.slice(0, table.num_rows - 1), rejected
    closed = [line for line in lines if _CLOSED.fullmatch(line)]
    if len(closed) == len(lines):
        raise CsvError("its lines cannot be told apart")
    records, damaged = _parse(closed, fields)
    open_lines = [Damaged("unbalanced quotes", line.decode()) for line in lines if not _CLOSED.fullmatch(line)]
    return records, open_lines + damaged


def _table(rows: list[list[str]], fields: list[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in fields)
    arrays = [pa.array([value or None for value in column], pa.string()) for column in columns]
    return pa.table(arrays, names=fields)


def _damage(line: bytes) -> str | None:
    """Why a line cannot be a record whatever its fields; None if it can."""
    if reason := _not_text(line):
        return reason
    if len(line) > LONGEST_LINE:
        return f"a line of {len(line)} bytes"
    return "unbalanced quotes" if line.count(b'"') % 2 else None


def _not_text(data: bytes) -> str | None:
    if b"\0" in data:
        return "NUL bytes"
    try:
        data.decode()
    except UnicodeDecodeError:
        return "bytes that are not UTF-8"
    return None


def _shown(line: bytes) -> str:
    return line.decode(errors="backslashreplace").replace("\0", "\\x00")
