"""The `export` feed of cities whose records have no change stamp: the files as they are now are a publication."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.sources.cities import City, Source
from crime_assets.sources.feeds import DAMAGE, RAW, History, Publication
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.exported import DUCKDB, NO_MONTH, ExportedFiles, conformed, damaged_table, months
from crime_assets.sources.feeds.spool import Spool

_FORMAT = 1
"""Another number, and what was kept of a history is read from its files again."""


class ExportPublications:
    """All files that match a glob, taken together. They are read as a stream; `cache` is for histories put in order.

    A file counts as published on the day on which it was last written.
    """

    name = "export"

    def __init__(self, city: City, pattern: str, *, cache: Path, today: date) -> None:
        self._city = city
        self._files = ExportedFiles(city, pattern)
        self._cache = cache
        self._today = today

    def columns(self) -> frozenset[str]:
        """See Feed."""
        return self._files.columns() - self._city.load_stamps

    def latest_day(self) -> date:
        """Yesterday: until then nothing else was published."""
        self._files.current()
        return self._today - timedelta(days=1)

    def total(self) -> int:
        """How many records and damaged lines the files have together; reads them all."""
        return sum(len(part) for part in self._tables())

    def undated(self) -> int:
        """How many damaged lines there are; reads all files."""
        return sum(len(part) for part in self._tables() if DAMAGE in part.column_names)

    def publication(self) -> Publication:
        """See PublishedFeed."""
        files = self._files.current()
        newest = max(file.path.stat().st_mtime for file in files)
        versions = json.dumps([[str(file.path), file.version] for file in files])
        return Publication(self._city.today(datetime.fromtimestamp(newest, UTC)), versions, self._tables)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """See Feed: all that is published now. It is put in order by month of occurrence on disk."""
        fields = [name for name in self._files.fields() if name not in self._city.load_stamps]
        schema = pa.schema([(name, pa.string()) for name in (*fields, DAMAGE, RAW)])
        source = json.dumps([_FORMAT, schema.names, self.publication().version])
        spool = Spool(self._cache / "history", source, schema)
        if not spool.open():
            with closing(spool), duckdb.connect(config=DUCKDB) as duck:
                for part, occurred in self._parts(duck):
                    spool.add(conformed(part, schema), occurred)
                spool.finish()
        yield History(source, sorted(spool.parts), spool.read)
        spool.remove()

    def _tables(self) -> Iterator[pa.Table]:
        with duckdb.connect(config=DUCKDB) as duck:
            for part, _ in self._parts(duck, are_months_needed=False):
                yield part

    def _parts(
        self, duck: duckdb.DuckDBPyConnection, *, are_months_needed: bool = True
    ) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Records, then damaged lines, of each part of each file; with months of occurrence, if they are needed."""
        for file in self._files.current():
            source = self._source_of(file)
            for lines in file.parts():
                taken = [name for name in lines.records.column_names if name not in self._city.load_stamps]
                records, occurred = lines.records.select(taken), pa.nulls(len(lines.records), pa.string())
                if are_months_needed or (source and source.until):
                    occurred = months(duck, self._city, records)
                if source and source.until:
                    # "none" comes after all digits: what has no month is kept, whichever source it is of.
                    is_own = pc.or_(pc.less(occurred, f"{source.until:%Y-%m}"), pc.equal(occurred, NO_MONTH))
                    records, occurred = records.filter(is_own), occurred.filter(is_own)
                yield records, occurred
                if lines.damaged:
                    damaged = damaged_table(lines.damaged)
                    yield damaged, pa.array([NO_MONTH] * len(damaged), pa.string())

    def _source_of(self, file: ExportFile) -> Source | None:
        """The dataset that a file is of, if its fields tell."""
        there = set(file.fields)
        found = [source for source in self._city.sources if set(self._city.key_fields) & source.fields & there]
        return found[0] if len(found) == 1 else None
