"""One export file, whatever its format: its fields under the API's names, its records as text, its damaged lines.

The format is detected from the first bytes, not from the name. `csv_dialect` and `csv_lines` know CSV,
`parquet_texts` knows Parquet, `item_lines` exports of DynamoDB. Change days and windows are not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

import pyarrow as pa

from crime_assets.core.errors import FeedError
from crime_assets.sources.feeds import csv_lines, item_lines, parquet_texts
from crime_assets.sources.feeds.csv_dialect import SEPARATORS, CsvError, CutOffError, Dialect, dialect_of
from crime_assets.sources.feeds.csv_lines import Lines
from crime_assets.sources.feeds.packed import BROKEN, RefusedError, unpacked

MOST_COLUMNS = 500
_PARQUET = b"PAR1"
_HEAD_BYTES = 64


def api_name(title: str) -> str:
    """The API's field name of a column's title: `Case Number` → `case_number`.

    No name begins with an underscore, so none can clash with those that the lake adds.
    """
    return re.sub(r"[^a-z0-9]+", "_", title.lower()).strip("_")


class ExportFile:
    """A file as it is now. Every way of reading it raises FeedError if the file is incomplete or has changed since."""

    def __init__(self, path: Path, timezone: str, item_fields: Sequence[str] = ()) -> None:
        """`item_fields`: of exports of DynamoDB, whose items have no common header."""
        self.path = path
        self._timezone = timezone
        self._item_fields = list(item_fields)
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
        if self._is_items:
            return self._item_fields
        with self._reading():
            titles = self._titles
        fields = [api_name(title) for title in titles]
        if len(fields) > MOST_COLUMNS:
            raise FeedError(
                f"The export {self.path} has {len(fields)} columns: check that it is a crime export of the portal."
            )
        for title, name in zip(titles, fields, strict=True):
            if not name:
                raise FeedError(f"The export {self.path} has a column without a name ({title!r}): name or remove it.")
            if fields.count(name) > 1:
                raise FeedError(f"The export {self.path} has two columns named {name}: remove or rename one of them.")
        return fields

    @property
    def left_out(self) -> list[str]:
        """Names of columns that hold no texts, each with its type in parentheses, so that none is a field's name."""
        if not self._is_parquet:
            return []
        with self._reading():
            return [f"{api_name(title)} ({kind})" for title, kind in parquet_texts.titles_left_out(self.path).items()]

    @property
    def seen(self) -> str:
        """What the file was read as, for a message: its format and its first column names."""
        if self._is_parquet:
            return f"Parquet with the columns {_listed(self.fields)}"
        if self._is_items:
            return "DynamoDB JSON"
        return f"CSV separated by {SEPARATORS[self._dialect.separator]} with the columns {_listed(self.fields)}"

    def parts(self) -> Iterator[Lines]:
        """All records, one string column per field with empty as NULL, and all damaged lines, in parts."""
        fields = self.fields
        with self._reading():
            if self._is_parquet:
                yield from self._parquet_parts(fields)
            elif self._is_items:
                with unpacked(self.path) as stream:
                    yield from item_lines.read(stream, fields)
            else:
                yield from self._csv_parts(fields)
        if not self.is_current:
            raise FeedError(f"The export {self.path} changed while it was being read: run again when it is complete.")

    @property
    def _is_parquet(self) -> bool:
        return self._first_bytes == _PARQUET

    @cached_property
    def _is_items(self) -> bool:
        if self._is_parquet:
            return False
        with self._reading(), unpacked(self.path) as stream:
            return item_lines.is_items(stream.read(_HEAD_BYTES))

    def _stat(self) -> tuple[int, int, int]:
        status = self.path.stat()
        return status.st_ino, status.st_size, status.st_mtime_ns

    @cached_property
    def _dialect(self) -> Dialect:
        with unpacked(self.path) as stream:
            return dialect_of(stream)

    @property
    def _titles(self) -> list[str]:
        return parquet_texts.titles(self.path) if self._is_parquet else self._dialect.names

    def _csv_parts(self, fields: list[str]) -> Iterator[Lines]:
        with unpacked(self.path) as stream:
            yield from csv_lines.read(self._dialect.utf8(stream), self._dialect, fields)

    def _parquet_parts(self, fields: list[str]) -> Iterator[Lines]:
        for columns in parquet_texts.read(self.path, self._timezone):
            yield Lines(pa.table(columns, names=fields), [])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Turns errors of reading a file into one sentence that says what to do."""
        try:
            yield
        except PermissionError as error:
            raise FeedError(f"The export {self.path} cannot be read: give this user read permission.") from error
        except IsADirectoryError as error:
            raise FeedError(f"{self.path} is a directory: let CRIME_EXPORT match files only.") from error
        except CutOffError as error:
            raise FeedError(f"The export {self.path} was cut off: {error}.") from error
        except CsvError as error:
            raise FeedError(f"The export {self.path} cannot be read as CSV: {error}.") from error
        except RefusedError as error:
            raise FeedError(f"The export {self.path} {error}.") from error
        except BROKEN as error:
            seen = " ".join("".join(sign if sign.isprintable() else " " for sign in str(error)).split())[:200]
            raise FeedError(f"The export {self.path} cannot be read to its end ({seen}): fetch it again.") from error


def _listed(names: list[str]) -> str:
    """Names fit for a message."""
    shown = ", ".join(name[:40] for name in names[:8])
    return f"{shown}, …" if len(names) > 8 else shown or "none"
