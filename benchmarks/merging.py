"""Merging a day of 5,000 changes into a loaded lake, beside pyiceberg's own `Table.upsert` of the same rows.

    python -m benchmarks.merging HOME ROWS [upsert]

Prints the seconds of the merge alone, and of the upsert if it is asked for: 3,600 new crimes of one month and 1,400
edits over 24 months.
"""

from __future__ import annotations

import json
import random
import sys
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa

from benchmarks.history import CITY, FIRST_DAY, feed
from benchmarks.measuring import Figure, module, spend
from crime_assets.core.envelopes import Envelope, seal, unseal
from crime_assets.lakehouse import tables
from crime_assets.lakehouse.delivered import type_deliveries
from crime_assets.lakehouse.duck import connection
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.merge import merge_deliveries
from crime_assets.lakehouse.schema import CRIMES, iceberg_schema
from crime_assets.lakehouse.tables import Change
from crime_assets.lakehouse.typing import TYPED_COLUMNS, prepare

_NEW, _EDITED, _MONTHS = 3_600, 1_400, 24
_PULLED = datetime(2025, 11, 21, 8, tzinfo=UTC)


def changes(rows: int, day: date) -> list[Envelope]:
    """The changes of a day, as delivered; other ones for another day."""
    rng = random.Random(day.toordinal())
    stamp = f"{day}T16:00:00.000"
    records = []
    with feed(rows).history(FIRST_DAY) as history:
        months = list(history.parts)[-_MONTHS - 1 : -1]
        for number, month in enumerate(months):
            of_month = _records(history.read(month))
            share = _EDITED // _MONTHS + (number < _EDITED % _MONTHS)
            records += [{**record, "arrest": True, "updated_on": stamp} for record in rng.sample(of_month, share)]
        base = 10**9 * (day - FIRST_DAY + timedelta(days=1)).days
        records += [
            {
                **record,
                "id": str(base + number),
                "updated_on": stamp,
                "date": f"2025-11-{1 + number % 12:02}T10:00:00.000",
            }
            for number, record in enumerate(of_month[:_NEW])
        ]
    return [unseal(seal(record, CITY.name, day, "benchmark", _PULLED), CITY.name) for record in records]


def _records(month: pa.Table) -> list[dict[str, object]]:
    found = []
    for row in month.to_pylist():
        if "#VALUE!" in row.values():
            continue  # cannot be typed
        record = {name: value for name, value in row.items() if value is not None}
        if "location" in record:
            record["location"] = json.loads(record["location"])
        found.append(record)
    return found


def merge(lake: Lake, delivered: list[Envelope]) -> float:
    """Seconds of a merge."""
    start = time.perf_counter()
    result = merge_deliveries(lake, CITY, delivered, {})
    seconds = time.perf_counter() - start
    assert (result.inserted, result.replaced) == (_NEW, _EDITED), result
    return seconds


def upsert(lake: Lake, delivered: list[Envelope]) -> float:
    """Seconds of pyiceberg's upsert into a table of the same files."""
    crimes = tables.load(lake, CITY.name, "crimes")
    assert crimes is not None
    held = [Path(tables.local_path(file.file_path)) for file in tables.data_files(crimes)]
    peer = tables.create(lake, "benchmark", "crimes", iceberg_schema(CRIMES), month_of="occurred_at")
    tables.commit(peer, Change((), held, {}))
    with connection(lake.staging) as con:
        prepare(con, CITY)
        type_deliveries(con, delivered, CITY, _PULLED)
        rows = con.sql(f"SELECT {', '.join(TYPED_COLUMNS)} FROM typed").to_arrow_table()
    peer = lake.catalog.load_table(("benchmark", "crimes"))
    start = time.perf_counter()
    result = peer.upsert(rows, join_cols=["id"])
    seconds = time.perf_counter() - start
    assert (result.rows_inserted, result.rows_updated) == (_NEW, _EDITED), result
    return seconds


def figures(rows: int, small: int, few: Path, many: Path) -> list[Figure]:
    """Merges into both lakes, and the upsert into the large one."""
    ours, peer = map(float, spend(module("merging", many, rows, "upsert")).printed.split())
    less = float(spend(module("merging", few, small)).printed)
    return [
        Figure(
            f"merge {_NEW + _EDITED:,} changes into {rows:,} rows",
            f"{ours:.2f} s",
            f"pyiceberg Table.upsert: {peer:.1f} s",
            ours / peer,
            1 / 20,
        ),
        Figure(f"the same, from {small:,} to {rows:,} rows", f"{ours:.2f} s", f"{less:.2f} s", ours / less, 2),
    ]


if __name__ == "__main__":
    home, size = Path(sys.argv[1]), int(sys.argv[2])
    first, second = (changes(size, FIRST_DAY + timedelta(days=n)) for n in range(2))
    lake_of_it = Lake(home)
    merge(lake_of_it, first)  # the first one opens the catalog and fills the caches
    print(merge(lake_of_it, second))
    if sys.argv[3:] == ["upsert"]:
        print(upsert(lake_of_it, changes(size, FIRST_DAY + timedelta(days=2))))
