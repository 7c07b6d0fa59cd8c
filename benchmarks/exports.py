"""Loading a history from a CSV export of the portal, beside DuckDB that reads the same file and writes it by month.

    python -m benchmarks.exports write ROWS FILE        the sample city's history as the portal exports it
    python -m benchmarks.exports load FILE HOME         one row per crime, typed, as Iceberg
    python -m benchmarks.exports duckdb FILE DIRECTORY  what came, as month-partitioned Parquet

The peer takes no account of repeated ids, types, digests, damaged lines or memory: it is the least that anyone must do.
"""

from __future__ import annotations

import os
import sys
from datetime import timedelta
from pathlib import Path

import duckdb

from benchmarks.history import CITY, FIRST_DAY, records
from benchmarks.measuring import Figure, module, spend
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.history import load_history
from crime_assets.sources.feeds.export import ExportFeed

_API_TIME = "%Y-%m-%dT%H:%M:%S.%g"
_PORTAL_TIME = "%m/%d/%Y %I:%M:%S %p"
_TITLES = {
    "id": "ID",
    "case_number": "Case Number",
    "date": "Date",
    "block": "Block",
    "iucr": "IUCR",
    "primary_type": "Primary Type",
    "description": "Description",
    "location_description": "Location Description",
    "arrest": "Arrest",
    "domestic": "Domestic",
    "beat": "Beat",
    "district": "District",
    "ward": "Ward",
    "community_area": "Community Area",
    "fbi_code": "FBI Code",
    "x_coordinate": "X Coordinate",
    "y_coordinate": "Y Coordinate",
    "year": "Year",
    "updated_on": "Updated On",
    "latitude": "Latitude",
    "longitude": "Longitude",
    "location": "Location",
}
"""The portal's headings, in its order."""


def write(rows: int, file: Path) -> None:
    """Export the sample city. Records come in no order, as the portal's do not come by month."""
    written = {
        **{field: field for field in _TITLES},
        **{field: _portal_time(field) for field in ("date", "updated_on")},
        "location": "format('({}, {})', location ->> 'latitude', location ->> 'longitude')",
    }
    columns = ", ".join(f'{written[field]} AS "{title}"' for field, title in _TITLES.items())
    with records(rows) as read, duckdb.connect() as con:
        con.register("records", read)
        con.execute(f"COPY (SELECT {columns} FROM records ORDER BY hash(id)) TO ? (FORMAT csv, HEADER)", [str(file)])


def _portal_time(field: str) -> str:
    """A time as the portal writes it; what is none stays what it is."""
    return f"coalesce(strftime(try_strptime({field}, '{_API_TIME}'), '{_PORTAL_TIME}'), {field})"


def load(file: Path, home: Path) -> None:
    """The export becomes a lake."""
    feed = ExportFeed(CITY, str(file), cache=home / "feed", today=FIRST_DAY + timedelta(days=1))
    result = load_history(Lake(home), CITY, feed, FIRST_DAY, "benchmark")
    print(f"{result.rows} rows")


def duckdb_alone(file: Path, directory: Path) -> None:
    """The same records, written by month as they are."""
    with duckdb.connect() as con:
        con.execute("SET preserve_insertion_order = false")
        con.execute(
            f"COPY (SELECT *, strftime(try_strptime(\"Date\", '{_PORTAL_TIME}'), '%Y-%m') AS month "
            "FROM read_csv(?, all_varchar = true)) TO ? (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (month))",
            [str(file), str(directory)],
        )


def figures(rows: int, place: Path) -> list[Figure]:
    """The load beside its peer, and its memory."""
    file = place / "export.csv"
    spend(module("exports", "write", rows, file))
    os.sync()  # what is left to be written is nobody's to wait for
    ours = spend(module("exports", "load", file, place / "from-export"))
    peer = spend(module("exports", "duckdb", file, place / "duckdb-export"))
    return [
        Figure(
            f"load the history from a CSV export, {int(ours.printed.split()[0]):,} rows",
            f"{ours.seconds:.1f} s, {ours.peak:.2f} GiB",
            f"DuckDB, month-partitioned Parquet: {peer.seconds:.1f} s, {peer.peak:.2f} GiB",
            ours.seconds / peer.seconds,
            2,
        ),
        Figure("its memory, GiB", f"{ours.peak:.2f}", "bound: 2", ours.peak / 2, 1),
    ]


if __name__ == "__main__":
    if sys.argv[1] == "write":
        write(int(sys.argv[2]), Path(sys.argv[3]))
    else:
        work = {"load": load, "duckdb": duckdb_alone}[sys.argv[1]]
        work(Path(sys.argv[2]), Path(sys.argv[3]))
