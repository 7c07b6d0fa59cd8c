"""Which insights are made for a city: none for which it publishes too little. What is not published is not zero."""

from __future__ import annotations

from crime_assets.core.insights import Insight, all_insights, insights_for
from crime_assets.sources.cities import City

CLASSES = frozenset({"violent", "property", "other"})
"""The classes of offenses, unless a city publishes fewer."""


def insights_of(city: City) -> tuple[Insight, ...]:
    """The insights of a city, without the columns that it publishes too little for."""
    made = insights_for(unpublished_of(city), city.gives, city.counted, city.class_codes)
    return made if city.classes >= CLASSES else tuple(insight.of_classes(city.classes) for insight in made)


def not_made(city: City) -> dict[str, list[str]]:
    """Insight that is not made for a city → what the city lacks: columns of crimes, or NEEDS of an insight."""
    unpublished = unpublished_of(city)
    lacking = {one.name: one.instead_of(unpublished).lacking(unpublished, city.gives) for one in all_insights()}
    return {name: lacks for name, lacks in lacking.items() if lacks}


def unpublished_of(city: City) -> frozenset[str]:
    """Columns of crimes by which nothing is computed: without change stamps, a change day is that of a publication."""
    return city.not_published if "stamps" in city.gives else city.not_published | {"change_day"}
