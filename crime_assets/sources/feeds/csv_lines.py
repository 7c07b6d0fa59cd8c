"""Splits CSV bytes into whole records and damaged lines; a damaged line never affects its neighbors.

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
from functools import lru_cache

import pyarrow as pa
import pyarrow.csv as arrow_csv

from crime_assets.sources.feeds.csv_dialect import CsvError, Dialect, not_text, split
from crime_assets.sources.feeds.csv_end import Tally, check_last_value, check_line, cut_off
from crime_assets.sources.feeds.csv_plain import is_plain
from crime_assets.sources.feeds.packed import ByteStream

BLOCK_BYTES = 8 << 20
BLOCKS_AHEAD = 2
LONGEST_LINE = 128 << 10
LONGEST_GARBAGE = 64 << 20
"""More bytes than this without a line end are not a damaged line but not CSV at all."""

_LINES_COMPARED = 2_000
_END_OF_FILE = b"\x1a"
"""Written by old programs after the last line."""


@dataclass(frozen=True)
class Damaged:
    """A line that is not a record: why, and the line; bytes that are not text are escaped as in `\\xff`."""

    reason: str
    line: str


@dataclass(frozen=True)
class Lines:
    """A part of a file: its records (a string column per field, empty as NULL) and its damaged lines."""

    records: pa.Table
    damaged: list[Damaged]


@dataclass
class _Sorted:
    """Lines sorted by how they have to be parsed."""

    plain: bytes = b""
    """All lines, if they are plain; their line ends are line feeds."""
    single: list[bytes] = field(default_factory=list)
    """One record each, if they have the right number of fields."""
    joined: list[list[str]] = field(default_factory=list)
    """Records that needed careful parsing, as values."""
    damaged: list[Damaged] = field(default_factory=list)
    unfinished: bytes = b""
    """The beginning of a record whose end is still to be read."""
    has_utf8: bool = False
    """Whether a line has more than ASCII, in UTF-8."""


@dataclass(frozen=True)
class _Layout:
    """What the lines of one file look like."""

    dialect: Dialect
    fields: list[str]

    @property
    def width(self) -> int:
        return len(self.fields)

    @property
    def separator(self) -> bytes:
        return self.dialect.separator.encode()

    def is_closed(self, line: bytes) -> bool:
        """Whether Arrow finds the end of each field."""
        return _closed(self.separator).fullmatch(line) is not None


@lru_cache
def _closed(separator: bytes) -> re.Pattern[bytes]:
    # What Arrow takes for a field: quotes after the closing one, or inside an unquoted field, are ordinary text.
    sign = re.escape(separator)
    return re.compile(rb'(?:(?:"[^"]*+(?:""[^"]*+)*+"|(?!"))[^%b]*+(?:%b|\Z))+' % (sign, sign))


def read(stream: ByteStream, dialect: Dialect, fields: list[str]) -> Iterator[Lines]:
    """All records and damaged lines of a CSV stream in UTF-8, some megabytes at a time.

    The header line is never a record, wherever it is; its columns are called `fields`. Empty fields after the last name
    are ignored. Raises CsvError for a line without a line end and, after everything is read, if the file was cut off or
    is not a CSV file.
    """
    layout, tally = _Layout(dialect, fields), Tally()
    with ThreadPoolExecutor(max_workers=1) as pool:
        parts: deque[tuple[_Sorted, Future[tuple[pa.Table, list[Damaged]]]]] = deque()
        for found in _sorted_blocks(_blocks(stream), layout):
            parts.append((found, pool.submit(_parse, found.plain or _joined(found.single), layout)))
            if len(parts) > BLOCKS_AHEAD:
                yield _lines(*parts.popleft(), layout, tally)
        while parts:
            yield _lines(*parts.popleft(), layout, tally)
    tally.check()


def _lines(found: _Sorted, parsed: Future[tuple[pa.Table, list[Damaged]]], layout: _Layout, tally: Tally) -> Lines:
    records, damaged = parsed.result()
    lines = Lines(pa.concat_tables([records, _table(found.joined, layout.fields)]), [*found.damaged, *damaged])
    tally.records += lines.records.num_rows
    tally.has_utf8 |= found.has_utf8
    for line in lines.damaged:
        tally.add_damaged(line.reason, line.line)
    return lines


def _sorted_blocks(blocks: Iterator[tuple[bytes, bool]], layout: _Layout) -> Iterator[_Sorted]:
    unfinished = above = b""
    for block, is_last in blocks:
        begun = unfinished + block
        text = _with_line_feeds(begun)
        if not is_last and is_plain(text, layout.dialect, LONGEST_LINE):
            found = _Sorted(plain=text, has_utf8=not text.isascii())
        else:
            found = _sort(begun, text, above, layout, is_last)
        unfinished, above = found.unfinished, block
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
    yield rest.removesuffix(_END_OF_FILE), True


def _sort(block: bytes, text: bytes, above: bytes, layout: _Layout, is_last: bool) -> _Sorted:
    """Sorts lines so that those in `single` can be parsed together without affecting one another.

    `text` is the block with line feeds for its line ends, `above` is the previous block. Raises CutOffError if the last
    block does not end with a whole record.
    """
    lines = text.removesuffix(b"\n").split(b"\n")
    raw_lines = lines if text is block else block.removesuffix(b"\n").split(b"\n")
    has_no_end = is_last and not text.endswith(b"\n") and lines != [b""]
    found = _Sorted(has_utf8=not text.isascii() and any(map(_is_utf8, lines)))
    done = 0
    for index in _special(text, lines, layout.dialect) + ([len(lines) - 1] if has_no_end else []):
        if index < done:
            continue
        found.single += lines[done:index]
        done = index + 1
        line = lines[index]
        if not line or layout.dialect.is_no_record(line):
            continue
        end = _record_end(lines, index, layout)
        if end == len(lines) and not is_last:
            found.unfinished = b"\n".join([*raw_lines[index:], b""])
            return found
        if end == len(lines):
            begun = b"\n".join(lines[index:])
            if has_no_end:
                check_line(begun)
            if has_no_end or begun.count(layout.separator) < layout.width - 1:
                raise cut_off("inside a quote", begun)
        if has_no_end and end == len(lines) - 1:
            _check_end(raw_lines[index:], [*_lines_of(above), *lines[:index]], layout)
        if values := _values(raw_lines[index : end + 1], layout):
            found.joined.append(values)
            done = end + 1
        elif damage := _damage(line):
            found.damaged.append(Damaged(damage, _shown(line)))
        elif b"\r" in line:
            found.damaged.append(Damaged("a carriage return outside quotes", _shown(line)))
        else:
            found.single.append(line)
    found.single += lines[done:]
    return found


def _check_end(raw_lines: list[bytes], above: list[bytes], layout: _Layout) -> None:
    """CutOffError if the last record, which has no line end, is only the beginning of one."""
    record = b"\n".join(raw_lines)
    check_line(record)
    if _damage(record):
        return
    values = split(record.decode(), layout.dialect.separator)
    if values is None:
        parsed, _ = _parse(_joined([record]), layout) if len(raw_lines) == 1 else (_table([], layout.fields), [])
        values = [next(iter(row.values())) or "" for row in parsed.select([layout.width - 1]).to_pylist()]
        if not values:
            raise cut_off("inside a line", record)
    elif len(values) < layout.width:
        raise cut_off("inside a line", record)
    elif len(values) > layout.width:
        return
    compared = [line for line in above[-_LINES_COMPARED:] if _is_simple(line) and not layout.dialect.is_no_record(line)]
    known, _ = _parse(_joined(compared), layout)
    check_last_value(record, values[-1] or None, known.column(layout.width - 1).to_pylist())


def _lines_of(block: bytes) -> list[bytes]:
    return _with_line_feeds(block).removesuffix(b"\n").split(b"\n") if block else []


def _with_line_feeds(block: bytes) -> bytes:
    return block.replace(b"\r\n", b"\n") if b"\r" in block else block


def _is_simple(line: bytes) -> bool:
    """Whether a line can be parsed together with others."""
    return bool(line) and b"\r" not in line and not _damage(line)


def _special(text: bytes, lines: list[bytes], dialect: Dialect) -> list[int]:
    """Which lines of `text` cannot be parsed with others. Line by line is slow: what no line has is not searched."""
    special = {index for index, line in enumerate(lines) if line.count(b'"') % 2}
    if b"" in lines:
        special.update(index for index, line in enumerate(lines) if not line)
    if any(line in text for line in dialect.no_records):
        special.update(index for index, line in enumerate(lines) if dialect.is_no_record(line))
    if b"\r" in text:
        special.update(index for index, line in enumerate(lines) if b"\r" in line)
    if not_text(text):
        special.update(index for index, line in enumerate(lines) if not_text(line))
    if len(max(lines, key=len)) > LONGEST_LINE:
        special.update(index for index, line in enumerate(lines) if len(line) > LONGEST_LINE)
    return sorted(special)


def _record_end(lines: list[bytes], start: int, layout: _Layout) -> int:
    """The line that ends the record begun on line `start`; `start` if none can, len(lines) if it is yet to be read.

    What looks like a record of its own is not taken for the rest of the one above: a line with as many separators as a
    whole record, or one whose first quote follows a separator and so opens a field.
    """
    if lines[start].count(b'"') % 2 == 0:
        return start
    size = len(lines[start])
    for index in range(start + 1, len(lines)):
        line = lines[index]
        size += len(line) + 1
        if size > LONGEST_LINE or line.count(layout.separator) >= layout.width - 1:
            return start
        if line.count(b'"') % 2:
            return start if line.partition(b'"')[0].endswith(layout.separator) else index
    return len(lines)


def _values(raw_lines: list[bytes], layout: _Layout) -> list[str] | None:
    """The values of the record that these lines form; None if they form none."""
    record = b"\n".join(raw_lines).removesuffix(b"\r")
    if not_text(record) or len(record) > LONGEST_LINE:
        return None
    values = split(record.decode(), layout.dialect.separator)
    return values[: layout.width] if values and _fits(values, layout.width) else None


def _fits(values: list[str], width: int) -> bool:
    return len(values) >= width and not any(values[width:])


def _joined(lines: list[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _parse(lines: bytes, layout: _Layout) -> tuple[pa.Table, list[Damaged]]:
    """The records of lines that hold one each, and the lines that turn out to be damaged."""
    rejected: list[Damaged] = []
    longer: list[bytes] = []

    def reject(row: arrow_csv.InvalidRow) -> str:
        surplus = max(row.actual_columns - row.expected_columns, 0)
        if surplus and row.text.endswith(layout.dialect.separator * surplus):
            longer.append(row.text[:-surplus].encode())
        else:
            reason = f"{row.actual_columns} fields where the header has {row.expected_columns}"
            rejected.append(Damaged(reason, row.text))
        return "skip"

    # An open quote runs to the end of the text: the additional line shows it even after the last line.
    text = lines + layout.separator.join([b'""'] * layout.width)
    table = arrow_csv.read_csv(
        pa.BufferReader(text),
        read_options=arrow_csv.ReadOptions(column_names=layout.fields, use_threads=False, block_size=len(text) + 1),
        parse_options=arrow_csv.ParseOptions(delimiter=layout.dialect.separator, invalid_row_handler=reject),
        convert_options=arrow_csv.ConvertOptions(
            column_types=dict.fromkeys(layout.fields, pa.string()),
            null_values=[""],
            strings_can_be_null=True,
            check_utf8=False,  # no line is here that is not UTF-8
        ),
    )
    if table.num_rows + len(rejected) + len(longer) == lines.count(b"\n") + 1:
        records = table.slice(0, table.num_rows - 1)
        if not longer:
            return records, rejected
        shortened, damaged = _parse(_joined(longer), layout)
        return pa.concat_tables([records, shortened]), rejected + damaged
    closed: list[bytes] = []
    others: list[bytes] = []
    for line in lines.removesuffix(b"\n").split(b"\n"):
        (closed if layout.is_closed(line) else others).append(line)
    if not others:
        raise CsvError("its lines cannot be told apart")
    records, damaged = _parse(_joined(closed), layout)
    return records, [Damaged("unbalanced quotes", line.decode()) for line in others] + damaged


def _table(rows: list[list[str]], fields: list[str]) -> pa.Table:
    columns = zip(*rows, strict=True) if rows else ([] for _ in fields)
    arrays = [pa.array([value or None for value in column], pa.string()) for column in columns]
    return pa.table(arrays, names=fields)


def _damage(line: bytes) -> str | None:
    """Why a line cannot be a record whatever its fields; None if it can."""
    if reason := not_text(line):
        return reason
    if len(line) > LONGEST_LINE:
        return f"a line of {len(line)} bytes"
    return "unbalanced quotes" if line.count(b'"') % 2 else None


def _is_utf8(line: bytes) -> bool:
    """Whether a line has more than ASCII, and has it in UTF-8."""
    return not line.isascii() and not_text(line) is None


def _shown(line: bytes) -> str:
    return line.decode(errors="backslashreplace").replace("\0", "\\x00")
