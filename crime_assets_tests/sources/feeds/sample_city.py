"""The simulated city as tests ask it."""

from __future__ import annotations

import json
from datetime import date, datetime

from crime_assets.sources import cities
from crime_assets.sources.feeds import Record
from crime_assets.sources.feeds.sample import SampleFeed

CHICAGO = cities.get("chicago")
ORIGIN, TODAY = date(2025, 11, 14), date(2025, 11, 21)
UNTYPABLE = "#VALUE!"


def city(*, rows: int = 10_000, today: date = TODAY, origin: date = ORIGIN, seed: int = 7) -> SampleFeed:
    return SampleFeed(CHICAGO, origin=origin, today=today, rows=rows, seed=seed)


def as_record(row: dict[str, object]) -> Record:
    """A row of a history batch as the API would return it."""
    record = {name: value for name, value in row.items() if value is not None}
    if "location" in record:
        record["location"] = json.loads(str(record["location"]))
    return record


def by_id(feed: SampleFeed) -> dict[object, Record]:
    """All that the city shows, through `changes`."""
    return {record["id"]: record for record in feed.changes(date.min, date.max)}


def change_day(record: Record) -> date:
    return datetime.fromisoformat(str(record["updated_on"])).date()


def occurred(record: Record) -> date | None:
    return None if record["date"] == UNTYPABLE else datetime.fromisoformat(str(record["date"])).date()
