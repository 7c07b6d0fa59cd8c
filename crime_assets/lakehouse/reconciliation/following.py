"""Following the publications of a city whose records have no change stamps, change day by change day.

A publication is compared with the lake when the newest change day that it can count for is run; what differs is pulled
for that day. Crimes that it lacks are noted in the landing store, and removed when the day has been merged.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, datetime

from crime_assets.core import keys
from crime_assets.core.errors import LandingError
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.difference import Difference, difference
from crime_assets.lakehouse.reconciliation.limits import Limits
from crime_assets.lakehouse.reconciliation.removal import Gone, Removal, record, remove
from crime_assets.lakehouse.reconciliation.spooled import SpooledRecords
from crime_assets.lakehouse.writing import taken
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import PublishedFeed
from crime_assets.streams import LandingStore


def newly_published(lake: Lake, city: City, feed: PublishedFeed, last: date) -> Difference:
    """What a pull of change days up to `last` takes: nothing if all was taken, or was published after that day.

    What was published since the feed's latest day counts for that one.
    """
    publication = feed.publication()
    undated = taken.undated(lake, city, publication.version)
    if undated is not None or min(publication.day, feed.latest_day()) > last:
        return Difference(0, 0, SpooledRecords(lake.staging), [], undated or 0)
    found = difference(lake, city, publication, Limits())
    if found.is_empty:
        taken.remember(lake, city, publication.version, found.undated)
    return found


def note_gone(landing: LandingStore, city: City, day: date, gone: Sequence[Gone]) -> None:
    """Note what the day's publication lacks; replaces what was noted for the day."""
    key = keys.gone(city.name, day)
    content = json.dumps([[row.id, row.updated_on.isoformat()] for row in gone]).encode()
    if gone or landing.read(key) is not None:
        landing.write(key, content)


def record_gone(lake: Lake, city: City, landing: LandingStore, days: Sequence[date], noticed_at: datetime) -> None:
    """Before these days are merged: record what was noted for them, so that the merge need not write it again."""
    for removal in _removals(landing, city, days, noticed_at):
        record(lake, city, removal)


def remove_gone(
    lake: Lake, city: City, landing: LandingStore, days: Sequence[date], noticed_at: datetime, marks: Mapping[str, str]
) -> int:
    """Remove what was noted for these days, unless it has been published again; returns how many crimes left."""
    return sum(remove(lake, city, removal, marks) for removal in _removals(landing, city, days, noticed_at))


def _removals(landing: LandingStore, city: City, days: Sequence[date], noticed_at: datetime) -> Iterator[Removal]:
    for day in days:
        if gone := _noted(landing, city, day):
            yield Removal(gone, day, noticed_at)


def _noted(landing: LandingStore, city: City, day: date) -> list[Gone]:
    key = keys.gone(city.name, day)
    content = landing.read(key)
    if content is None:
        return []
    try:
        return [Gone(row_id, datetime.fromisoformat(stamp)) for row_id, stamp in json.loads(content)]
    except (ValueError, TypeError) as error:
        raise LandingError(f"{key} cannot be read: pull the day again.") from error
