"""For which city forecasts are made: one that says where each record is, and from when on it was known."""

from __future__ import annotations

from crime_assets.core.insights import NEEDS
from crime_assets.sources.cities import City

_NEEDED = ("points", "stamps", "categories")


def is_made_for(city: City) -> bool:
    """Whether forecasts are made for a city."""
    return city.gives.issuperset(_NEEDED)


def why_not(city: City) -> str:
    """What a city lacks for forecasts, in a sentence; empty if nothing."""
    lacking = [NEEDS[need] for need in _NEEDED if need not in city.gives]
    return f"No forecasts are made for {city.title}: it does not publish {' and '.join(lacking)}." if lacking else ""
