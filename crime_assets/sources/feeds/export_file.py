"""One export file, whatever its format: its fields under the API's names, its records as text, its damaged lines.

The format is told by the first bytes, not by the name. Change days and windows are not known here.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crime_assets.core.errors import FeedError
from crime_assets.sources.feeds import csv_lines
from crime_assets.sources.feeds.csv_lines import CsvError, Lines

MOST_COLUMNS = 500
_GZIP = b"\x1f\x8b"
_PARQUET = b"PAR1"
_PARQUET_ROWS = 16_384


def api_name(title: str) -> str:
    """The API's field name of a column's title: `Case Number` → `case_number`.

    No name begins with an underscore, so none can clash with those that the lake adds.
    """
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


class ExportFile:
    """A file as it is now. Every way of reading it raises FeedError if the file is not whole or has changed since."""

    def __init__(self, path: Path, timezone: str) -> None:
        self.path = path
        self._timezone = timezone
        with self._reading():
            self.version = self._stat()
            with path.open("rb") as stream:
                self._first_bytes = stream.read(len(_PARQUET))

    @property
    def is_current(self) -> bool:
        """Whether the file on disk is still the one that was opened."""
        with self._reading():
            return self._stat() == self.version

    @cached_property
    def fields(self) -> list[str]:
        """Field names in the file's own order."""
        with self._reading():
            titles = self._titles()
        fields = [api_name(title) for title in titles]
        if len(fields) > MOST_COLUMNS:
            raise FeedError(f"The export {self.path} has {len(fields)} columns: is it a crime export of the portal?")
        for title, name in zip(titles, fields, strict=True):
            if not name:
                raise FeedError(f"The export {self.path} has a column without a name ({title!r}): name or remove it.")
            if fields.count(name) > 1:
                raise FeedError(f"The export {self.path} has two columns named {name}: remove or rename one of them.")
        return fields

    def parts(self) -> Iterator[Lines]:
        """All records, one string column per field with empty as NULL, and all damaged lines, in parts."""
        fields = self.fields
        with self._reading():
            yield from self._parquet_parts(fields) if self._is_parquet else self._csv_parts(fields)
        if not self.is_current:
            raise FeedError(f"The export {self.path} changed while it was read: run again when it is complete.")

    @property
    def _is_parquet(self) -> bool:
        return self._first_bytes == _PARQUET

    def _stat(self) -> tuple[int, int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    def _stream(self) -> pa.NativeFile:
        return pa.input_stream(self.path, compression="gzip" if self._first_bytes.startswith(_GZIP) else None)

    @cached_property
    def _header(self) -> bytes:
        with self._stream() as stream:
            return csv_lines.header_line(stream)

    def _titles(self) -> list[str]:
        if not self._is_parquet:
            return csv_lines.header_names(self._header)
        with pq.ParquetFile(self.path) as file:
            return list(file.schema_arrow.names)

    def _csv_parts(self, fields: list[str]) -> Iterator[Lines]:
        with self._stream() as stream:
            yield from csv_lines.read(stream, self._header, fields)

    def _parquet_parts(self, fields: list[str]) -> Iterator[Lines]:
        with pq.ParquetFile(self.path) as file:
            for batch in file.iter_batches(_PARQUET_ROWS):
                texts = [_as_text(column, self._timezone) for column in batch.columns]
                yield Lines(pa.table(texts, names=fields), [])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns what can go wrong in reading a file into the one sentence that says what to do."""
        try:
            yield
        except PermissionError as error:
            raise FeedError(f"The export {self.path} may not be read: grant this user read permission.") from error
        except IsADirectoryError as error:
            raise FeedError(f"{self.path} is a directory: let CRIME_EXPORT match files only.") from error
        except CsvError as error:
            raise FeedError(f"The export {self.path} is not a CSV or Parquet file: {error}; fetch it again.") from error
        except (OSError, pa.ArrowException) as error:
            raise FeedError(f"The export {self.path} cannot be read to its end ({error}): fetch it again.") from error


def _as_text(column: pa.Array, timezone: str) -> pa.Array:
    """Values as the API writes them: whole numbers without a point, times as ISO 8601, nested values as JSON."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode(), timezone)
    if pa.types.is_nested(kind):
        values = column.to_pylist()
        texts = [None if value is None else json.dumps(value, sort_keys=True, default=str) for value in values]
        return pa.array(texts, pa.string())
    if pa.types.is_floating(kind):
        column = pc.if_else(pc.is_nan(column), None, column)
        whole = pc.equal(pc.floor(column), column)
        digits = pc.if_else(pc.and_(whole, pc.less(pc.abs(column), 2.0**53)), column, None).cast(pa.int64())
        return pc.coalesce(digits.cast(pa.string()), column.cast(pa.string()))
    if pa.types.is_timestamp(kind) and kind.tz:
        column = pc.local_timestamp(column.cast(pa.timestamp(kind.unit, timezone)))
    if pa.types.is_timestamp(kind) or pa.types.is_date(kind):
        return pc.replace_substring(column.cast(pa.timestamp("ms"), safe=False).cast(pa.string()), " ", "T")
    text = column.cast(pa.string())
    return pc.if_else(pc.equal(text, ""), None, text)
