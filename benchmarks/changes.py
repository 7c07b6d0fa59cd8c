"""A day of 5,000 changes to a loaded lake, and the same for peers: as typed rows, and a table to merge them into.

3,600 are new crimes of one month, 1,400 are edits over 24 months.
"""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pyarrow as pa
from pyiceberg.table import Table

from benchmarks.history import CITY, FIRST_DAY, feed
from crime_assets.core.envelopes import seal
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection
from crime_assets.lakehouse.iceberg.tables import Change
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import local_path
from crime_assets.lakehouse.records.typing import prepare
from crime_assets.lakehouse.schema import CRIMES, iceberg_schema, published
from crime_assets.lakehouse.writing.delivered import type_deliveries
from crime_assets.streams.inventory import PlainObject

NEW, EDITED = 3_600, 1_400
_MONTHS = 24
_PULLED = datetime(2025, 11, 21, 8, tzinfo=UTC)


def changes(rows: int, day: date) -> list[PlainObject]:
    """The changes of a day, as they are found in the landing store; other ones for another day."""
    rng = random.Random(day.toordinal())
    stamp = f"{day}T16:00:00.000"
    records = []
    with feed(rows).history(FIRST_DAY) as history:
        months = list(history.parts)[-_MONTHS - 1 : -1]
        for number, month in enumerate(months):
            of_month = _records(history.read(month))
            share = EDITED // _MONTHS + (number < EDITED % _MONTHS)
            records += [{**record, "arrest": True, "updated_on": stamp} for record in rng.sample(of_month, share)]
        base = 10**9 * (day - FIRST_DAY + timedelta(days=1)).days
        records += [
            {
                **record,
                "id": str(base + number),
                "updated_on": stamp,
                "date": f"2025-11-{1 + number % 12:02}T10:00:00.000",
            }
            for number, record in enumerate(of_month[:NEW])
        ]
    lines = [seal(record, CITY.name, day, "benchmark", _PULLED) for record in records]
    kinds = {name: [kind] for name, kind in CITY.source_columns.items()}
    return [PlainObject(b"".join(lines), len(lines), kinds)]


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


def table_of_same_files(lake: Lake, other: Lake) -> Table:
    """A table of the files that the lake has of its crimes, in the same lake or in another."""
    crimes = tables.load(lake, CITY.name, "crimes")
    assert crimes is not None
    held = [Path(local_path(file.file_path)) for file in tables.data_files(crimes)]
    same = tables.create(other, "benchmark", "crimes", iceberg_schema(published(CRIMES, CITY)), month_of="occurred_at")
    tables.commit(same, Change((), held, {}))
    return other.catalog.load_table(("benchmark", "crimes"))


def typed_rows(lake: Lake, delivered: list[PlainObject]) -> pa.Table:
    """What was delivered as rows of the table."""
    with connection(lake.staging) as con:
        prepare(con, CITY)
        type_deliveries(con, delivered, CITY, _PULLED)
        columns = ", ".join(column.name for column in published(CRIMES, CITY))
        return con.sql(f"SELECT {columns} FROM typed").to_arrow_table()
