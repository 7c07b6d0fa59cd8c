"""Which cities can be simulated."""

from __future__ import annotations

from collections.abc import Set

from crime_assets.core.errors import UsageError
from crime_assets.sources.cities import City


def check(city: City, fields: Set[str]) -> None:
    """UsageError if the city's records have other fields than those that are simulated."""
    if set(city.source_columns) != fields:
        raise UsageError(
            f"The sample feed can simulate Chicago and New York, but not {city.title}: "
            "set CRIME_CITY to chicago or new_york, or CRIME_FEED to export or portal."
        )
