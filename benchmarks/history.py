"""Loading a history of millions of rows, beside DuckDB that reads the same records and writes them by month.

    python -m benchmarks.history load ROWS HOME        one row per crime, typed, as Iceberg
    python -m benchmarks.history duckdb ROWS DIRECTORY  what came, as month-partitioned Parquet

The peer takes no account of repeated ids, types, digests or memory: it is the least that anyone must do.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from itertools import chain
from pathlib import Path

import duckdb
import pyarrow as pa

from benchmarks.measuring import Figure, module, spend
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.sources.cities import get
from crime_assets.sources.feeds.sample import SampleFeed

CITY = get("chicago")
FIRST_DAY = date(2025, 11, 20)
"""The lake's first change day; the history is what was published before it."""


def feed(rows: int) -> SampleFeed:
    """A city of so many rows, always the same."""
    return SampleFeed(CITY, origin=FIRST_DAY, today=FIRST_DAY, rows=rows)


@contextmanager
def records(rows: int) -> Iterator[pa.RecordBatchReader]:
    """The city's history as a stream."""
    with feed(rows).history(FIRST_DAY) as history:
        parts = map(history.read, history.parts)
        first = next(parts)
        yield pa.RecordBatchReader.from_batches(first.schema, _batches(chain([first], parts)))


def load(rows: int, home: Path) -> None:
    """The history becomes a lake."""
    result = load_history(Lake(home), CITY, feed(rows), FIRST_DAY, "benchmark")
    print(f"{result.rows} rows")


def duckdb_alone(rows: int, directory: Path) -> None:
    """The same records, written by month as they are."""
    with records(rows) as read, duckdb.connect() as con:
        con.register("records", read)
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            "COPY (SELECT * EXCLUDE (_damage, _raw), try_strptime(date, '%Y-%m-%dT%H:%M:%S.%g') AS occurred_at, "
            "strftime(occurred_at, '%Y-%m') AS month FROM records) TO ? "
            "(FORMAT parquet, COMPRESSION zstd, PARTITION_BY (month))",
            [str(directory)],
        )


def _batches(tables: Iterator[pa.Table]) -> Iterator[pa.RecordBatch]:
    for table in tables:
        yield from table.to_batches()


def figures(rows: int, small: int, place: Path) -> tuple[list[Figure], Path, Path]:
    """The figures, and the homes of the lakes with few and many rows that were loaded for them."""
    few, many = place / "few", place / "many"
    ours = spend(module("history", "load", rows, many))
    peer = spend(module("history", "duckdb", rows, place / "duckdb"))
    less = spend(module("history", "load", small, few))
    found = [
        Figure(
            f"load the history, {int(ours.printed.split()[0]):,} rows",
            f"{ours.seconds:.1f} s, {ours.peak:.2f} GiB",
            f"DuckDB, month-partitioned Parquet: {peer.seconds:.1f} s, {peer.peak:.2f} GiB",
            ours.seconds / peer.seconds,
            1.5,
        ),
        Figure(
            f"the same, from {small:,} to {rows:,} rows",
            f"{ours.seconds:.1f} s",
            f"{less.seconds:.1f} s",
            ours.seconds / less.seconds,
            11,
        ),
        Figure("its memory, GiB", f"{ours.peak:.2f}", "bound: 2", ours.peak / 2, 1),
    ]
    return found, few, many


if __name__ == "__main__":
    work = {"load": load, "duckdb": duckdb_alone}[sys.argv[1]]
    work(int(sys.argv[2]), Path(sys.argv[3]))
