"""Records as the live portal publishes them."""

from __future__ import annotations

from datetime import date

from crime_assets.sources.feeds import Record

TOKEN = "s3cret-t0ken"
DAY = date(2022, 4, 2)
NEXT_DAY = date(2022, 4, 3)


def record(number: int, **fields: object) -> Record:
    """One record as the API gives it, changed on DAY."""
    published: Record = {
        "id": str(number),
        "case_number": f"JF{number:06d}",
        "date": "2022-03-26T23:48:00.000",
        "primary_type": "THEFT",
        "arrest": number % 3 == 0,
        "domestic": False,
        "updated_on": "2022-04-02T16:49:26.000",
        "location": {"longitude": "-87.6", "latitude": "41.8"},
    }
    return {name: value for name, value in {**published, **fields}.items() if value is not None}


def by_id(records: list[Record]) -> list[Record]:
    return sorted(records, key=lambda one: str(one["id"]))
