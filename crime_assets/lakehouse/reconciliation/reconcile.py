"""Compares `crimes` with its source: changes can be missed, and removed records do not show up as changes.

Counts per month of occurrence, with the sums of the parts of the change stamps, say where to look; ids and stamps say
what differs. Only `merge_landed` changes anything here: missing records are pulled like those of a change day;
removed ones are left to `removal`.

Changes that leave no trace in these figures are not seen: an edit that kept its stamp; an edit if another crime of the
month has a stamp that is newer here by just as much; one crime in place of another with the same stamp in the same
month. A version that is newer here than at the source stays, because the newest stamp wins; it is counted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import islice

import duckdb
import pyarrow as pa

from crime_assets.core.digests import record_digest
from crime_assets.core.sql import render, statement
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.difference import difference
from crime_assets.lakehouse.reconciliation.limits import Guard, Limits
from crime_assets.lakehouse.reconciliation.removal import Gone
from crime_assets.lakehouse.reconciliation.spooled import SpooledRecords
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, Column, arrow_schema
from crime_assets.lakehouse.writing.merge import MergeResult, count, merge_deliveries
from crime_assets.sources.cities import City, alternatives
from crime_assets.sources.feeds import PublishedFeed, Record, StampedFeed, Stamps
from crime_assets.streams import LandingStore
from crime_assets.streams.inventory import contents_of, record_merged, take_inventory
from crime_assets.streams.pull import LOOK_BACK, days_between

_CHUNK = 50_000
"""Records compared, and ids asked for, together."""
_PUBLISHED = pa.schema([("position", pa.int64()), ("id", pa.string()), ("updated_on", pa.string())])


@dataclass(frozen=True)
class MonthCounts:
    """Records of a month of occurrence with a change stamp up to the day compared; `month` is its first day or None."""

    month: date | None
    source: int
    lake: int
    restamped: bool = False
    """Whether the source has equally many records but other stamps: some were edited."""

    @property
    def differ(self) -> bool:
        """Whether anything does."""
        return self.source != self.lake or self.restamped


@dataclass(frozen=True)
class Comparison:
    """The result of a comparison: all months, newest first, what the lake lacks, and what the source lacks."""

    until: date
    rows: int
    """Rows of `crimes` that were compared."""
    months: Sequence[MonthCounts]
    missing: SpooledRecords
    """The source's records of which the lake has no version, or an older one."""
    gone: Sequence[Gone]
    newer_here: int = 0
    """Rows in differing months whose stamp is newer than the source's, which went back to an older version."""

    @property
    def differing(self) -> list[MonthCounts]:
        """The months that differ."""
        return [counts for counts in self.months if counts.differ]


def compare(lake: Lake, city: City, feed: StampedFeed | PublishedFeed, until: date, limits: Limits) -> Comparison:
    """Compare what the lake and the source hold of the changes up to `until`, the last change day the lake has merged.

    Without change stamps, all records are compared, and there are no counts by month. FeedError, saying what a person
    can do, if the source's answers are not credible.
    """
    if isinstance(feed, PublishedFeed):
        found = difference(lake, city, feed.publication(), limits)
        return Comparison(until, found.rows, [], found.missing, found.gone)
    missing = SpooledRecords(lake.staging)
    with connection(lake.staging) as con:
        guard = Guard(city, limits, _read_lake(lake, city, con, until))
        months = _months(con, feed, until)
        guard.total(sum(month.source for month in months), feed, until)
        differing = [month for month in months if month.differ]
        if not differing:
            return Comparison(until, guard.rows, months, missing, [])
        _find_missing(con, feed, differing, until, guard, missing)
        newer_here = count(con, _statement("newer_here", until))
        gone = _gone(con, feed, [month.month for month in differing], until, guard)
    return Comparison(until, guard.rows, months, missing, gone, newer_here)


def merge_landed(
    lake: Lake, city: City, landing: LandingStore, day: date, properties: Mapping[str, str]
) -> MergeResult:
    """Merge what has landed for a change day that was merged before, and for the days its pull looks back on."""
    days = days_between(day - LOOK_BACK, day)
    inventories = {each: take_inventory(landing, city.name, each) for each in days}
    contents = contents_of(landing, city.name, inventories)
    result = merge_deliveries(lake, city, contents, {"change-days": f"{day}/{day}", **properties})
    record_merged(landing, city.name, {day: inventories[day]})
    return result


def _read_lake(lake: Lake, city: City, con: duckdb.DuckDBPyConnection, until: date) -> int:
    """Create `held` from crimes and `quarantine_texts` from the quarantine; returns how many rows are compared."""
    typing.prepare(con, city)
    _view(lake, city, con, "crimes", CRIMES)
    con.execute("CREATE TEMP TABLE held AS SELECT id, month, updated_on, change_day FROM crimes")
    _view(lake, city, con, "crimes_quarantine", QUARANTINE)
    texts = {column: _raw_text(city, column) for column in ("id", "occurred_at", "updated_on")}
    columns = ", ".join(f"{text} AS {column}" for column, text in texts.items())
    con.execute(f"CREATE TEMP TABLE quarantine_texts AS SELECT record_md5, {columns} FROM crimes_quarantine")
    return count(con, f"SELECT count(*) FROM held WHERE change_day <= DATE {literal(until.isoformat())}")


def _view(lake: Lake, city: City, con: duckdb.DuckDBPyConnection, name: str, columns: tuple[Column, ...]) -> None:
    table = tables.load(lake, city.name, name)
    files = tables.data_files(table) if table is not None else []
    if table is not None and files:
        paths = ", ".join(map(literal, tables.fetch(table, files)))
        con.execute(f"CREATE TEMP VIEW {name} AS FROM read_parquet([{paths}], hive_partitioning = false)")
    else:
        con.register(name, arrow_schema(columns).empty_table())


def _raw_text(city: City, column: str) -> str:
    """The source's text for a column; the quarantine also holds texts that are not JSON."""
    record = "CASE WHEN json_valid(raw) THEN raw END"
    texts = []
    for fields in alternatives(city.columns[column]):
        paths = (literal(f'$."{field}"') for field in fields)
        joined = ", ".join(f"json_extract_string({record}, {path})" for path in paths)
        texts.append(f"nullif(trim(concat_ws(' ', {joined})), '')")
    return f"coalesce({', '.join(texts)})"


def _months(con: duckdb.DuckDBPyConnection, feed: StampedFeed, until: date) -> list[MonthCounts]:
    in_source = feed.month_stamps(until)
    rows = con.execute(_statement("held_stamps", until)).fetchall()
    in_lake: dict[date | None, Stamps] = {month: Stamps(*figures) for month, *figures in rows}
    pairs = {month: (in_source.get(month, Stamps()), in_lake.get(month, Stamps())) for month in in_source | in_lake}
    months = sorted(pairs, key=lambda month: month or date.min, reverse=True)
    return [
        MonthCounts(month, source.records, held.records, source.records == held.records and source != held)
        for month, (source, held) in ((month, pairs[month]) for month in months)
    ]


def _find_missing(
    con: duckdb.DuckDBPyConnection,
    feed: StampedFeed,
    months: Collection[MonthCounts],
    until: date,
    guard: Guard,
    missing: SpooledRecords,
) -> None:
    """Put the source's records of these months that are not in the lake into `missing`; creates `published_versions`
    with the ids and stamps of all of them.
    """
    con.execute("CREATE TEMP TABLE published_versions (id BIGINT, updated_on TIMESTAMP)")
    known = {row[0] for row in con.execute("SELECT record_md5 FROM quarantine_texts").fetchall()}
    candidates = sum(month.source for month in months)
    records = iter(feed.month_records([month.month for month in months], until))
    while chunk := list(islice(records, _CHUNK)):
        con.register("published", _published(guard.city, chunk))
        con.execute(f"CREATE OR REPLACE TEMP TABLE arrived AS {_statement('arrived', until)}")
        con.execute("INSERT INTO published_versions SELECT id, updated_on FROM arrived WHERE id IS NOT NULL")
        for (position,) in con.execute(_statement("missing", until)).fetchall():
            digest = record_digest(chunk[position])
            if digest not in known:
                missing.add(chunk[position])
                known.add(digest)
        guard.missing(len(missing), candidates)


def _published(city: City, records: Sequence[Record]) -> pa.Table:
    texts = [[_text(record.get(field)) for record in records] for field in (city.key_field, city.change_field or "")]
    return pa.table([range(len(records)), *texts], schema=_PUBLISHED)


def _text(value: object) -> str | None:
    # JSON can hold lone surrogates, Arrow cannot.
    return None if value is None else str(value).encode("utf-8", "replace").decode("utf-8")


def _gone(
    con: duckdb.DuckDBPyConnection, feed: StampedFeed, months: Iterable[date | None], until: date, guard: Guard
) -> list[Gone]:
    """Rows of these months that the source no longer has, in any month or with any stamp."""
    con.execute("CREATE TEMP TABLE differing (month DATE)")
    con.executemany("INSERT INTO differing VALUES (?)", [[month] for month in months])
    con.execute(f"CREATE TEMP TABLE unpublished AS {_statement('unpublished', until)}")
    candidates = count(con, "SELECT count(*) FROM unpublished")
    gone: list[Gone] = []
    rows = con.execute("FROM unpublished ORDER BY id")
    while some := [Gone(*row) for row in rows.fetchmany(_CHUNK)]:
        present = feed.present({int(row.id) for row in some})
        gone += [row for row in some if row.id not in present]
        guard.gone(len(gone), candidates)
    return gone


def _statement(name: str, until: date) -> str:
    return render(statement("crimes", name), "duckdb", {"until": until})
