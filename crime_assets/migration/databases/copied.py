"""What PostgreSQL's COPY writes as text becomes a table of texts, and is kept within bounds while it comes."""

from __future__ import annotations

import re
from collections.abc import Sequence

import pyarrow as pa
import pyarrow.csv

from crime_assets.core.errors import LegacyError
from crime_assets.migration import arrow

_BOM = b"\xef\xbb\xbf"
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_SIGNS = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "v": "\v"}


class Copied:
    """Takes what COPY writes, at most `most` bytes: of what comes after them only `is_too_much` is known."""

    def __init__(self, most: int | None) -> None:
        self.most = most
        self.size = 0
        self._pieces: list[bytes] = []

    def write(self, piece: bytes) -> None:
        """As a file; never raises, for the driver would leave the connection in the middle of a COPY."""
        self.size += len(piece)
        if self.is_too_much:
            self._pieces.clear()
        else:
            self._pieces.append(piece)

    @property
    def is_too_much(self) -> bool:
        """Whether more came than was to be kept."""
        return self.most is not None and self.size > self.most

    def table(self, names: Sequence[str]) -> pa.Table:
        """The rows as columns of texts, NULL as NULL. LegacyError if a text is not UTF-8."""
        return table_of(b"".join(self._pieces), names)


def table_of(copied: bytes, names: Sequence[str]) -> pa.Table:
    """Rows of COPY's text format as columns of texts. LegacyError if a text is not UTF-8."""
    try:
        # Where each backslash is one of NULL, nothing is escaped. A reader of CSV drops a mark of byte order.
        if not copied or copied.count(b"\\") != copied.count(b"\\N") or copied.startswith(_BOM):
            return _unescaped(copied.decode(), names)
        return pyarrow.csv.read_csv(
            pa.BufferReader(copied),
            read_options=pyarrow.csv.ReadOptions(column_names=names, use_threads=False, block_size=len(copied) + 1),
            parse_options=pyarrow.csv.ParseOptions(delimiter="\t", quote_char=False, ignore_empty_lines=False),
            convert_options=pyarrow.csv.ConvertOptions(
                column_types={name: pa.string() for name in names}, null_values=[r"\N"], strings_can_be_null=True
            ),
        )
    except (UnicodeDecodeError, pa.ArrowInvalid) as error:
        # Not repeated: it has values in it.
        raise LegacyError("A text of the database is not UTF-8, or a chunk has more than 2 GiB of texts.") from error


def _unescaped(text: str, names: Sequence[str]) -> pa.Table:
    lines = text.split("\n")
    # A line feed within a value is escaped: each one ends a row.
    lines.pop()
    columns: list[list[str | None]] = [[] for _ in names]
    for line in lines:
        for column, value in zip(columns, line.split("\t"), strict=True):
            column.append(_value(value))
    return arrow.table(dict(zip(names, columns, strict=True)))


def _value(text: str) -> str | None:
    if "\\" not in text:
        return text
    return None if text == r"\N" else _ESCAPED.sub(lambda found: _SIGNS.get(found[1], found[1]), text)
