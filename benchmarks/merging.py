"""Merging a day of 5,000 changes into a loaded lake, beside others that merge the same into a table of the same files.

    python -m benchmarks.merging HOME ROWS [upsert]

Prints the seconds of the merge alone, and of pyiceberg's own `Table.upsert` of the same rows if it is asked for. Spark
is the business of `spark`.
"""

from __future__ import annotations

import sys
import time
from datetime import timedelta
from importlib.metadata import version
from pathlib import Path

from benchmarks import spark
from benchmarks.changes import EDITED, NEW, changes, table_of_same_files, typed_rows
from benchmarks.history import CITY, FIRST_DAY
from benchmarks.measuring import Figure, module, spend
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.merge import merge_deliveries
from crime_assets.streams.inventory import PlainObject


def merge(lake: Lake, delivered: list[PlainObject]) -> float:
    """Seconds of a merge."""
    start = time.perf_counter()
    result = merge_deliveries(lake, CITY, delivered, {})
    seconds = time.perf_counter() - start
    assert (result.inserted, result.replaced) == (NEW, EDITED), result
    return seconds


def upsert(lake: Lake, delivered: list[PlainObject]) -> float:
    """Seconds of pyiceberg's upsert into a table of the same files."""
    peer = table_of_same_files(lake, lake)
    rows = typed_rows(lake, delivered)
    start = time.perf_counter()
    result = peer.upsert(rows, join_cols=["id"])
    seconds = time.perf_counter() - start
    assert (result.rows_inserted, result.rows_updated) == (NEW, EDITED), result
    return seconds


def figures(rows: int, small: int, few: Path, many: Path, place: Path) -> list[Figure]:
    """Merges into both lakes, and by others into tables of the large one's files; says so where Spark is left out."""
    # Before ours, which is to find the same rows.
    seconds = _by_spark(rows, many, place / "spark")
    ours, peer = map(float, spend(module("merging", many, rows, "upsert")).printed.split())
    less = float(spend(module("merging", few, small)).printed)
    found = [
        Figure(
            f"merge {NEW + EDITED:,} changes into {rows:,} rows",
            f"{ours:.2f} s",
            f"pyiceberg Table.upsert: {peer:.1f} s",
            ours / peer,
            1 / 25,
        ),
        Figure(f"the same, from {small:,} to {rows:,} rows", f"{ours:.2f} s", f"{less:.2f} s", ours / less, 2),
    ]
    if seconds is not None:
        what = f"Spark {version('pyspark')} MERGE INTO, session warm: {seconds:.1f} s"
        found.insert(1, Figure("the same", f"{ours:.2f} s", what, ours / seconds, 1 / 3))
    return found


def _by_spark(rows: int, home: Path, directory: Path) -> float | None:
    if reason := spark.missing():
        print(f"Left out: Spark's MERGE INTO of the same changes, because {reason}", flush=True)
        return None
    return float(spend(module("spark", "plain", rows, home, directory)).printed)


if __name__ == "__main__":
    home, size = Path(sys.argv[1]), int(sys.argv[2])
    first, second = (changes(size, FIRST_DAY + timedelta(days=n)) for n in range(2))
    lake_of_it = Lake(home)
    merge(lake_of_it, first)  # the first one opens the catalog and fills the caches
    print(merge(lake_of_it, second))
    if sys.argv[3:] == ["upsert"]:
        print(upsert(lake_of_it, changes(size, FIRST_DAY + timedelta(days=2))))
