"""Files as the portal exports them, and what the feed reads in them."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from datetime import date
from pathlib import Path

from crime_assets.sources.cities import get
from crime_assets.sources.feeds import DAMAGE, RAW, Record
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import api_name
from crime_assets_tests.sources.feeds.histories import read_history

HEADER = (
    b"ID,Case Number,Date,Block,IUCR,Primary Type,Description,Location Description,Arrest,Domestic,Beat,District,Ward,"
    b"Community Area,FBI Code,X Coordinate,Y Coordinate,Year,Updated On,Latitude,Longitude,Location"
)
TITLES = HEADER.decode().split(",")
FIELDS = [api_name(title) for title in TITLES]
DAY = date(2018, 11, 19)
LATER = date(2018, 11, 20)
TODAY = date(2100, 1, 1)
FOREVER = (date(1, 1, 1), date(9999, 12, 31))


def crime(number: int, **changed: str) -> Record:
    """A record as the feed should give it."""
    record = {
        "id": str(number),
        "case_number": f"HZ{number}",
        "date": "11/01/2018 12:01:00 AM",
        "block": "014XX S AVERS AVE",
        "iucr": "031A",
        "primary_type": "ROBBERY",
        "description": "HANDS, FISTS, FEET",
        "location_description": 'BAR "THE END"',
        "arrest": "false",
        "domestic": "true",
        "beat": "0111",
        "district": "001",
        "fbi_code": "03",
        "year": "2018",
        "updated_on": "11/19/2018 04:14:28 PM",
        "latitude": "41.861717546",
        "longitude": "-87.721386272",
        "location": "(41.861717546, -87.721386272)",
    }
    return {name: value for name, value in {**record, **changed}.items() if value}


def line(record: Record) -> bytes:
    """The record as the portal writes it, without the line's end."""
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerow([record.get(name, "") for name in FIELDS])
    return text.getvalue().encode().removesuffix(b"\r\n")


def export(path: Path, lines: Iterable[bytes], end: bytes = b"\n", header: bytes = HEADER) -> ExportFeed:
    path.write_bytes(b"".join(text + end for text in (header, *lines)))
    return feed(path)


def stamp(day: date) -> str:
    return f"{day:%m/%d/%Y} 04:14:28 PM"


class Kept:
    """Where feeds of the running test keep what a replay needs."""

    directory: Path


def feed(pattern: Path | str) -> ExportFeed:
    return ExportFeed(get("chicago"), str(pattern), cache=Kept.directory, today=TODAY)


def changes(source: ExportFeed, first: date = FOREVER[0], last: date = FOREVER[1]) -> list[Record]:
    return sorted(source.changes(first, last), key=repr)


def history(source: ExportFeed, before: date = LATER) -> tuple[list[Record], dict[str, str]]:
    """Records, and damaged lines with their reasons."""
    rows = [
        {name: value for name, value in row.items() if value is not None}
        for row in read_history(source, before).to_pylist()
    ]
    assert all(row.keys() == {DAMAGE, RAW} for row in rows if DAMAGE in row)
    records = [row for row in rows if DAMAGE not in row]
    return sorted(records, key=repr), {row[RAW]: row[DAMAGE] for row in rows if DAMAGE in row}


def in_order(records: Iterable[Record]) -> list[Record]:
    return sorted(records, key=repr)
