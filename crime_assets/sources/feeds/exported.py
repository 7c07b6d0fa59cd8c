"""The files of a portal's exports that match a glob, and what both export feeds do with their records."""

from __future__ import annotations

import os
from glob import glob
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.errors import FeedError, UsageError
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, RAW
from crime_assets.sources.feeds.csv_lines import Damaged
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.times import parse_timestamp

NO_MONTH = "none"
DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "memory_limit": "1GB",
    "threads": 1,
}

# Files are in any order, and impossible months would only add parts.
_MONTHS_SQL = """
    SELECT CASE WHEN year(time) BETWEEN 1900 AND 2100 THEN strftime(time, '%Y-%m') ELSE 'none' END AS month
    FROM (SELECT parse_timestamp(trim(text)) AS time FROM occurrences)
"""


class ExportedFiles:
    """All files that match a glob, taken together. They may differ in format and columns."""

    def __init__(self, city: City, pattern: str) -> None:
        self.city = city
        self.pattern = pattern
        self._files: dict[Path, ExportFile] = {}

    def current(self) -> list[ExportFile]:
        """The files that match now, opened; one that has changed is opened anew."""
        pattern = os.path.expanduser(self.pattern)
        # A name that contains glob characters is still a name.
        matches = [pattern] if os.path.isfile(pattern) else sorted(glob(pattern, recursive=True))
        if not matches:
            raise UsageError(
                f"No file matches {self.pattern!r}: set CRIME_EXPORT to the path or glob of exports from the portal "
                "(CSV, perhaps in gzip, zip or tar, or Parquet)."
            )
        return [self._current(Path(match)) for match in matches]

    def fields(self) -> list[str]:
        """Field names of all files together."""
        return list(dict.fromkeys(name for file in self.current() for name in file.fields))

    def columns(self) -> frozenset[str]:
        """See Feed. A column of bytes that are not text gets a name that no field can have."""
        return frozenset(self.fields()).union(*(file.left_out for file in self.current()))

    def _current(self, path: Path) -> ExportFile:
        known = self._files.get(path)
        if known and known.is_current:
            return known
        file = ExportFile(path, self.city.timezone, item_fields=list(self.city.source_columns))
        stamp = self.city.change_field
        for fields in (self.city.key_fields, (stamp,) if stamp else ()):
            if fields and not set(fields) & set(file.fields):
                raise FeedError(
                    f"The export {path} has no column {' or '.join(fields)}, read as {file.seen}: export the dataset "
                    "with all its columns, as CSV or Parquet."
                )
        self._files[path] = file
        return file


def months(duck: duckdb.DuckDBPyConnection, city: City, records: pa.Table) -> pa.Array:
    """The month in which each record occurred, such as "2018-12"; "none" where it cannot be told."""
    field = city.occurrence_in(records.column_names)
    if field is None:
        return pa.array([NO_MONTH] * len(records), pa.string())
    texts = records.column(field).combine_chunks()
    duck.register("occurrences", pa.table({"text": texts}))
    duck.execute(parse_timestamp(city.formats_for(pc.first(texts).as_py())))
    return duck.sql(_MONTHS_SQL).to_arrow_table().column("month").combine_chunks()


def damaged_table(damaged: list[Damaged]) -> pa.Table:
    """Damaged lines as rows of a history."""
    return pa.table(
        [[line.reason for line in damaged], [line.line for line in damaged]],
        schema=pa.schema([(DAMAGE, pa.string()), (RAW, pa.string())]),
    )


def conformed(part: pa.Table, schema: pa.Schema) -> pa.Table:
    """`part` with the columns of `schema`, those it lacks NULL."""
    missing = pa.nulls(len(part), pa.string())
    columns = [part.column(name) if name in part.column_names else missing for name in schema.names]
    return pa.table(columns, schema=schema)
