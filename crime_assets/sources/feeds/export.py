"""The `export` feed: files exported from a city's portal, replayed by change day.

`export_file` knows what a file looks like inside.
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, date, datetime, timedelta
from glob import glob
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from crime_assets.core.digests import canonical_json
from crime_assets.core.errors import FeedError, UsageError
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, EARLY, PUBLISHED, RAW, History, Record, Stamps
from crime_assets.sources.feeds.csv_lines import Damaged
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.replay import FORMAT, Replay, ReplayWriter, open_replay
from crime_assets.sources.feeds.spool import Spool
from crime_assets.sources.feeds.times import parse_timestamp

_WHOLE_NUMBER = r"^[0-9]{1,18}([.]0+)?$"
_NO_MONTH = "none"
_MOST_KNOWN_DAYS = 100_000

# Years outside 1 to 9999 are no days for Python.
_DAYS_SQL = """
    SELECT text, CASE WHEN day BETWEEN DATE '0001-01-01' AND DATE '9999-12-31' THEN day END AS day
    FROM (SELECT text, CAST(parse_timestamp(trim(text)) AS DATE) AS day FROM stamps)
"""
# Files are in any order, and impossible months would only add parts.
_MONTHS_SQL = """
    SELECT CASE WHEN year(time) BETWEEN 1900 AND 2100 THEN strftime(time, '%Y-%m') ELSE 'none' END AS month
    FROM (SELECT parse_timestamp(trim(text)) AS time FROM occurrences)
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
_DUCKDB: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "enable_external_access": False,
    "memory_limit": "1GB",
    "threads": 1,
}


class ExportFeed:
    """All files that match a glob, taken together: their rows are combined, duplicates included.

    Files may differ in format and columns. They are read as a stream. What a replay of days needs is kept in `cache`,
    so that a file is read again only for days before those asked for so far, or when it has changed. A change stamp of
    `today` or later is damage, not news: it does not count as the latest day.

    If the city's records have no change stamp, a file is a publication: all its records are of the day on which it was
    last written, at the latest the day before yesterday.
    """

    name = "export"

    def __init__(self, city: City, pattern: str, *, cache: Path, today: date) -> None:
        self._city = city
        self._pattern = pattern
        self._cache = cache
        self._today = today
        self._files: dict[Path, ExportFile] = {}
        self._replays: dict[Path, Replay] = {}
        self._known_days: dict[str, date | None] = {}

    def columns(self) -> frozenset[str]:
        """Field names of all files together; a column of bytes that are not text gets a name that no field can have."""
        return frozenset(self._all_fields()).union(*(file.left_out for file in self._current_files()))

    def latest_day(self) -> date:
        """The greatest change day in the files; FeedError if no record has one.

        Without change stamps it is yesterday: until then nothing else was published.
        """
        if self._city.change_field is None:
            self._current_files()
            return self._today - timedelta(days=1)
        days = [day for file in self._current_files() for day in self._replay(file).counts if day < self._today]
        if not days:
            raise FeedError(
                f"No record of {self._pattern} has a readable {self._city.change_field}: fetch the export again."
            )
        return max(days)

    def changes(self, first: date, last: date) -> Iterator[Record]:
        """Every record with a change day from `first` to `last`; empty fields are absent."""
        for file in self._current_files():
            for records in self._replay(file, first).records(first, last):
                yield from _rows(records)

    def count(self, first: date, last: date) -> int:
        """How many records have a change day from `first` to `last`."""
        return sum(_within(self._replay(file).counts, first, last) for file in self._current_files())

    def total(self) -> int:
        """How many records and damaged lines the files have together."""
        replays = [self._replay(file) for file in self._current_files()]
        return sum(replay.undated + replay.counts.total() for replay in replays)

    def undated(self) -> int:
        """How many damaged lines there are, and records without a readable stamp or with a future one."""
        replays = [self._replay(file) for file in self._current_files()]
        return sum(replay.undated + _within(replay.counts, self._today, date.max) for replay in replays)

    def month_stamps(self, until: date) -> dict[date | None, Stamps]:
        """See Feed. Reads all files; each copy of a repeated record counts."""
        found: dict[date | None, Stamps] = {}
        with duckdb.connect(config=_DUCKDB) as duck:
            for records, months in self._by_month(until):
                texts = records.column(self._city.change_field or self._city.occurrence_field).combine_chunks()
                duck.register("changes", pa.table({"month": months, "text": texts}))
                sums = duck.sql(_SUMS_SQL, params={"formats": list(self._city.timestamp_formats)}).fetchall()
                for month, *parts in sums:
                    known = _first_day(month)
                    found[known] = found.get(known, Stamps()).plus(Stamps(*parts))
        return found

    def month_records(self, months: Collection[date | None], until: date) -> Iterator[Record]:
        """See Feed. Reads all files, once."""
        wanted = pa.array([_NO_MONTH if month is None else f"{month:%Y-%m}" for month in months], pa.string())
        for records, found in self._by_month(until):
            yield from _rows(records.filter(pc.is_in(found, wanted)))

    def present(self, ids: Collection[int]) -> set[int]:
        """See Feed. Reads all files, once; any number in a damaged line may be the id of its record."""
        asked, found = set(ids), set[int]()
        wanted = pa.array(sorted(asked), pa.int64())
        for file in self._current_files():
            for part in file.parts():
                known = _whole_numbers(part.records.column(self._city.key_field))
                found.update(known.filter(pc.is_in(known, wanted)).to_pylist())
                for damaged in part.damaged:
                    found |= asked & set(map(int, re.findall("[0-9]{1,18}", damaged.line)))
        return found

    def _by_month(self, until: date) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Records with a change day up to `until`, with the month in which each occurred."""
        for file in self._current_files():
            with duckdb.connect(config=_DUCKDB) as duck:
                for records, days, _ in self._parts(file):
                    known = records.filter(pc.fill_null(pc.less_equal(days, until), False))
                    yield known, self._months(duck, known)

    @contextmanager
    def history(self, before: date) -> Iterator[History]:
        """Every record with a change day before `before` or none that can be read, and every damaged line.

        The files are read once and put in order by month of occurrence on disk.
        """
        files = self._current_files()
        more = (DAMAGE, RAW) if self._city.change_field else (DAMAGE, RAW, PUBLISHED)
        schema = pa.schema([(name, pa.string()) for name in (*self._all_fields(), *more)])
        versions = [[str(file.path), file.version] for file in files]
        source = json.dumps([FORMAT, str(before), str(self._today), schema.names, versions])
        spool = Spool(self._cache / "history", source, schema)
        if not spool.open():
            with closing(spool):
                for part, months in self._history_parts(files, before):
                    spool.add(_conformed(part, schema), months)
                spool.finish()
        yield History(source, sorted(spool.parts), spool.read)
        spool.remove()

    def _history_parts(self, files: list[ExportFile], before: date) -> Iterator[tuple[pa.Table, pa.Array]]:
        """Records and damaged lines, with the month in which each occurred; "none" where it cannot be told."""
        for file in files:
            with duckdb.connect(config=_DUCKDB) as duck:
                for records, days, damaged in self._parts(file):
                    is_old = pc.or_kleene(pc.less(days, before), pc.is_null(days))
                    # Copying all of it would be a waste: usually most of a source is history.
                    whole = records if self._city.change_field else _published(records, days)
                    old = whole if pc.all(is_old).as_py() else whole.filter(is_old)
                    # A future day is not pulled before it has come: records that claim to be of one are kept as damage.
                    early = records.filter(pc.fill_null(pc.greater_equal(days, max(before, self._today)), False))
                    damaged += [Damaged(EARLY, canonical_json(row)) for row in early.to_pylist()]
                    yield old, self._months(duck, old)
                    yield _damaged_table(damaged), pa.array([_NO_MONTH] * len(damaged), pa.string())

    def _months(self, duck: duckdb.DuckDBPyConnection, records: pa.Table) -> pa.Array:
        if self._city.occurrence_field not in records.column_names:
            return pa.array([_NO_MONTH] * len(records), pa.string())
        texts = records.column(self._city.occurrence_field).combine_chunks()
        duck.register("occurrences", pa.table({"text": texts}))
        duck.execute(parse_timestamp(self._city.formats_for(pc.first(texts).as_py())))
        found = duck.sql(_MONTHS_SQL).to_arrow_table()
        return found.column("month").combine_chunks()

    def _current_files(self) -> list[ExportFile]:
        """The files that match now, opened; anything known about a file that has changed is dropped."""
        pattern = os.path.expanduser(self._pattern)
        # A name that contains glob characters is still a name.
        matches = [pattern] if os.path.isfile(pattern) else sorted(glob(pattern, recursive=True))
        if not matches:
            raise UsageError(
                f"No file matches {self._pattern!r}: set CRIME_EXPORT to the path or glob of exports from the portal "
                "(CSV, perhaps in gzip, zip or tar, or Parquet)."
            )
        return [self._current_file(Path(match)) for match in matches]

    def _current_file(self, path: Path) -> ExportFile:
        known = self._files.get(path)
        if known and known.is_current:
            return known
        self._replays.pop(path, None)
        file = ExportFile(path, self._city.timezone)
        stamp = self._city.change_field
        for fields in (self._city.key_fields, (stamp,) if stamp else ()):
            if fields and not set(fields) & set(file.fields):
                raise FeedError(
                    f"The export {path} has no column {' or '.join(fields)}, read as {file.seen}: export the dataset "
                    "with all its columns, as CSV or Parquet."
                )
        self._files[path] = file
        return file

    def _all_fields(self) -> list[str]:
        return list(dict.fromkeys(name for file in self._current_files() for name in file.fields))

    def _replay(self, file: ExportFile, since: date = date.max) -> Replay:
        """What is kept of the file, with the records from `since` on; reads the whole file if that is not kept yet."""
        replay = self._replays.get(file.path) or open_replay(self._cache, file)
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
        self._replays[file.path] = replay
        return replay

    def _parts(self, file: ExportFile) -> Iterator[tuple[pa.Table, pa.Array, list[Damaged]]]:
        """A file's records with their change days, and its damaged lines."""
        with duckdb.connect(config=_DUCKDB) as duck:
            for part in file.parts():
                stamp = self._city.change_field
                days = self._days(duck, part.records.column(stamp)) if stamp else self._written(file, len(part.records))
                yield part.records, days, part.damaged

    def _written(self, file: ExportFile, rows: int) -> pa.Array:
        """The day on which a file was written, for each of its records."""
        written = self._city.today(datetime.fromtimestamp(file.path.stat().st_mtime, UTC))
        day = min(written, self._today - timedelta(days=2))
        return pa.repeat(pa.scalar(day, pa.date32()), rows)

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


def _published(records: pa.Table, days: pa.Array) -> pa.Table:
    """Records with the days on which they were published."""
    return records.append_column(PUBLISHED, days.cast(pa.string()))


def _within(counts: Counter[date], first: date, last: date) -> int:
    return sum(count for day, count in counts.items() if first <= day <= last)


def _rows(records: pa.Table) -> Iterator[Record]:
    """Records as the API has them: empty fields absent."""
    for row in records.to_pylist():
        yield {name: value for name, value in row.items() if value is not None}


def _first_day(month: str) -> date | None:
    return None if month == _NO_MONTH else date.fromisoformat(f"{month}-01")


def _whole_numbers(texts: pa.ChunkedArray) -> pa.Array:
    """The texts that are whole numbers, as integers."""
    trimmed = pc.utf8_trim_whitespace(texts.combine_chunks())
    whole = trimmed.filter(pc.fill_null(pc.match_substring_regex(trimmed, _WHOLE_NUMBER), False))
    return pc.replace_substring_regex(whole, r"[.].*", "").cast(pa.int64())


def _damaged_table(damaged: list[Damaged]) -> pa.Table:
    return pa.table(
        [[line.reason for line in damaged], [line.line for line in damaged]],
        schema=pa.schema([(DAMAGE, pa.string()), (RAW, pa.string())]),
    )


def _conformed(part: pa.Table, schema: pa.Schema) -> pa.Table:
    """`part` with the columns of `schema`, those it lacks NULL."""
    missing = pa.nulls(len(part), pa.string())
    columns = [part.column(name) if name in part.column_names else missing for name in schema.names]
    return pa.table(columns, schema=schema)
