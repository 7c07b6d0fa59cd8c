"""Which extracts have to be made: requested ones, and those of later days that know less than the lake does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import first_changed
from crime_assets.publishing.extract import KEPT_DAYS, About, days, held_of, lacking_day, release_of, rows_seen
from crime_assets.publishing.reading import Extracts
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore


def days_to_extract(
    lake: Lake, landing: LandingStore, city: City, insights: tuple[Insight, ...], asked: Sequence[date]
) -> list[date]:
    """The days, in order. A late change alters what was known on later days too, another release all days.

    Requested days older than all that is kept are left out, and so are others of which the lake knows nothing new, or
    of which it lacks an insight.
    """
    kept = sorted({*asked, *days(landing, city)})[-KEPT_DAYS:]
    release = release_of(city, insights)
    is_other_release = landing.read(keys.extracts_made_by(city.name)) != release.encode()
    others = [day for day in kept if day not in asked and (day > min(asked) or is_other_release)]
    held = held_of(lake, city, insights) if others else {}
    extracts = Extracts(landing, lake.staging / "extracts")

    def knows_less(day: date) -> bool:
        about = _about(extracts, city, day)
        if about is None or about.release != release or about.insights_seen != rows_seen(held, day):
            return True
        changed = first_changed(lake, city, about.snapshots_seen)
        return changed is not None and changed <= day

    return [day for day in kept if day in asked or (day in others and not lacking_day(held, day) and knows_less(day))]


def remember_release(lake: Lake, landing: LandingStore, city: City, insights: tuple[Insight, ...]) -> None:
    """Record that all kept extracts were made by these definitions, once that is so: they need not be opened to see."""
    release = release_of(city, insights)
    if landing.read(keys.extracts_made_by(city.name)) == release.encode():
        return
    extracts = Extracts(landing, lake.staging / "extracts")
    kept = [_about(extracts, city, day) for day in days(landing, city)]
    if all(about is not None and about.release == release for about in kept):
        landing.write(keys.extracts_made_by(city.name), release.encode())


def _about(extracts: Extracts, city: City, day: date) -> About | None:
    """What an extract is about; None if it cannot be read."""
    try:
        return extracts.of(city.name, day).about
    except CrimeAssetsError:
        return None
