"""Which extracts have to be made: requested ones, and those of later days that know less than the lake does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from hashlib import sha256

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import first_changed
from crime_assets.publishing.extract import FORMAT, KEPT_DAYS, cubes, days, insight_files, lacking_day, rows_seen
from crime_assets.publishing.reading import Extract, Extracts
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
    is_other_release = landing.read(keys.extracts_made_by(city.name)) != _release(city, insights)
    others = [day for day in kept if day not in asked and (day > min(asked) or is_other_release)]
    files = insight_files(lake, city, insights) if others else {}
    extracts = Extracts(landing, lake.staging / "extracts")

    def knows_less(day: date) -> bool:
        try:
            extract: Extract = extracts.of(city.name, day)
        except CrimeAssetsError:
            return True
        about = extract.about
        changed = first_changed(lake, city, about.snapshots_seen)
        return about.insights_seen != rows_seen(files, day) or (changed is not None and changed <= day)

    return [day for day in kept if day in asked or (day in others and not lacking_day(files, day) and knows_less(day))]


def remember_release(landing: LandingStore, city: City, insights: tuple[Insight, ...]) -> None:
    """Record that all kept extracts were made by these definitions."""
    release = _release(city, insights)
    if landing.read(keys.extracts_made_by(city.name)) != release:
        landing.write(keys.extracts_made_by(city.name), release)


def _release(city: City, insights: tuple[Insight, ...]) -> bytes:
    definitions = [insight.definition for insight in (*cubes(), *insights)]
    return sha256(f"{FORMAT} {city.lag_days} {definitions}".encode()).hexdigest().encode()
