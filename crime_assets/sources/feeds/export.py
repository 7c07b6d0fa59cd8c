"""The `export` feed of cities whose records have change stamps: exports of a portal, replayed by change day.

`export_file` knows what a file looks like inside.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.digests import canonical_json
from crime_assets.core.errors import FeedError
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, EARLY, RAW, History, Record, Stamps
from crime_assets.sources.feeds.csv_lines import Damaged
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.exported import DUCKDB, NO_MONTH, ExportedFiles, conformed, damaged_table, months
from crime_assets.sources.feeds.replay import FORMAT, Replay, ReplayWriter, open_replay
from crime_assets.sources.feeds.spool import Spool
from crime_assets.sources.feeds.times import parse_timestamp

_WHOLE_NUMBER = r"^[0-9]{1,18}([.]0+)?$"
_MOST_KNOWN_DAYS = 100_000

# Years outside 1 to 9999 are no days for Python.
_DAYS_SQL = """
    SELECT text, CASE WHEN day BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN day END AS day
    FROM (SELECT text, CAST(parse_timestamp(trim(text)) AS DATE) AS day FROM stamps)
"""
_SUMS_SQL = """
    SELECT month, sum(n), sum(n * year(time)), sum(n * month(time)), sum(n * day(time)),
        sum(n * hour(time)), sum(n * minute(time)), sum(n * second(time))
    FROM (
        SELECT month, try_strptime(text, $formats) AS time, count(*) AS n
        FROM changes
        GROUP BY month, text
    )
    GROUP BY month
"""


class ExportFeed:
    """All files that match a glob, taken together: their rows are combined, duplicates included.

    Files may differ in format and columns. They are read as a stream. What a replay of days needs is kept in `cache`,
    so that a file is read again only for days before those asked for so far, or when it has changed. A change stamp of
    `today` or later is damage, not news: it does not count as the latest day.
    """

    name = "export"

    def __init__(self, city: City, pattern: str, *, cache: Path, today: date) -> None:
        self._city = city
        self._files = ExportedFiles(city, pattern)
        self._cache = cache
        self._today = today
        self._replays: dict[ExportFile, Replay] = {}
        self._known_days: dict[str, date | None] = {}

    def columns(self) -> frozenset[str]:
        """Field names of all files together; a column of bytes that are not text gets a name that no field can have."""
        return self._files.columns()

    def latest_day(self) -> date:
        """The greatest change day in the files; FeedError if no record has one."""
        days = [day for file in self._files.current() for day in self._replay(file).counts if day < self._today]
        if not days:
            raise FeedError(
                f"No record of {self._files.pattern} has a readable {self._city.change_field}: fetch the export again."
            )
        return max(days)

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """Every record with a change day from `first` to `last`; empty fields are absent."""
        for file in self._files.current():
            for records in self._replay(file, first).records(first, last):
                yield from _rows(records)

    def count(self, first: date, last: date) -> int:
        """How many records have a change day from `first` to `last`."""
        return sum(_within(self._replay(file).counts, first, last) for file in self._files.current())

    def total(self) -> int:
        """How many records and damaged lines the files have together."""
        replays = [self._replay(file) for file in self._files.current()]
        return sum(replay.undated + replay.counts.total() for replay in replays)

    def undated(self) -> int:
        """How many damaged lines there are, and records without a readable stamp or with a future one."""
        replays = [self._replay(file) for file in self._files.current()]
        return sum(replay.undated + _within(replay.counts, self._today, date.max) for replay in replays)

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        """See Feed. Reads all files; each copy of a repeated record counts."""
        found: dict[date | None, Stamps] = {}
        with duckdb.connect(config=DUCKDB) as duck:
            for records, occurred in self._by_month(until):
                texts = records.column(self._stamp).combine_chunks()
                duck.register("changes", pa.table({"month": occurred, "text": texts}))
                sums = duck.sql(_SUMS_SQL, params={"formats": list(self._city.timestamp_formats)}).fetchall()
                for month, *parts in sums:
                    known = _first_day(month)
                    found[known] = found.get(known, Stamps()).plus(Stamps(*parts))
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        """See Feed. Reads all files, once."""
        wanted = pa.array([NO_MONTH if month is None else f"{month:%Y-%m}" for month in months], pa.string())
        for records, found in self._by_month(until):
            yield from _rows(records.filter(pc.is_in(found, wanted)))

    def present(self, ids: Collection[int]) -> set[int]:
        """See Feed. Reads all files, once; any number in a damaged line may be the id of its record."""
        asked, found = set(ids), set[int]()
        wanted = pa.array(sorted(asked), pa.int64())
        for file in self._files.current():
            for part in file.parts():
                known = _whole_numbers(part.records.column(self._city.key_field))
                found.update(known.filter(pc.is_in(known, wanted)).to_pylist())
                for damaged in part.damaged:
                    found |= asked & set(map(int, re.findall("[0-9]{1,18}", damaged.line)))
        return found

    @property
    def _stamp(self) -> str:
        if self._city.change_field is None:
            raise ValueError(f"records of {self._city.name} have no change stamp: see ExportPublications")
        return self._city.change_field

    def _by_month(self, until: date) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Records with a change day up to `until`, with the month in which each occurred."""
        for file in self._files.current():
            with duckdb.connect(config=DUCKDB) as duck:
                for records, days, _ in self._parts(file):
                    known = records.filter(pc.fill_null(pc.less_equal(days, until), False))
                    yield known, months(duck, self._city, known)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """Every record with a change day before `before` or none that can be read, and every damaged line.

        The files are read once and put in order by month of occurrence on disk.
        """
        files = self._files.current()
        schema = pa.schema([(name, pa.string()) for name in (*self._files.fields(), DAMAGE, RAW)])
        versions = [[str(file.path), file.version] for file in files]
        source = json.dumps([FORMAT, str(before), str(self._today), schema.names, versions])
        spool = Spool(self._cache / "history", source, schema)
        if not spool.open():
            with closing(spool):
                for part, occurred in self._history_parts(files, before):
                    spool.add(conformed(part, schema), occurred)
                spool.finish()
        yield History(source, sorted(spool.parts), spool.read)
        spool.remove()

    def _history_parts(self, files: list[ExportFile], before: date) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Records and damaged lines, with the month in which each occurred; "none" where it cannot be told."""
        for file in files:
            with duckdb.connect(config=DUCKDB) as duck:
                for records, days, damaged in self._parts(file):
                    is_old = pc.or_kleene(pc.less(days, before), pc.is_null(days))
                    # Copying all of it would be a waste: usually most of a source is history.
                    old = records if pc.all(is_old).as_py() else records.filter(is_old)
                    # A future day is not pulled before it has come: records that claim to be of one are kept as damage.
                    early = records.filter(pc.fill_null(pc.greater_equal(days, max(before, self._today)), False))
                    damaged += [Damaged(EARLY, canonical_json(row)) for row in early.to_pylist()]
                    yield old, months(duck, self._city, old)
                    yield damaged_table(damaged), pa.array([NO_MONTH] * len(damaged), pa.string())

    def _replay(self, file: ExportFile, since: date = date.max) -> Replay:
        """What is kept of the file, with the records from `since` on; reads the whole file if that is not kept yet."""
        replay = self._replays.get(file) or open_replay(self._cache, file)
        if replay is None or since < replay.since:
            writer = ReplayWriter(self._cache, file, since)
            try:
                counts: Counter[date] = Counter()
                undated = 0
                for records, days, damaged in self._parts(file):
                    writer.add(records, days)
                    undated += days.null_count + len(damaged)
                    for entry in pc.value_counts(days.drop_null()).to_pylist():
                        counts[entry["values"]] += entry["counts"]
                replay = writer.finish(counts, undated)
            finally:
                writer.abandon()
        self._replays[file] = replay
        return replay

    def _parts(self, file: ExportFile) -> Iterator[tuple[pa.Table, pa.Array, list[Damaged]]]:
        """A file's records with their change days, and its damaged lines."""
        with duckdb.connect(config=DUCKDB) as duck:
            for part in file.parts():
                yield part.records, self._days(duck, part.records.column(self._stamp)), part.damaged

    def _days(self, duck: duckdb.DuckDBPyConnection, stamps: pa.ChunkedArray) -> pa.Array:
        """Change days, NULL where the stamp cannot be read. Thousands of records share a stamp: each is parsed once."""
        encoded = stamps.combine_chunks().dictionary_encode()
        texts = encoded.dictionary.to_pylist()
        if new := [text for text in texts if text not in self._known_days]:
            if len(self._known_days) > _MOST_KNOWN_DAYS:
                self._known_days.clear()
                new = texts
            duck.register("stamps", pa.table({"text": pa.array(new, pa.string())}))
            duck.execute(parse_timestamp(self._city.timestamp_formats))
            self._known_days.update(duck.sql(_DAYS_SQL).fetchall())
        return pa.array([self._known_days[text] for text in texts], pa.date32()).take(encoded.indices)


def _within(counts: Counter[date], first: date, last: date) -> int:
    return sum(count for day, count in counts.items() if first <= day <= last)


def _rows(records: pa.Table) -> Iterator[Record]:
    """Records as the API has them: empty fields absent."""
    for row in records.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}


def _first_day(month: str) -> date | None:
    return None if month == NO_MONTH else date.fromisoformat(f"{month}-01")


def _whole_numbers(texts: pa.ChunkedArray) -> pa.Array:
    """The texts that are whole numbers, as integers."""
    trimmed = pc.utf8_trim_whitespace(texts.combine_chunks())
    whole = trimmed.filter(pc.fill_null(pc.match_substring_regex(trimmed, _WHOLE_NUMBER), False))
    return pc.replace_substring_regex(whole, r"[.].*", "").cast(pa.int64())
