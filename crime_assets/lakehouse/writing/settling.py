"""Whether what was read from a source is good enough to be accepted as a city's history, or as its newest state."""

from __future__ import annotations

from collections.abc import Mapping

from crime_assets.core.errors import FeedError, Untypable
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import EARLY, Feed

MOST_UNTYPED = 0.05
"""The share of a history that may be in quarantine. In real exports it is a few in a million; in a dataset whose format
has changed, nearly all."""
FEWEST_UNTYPED = 10
"""Fewer records than this may be a larger share of a small history, as long as they are at most half of it."""
_REASONS_TOLD = 3

MOST_LACKING = 0.005
_FEWEST_LACKING = 100


def check_typed(city: City, records: int, reasons: Mapping[str, int], what: str = "history") -> None:
    """Untypable if too many of a history's or a publication's records cannot be typed; `reasons` counts them.

    Records of future days, by the machine's clock, do not count: nothing is wrong with them.
    """
    records -= reasons.get(EARLY, 0)
    reasons = {reason: count for reason, count in reasons.items() if reason != EARLY}
    untyped = sum(reasons.values())
    if not is_too_much(untyped, records):
        return
    told = sorted(reasons.items(), key=lambda reason: (-reason[1], reason[0]))
    named = ", ".join(f"{reason.rstrip('; ')} ({count:,})" for reason, count in told[:_REASONS_TOLD])
    more = f" and {len(told) - _REASONS_TOLD} other reasons" if len(told) > _REASONS_TOLD else ""
    raise Untypable(
        f"Of the {records:,} records of {city.title}'s {what} {untyped:,} cannot be typed: {named}{more}. At most "
        f"{MOST_UNTYPED:.0%} may be untypable, so nothing was loaded: fix the source, then run again."
    )


def is_too_much(untyped: int, records: int) -> bool:
    """Whether that many untypable records mean that the source has changed its format, not just a few bad records."""
    return untyped > records * MOST_UNTYPED and (untyped >= FEWEST_UNTYPED or untyped > records / 2)


def most_lacking(rows: int) -> int:
    """How many of `rows` records a source may lack: half a percent, or 100 of a small lake, and less than half."""
    return min(max(_FEWEST_LACKING, int(rows * MOST_LACKING)), max(rows - 1, 0) // 2)


def check_total(lake: Lake, city: City, feed: Feed) -> None:
    """FeedError if the source has far fewer records than the lake has crimes: it was cut off, or is only a part."""
    total = feed.total()
    table = tables.load(lake, city.name, "crimes")
    if total is None or table is None:
        return
    rows = sum(file.record_count for file in tables.data_files(table))
    if rows - total > most_lacking(rows):
        raise FeedError(
            f"The source has only {total:,} records, but the lake has {rows:,} crimes of {city.title}, so none was "
            "taken: fetch the whole export again, or let CRIME_EXPORT name all its files; if the city has removed so "
            "many, run `crime-assets reconcile` first."
        )
