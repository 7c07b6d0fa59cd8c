"""Loading a source's history again into a lake that has one, to correct what the first load lacked or had wrong.

Each record is merged like one of a change day: the newest stamp wins, and of equal stamps the record read now. Nothing
is removed; `reconciliation` deals with what the source no longer has. An interruption leaves a sound lake, and the next
call does all of it again; what was already merged changes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta

import duckdb
import pyarrow as pa

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import UNDATED_MARK
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.writing.history import history_before, reasons
from crime_assets.lakehouse.writing.merge import count, merge_typed
from crime_assets.lakehouse.writing.settling import check_total, check_typed
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed, History

_PARTS_TOGETHER = 5
"""Parts are usually months, of some 25,000 records: what is merged at once is held in memory."""


@dataclass(frozen=True)
class ReloadResult:
    """What a reload did, in records of the source and in rows of the tables."""

    records: int
    inserted: int
    replaced: int
    superseded: int
    quarantined: int


def reload_history(lake: Lake, city: City, feed: Feed, run_id: str) -> ReloadResult:
    """Merge everything that the source holds with a change stamp before the lake's first change day.

    Untypable or FeedError, with nothing changed, if too much of it cannot be typed, or if it has far fewer records than
    the lake. CrimeAssetsError if no history was loaded yet.
    """
    with lake.writing():
        before = history_before(lake, city)
        if before is None:
            raise CrimeAssetsError("The lake has no history yet to load again: run `crime-assets run` first.")
        check_total(lake, city, feed)
        with feed.history(before) as history, connection(lake.staging) as con:
            typing.prepare_functions(con)
            typing.prepare(con, city)
            pulled_at, published = datetime.now(UTC), before - timedelta(days=1)
            records, undated = _judge(con, city, history, pulled_at, published)
            marks = {"kind": "history", UNDATED_MARK: str(undated), "run-id": run_id}
            merged = [merge_typed(lake, city, con, marks) for _ in _typed(con, city, history, pulled_at, published)]
        return ReloadResult(
            records,
            sum(result.inserted for result in merged),
            sum(result.replaced for result in merged),
            sum(result.superseded for result in merged),
            sum(result.quarantined for result in merged),
        )


def _judge(
    con: duckdb.DuckDBPyConnection, city: City, history: History, pulled_at: datetime, published: date
) -> tuple[int, int]:
    """How many records there are and how many belong to no change day. FeedError if too many cannot be typed."""
    records = undated = 0
    untyped: Counter[str] = Counter()
    for _ in _typed(con, city, history, pulled_at, published):
        records += count(con, "SELECT count(*) FROM typed")
        undated += count(con, "SELECT count(*) FROM typed WHERE change_day IS NULL")
        untyped.update(reasons(con))
    check_typed(city, records, untyped)
    return records, undated


def _typed(
    con: duckdb.DuckDBPyConnection, city: City, history: History, pulled_at: datetime, published: date
) -> Iterator[Sequence[str]]:
    """Create the table `typed` from a few parts at a time; yields their names."""
    for start in range(0, len(history.parts), _PARTS_TOGETHER):
        parts = history.parts[start : start + _PARTS_TOGETHER]
        records = pa.concat_tables(map(history.read, parts), promote_options="default")
        typing.raw_from_history(con, records, city, pulled_at, published)
        con.execute(f"CREATE OR REPLACE TEMP TABLE typed AS {typing.typed_query(city)}")
        yield parts
