"""Which extracts have to be made: requested ones, and those of later days that know less than the lake does."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date

from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.insights import first_changed
from crime_assets.publishing.extract import KEPT_DAYS, days, rows_seen
from crime_assets.publishing.reading import Extract, Extracts
from crime_assets.sources.cities import City
from crime_assets.streams import LandingStore


def days_to_extract(
    lake: Lake, landing: LandingStore, city: City, insights: tuple[Insight, ...], asked: Sequence[date]
) -> list[date]:
    """The days, in order. A late change alters what was known on later days too.

    Requested days older than all that is kept are left out, and so are later ones of which the lake knows nothing new.
    """
    kept = sorted({*asked, *days(landing, city)})[-KEPT_DAYS:]
    later = [day for day in kept if day > min(asked) and day not in asked]
    present = rows_seen(lake, city, insights) if later else {}
    extracts = Extracts(landing, lake.staging / "extracts")

    def knows_less(day: date) -> bool:
        try:
            extract: Extract = extracts.of(city.name, day)
        except CrimeAssetsError:
            return True
        about = extract.about
        changed = first_changed(lake, city, about.snapshots_seen)
        return about.insights_seen != present[day] or (changed is not None and changed <= day)

    return [day for day in kept if day in asked or (day in later and knows_less(day))]
