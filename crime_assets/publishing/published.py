"""What may be shown of a city: nothing that is made of what it does not publish. What is not published is not zero."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import lru_cache

import pyarrow as pa

from crime_assets.analysis.made import CLASSES, insights_of, unpublished_of
from crime_assets.core.insights import Insight
from crime_assets.sources import cities
from crime_assets.sources.cities import City

MADE_OF: Mapping[str, str] = {
    "arrests": "arrest",
    "arrest_share": "arrest",
    "domestic_crimes": "domestic",
    "expected_crimes": "change_day",
    "unsettled": "change_day",
}
"""Column of the dashboard's own tables → the column of crimes without which it says nothing."""
_NAMED = {
    "arrest": "arrests",
    "domestic": "domestic crimes",
    "block": "blocks",
    "beat": "beats",
    "change_day": "when records changed",
}
_OF_CLASS = {
    "violent": "violent index crimes",
    "property": "property index crimes",
    "other": "offenses that are no index crimes",
}
_PLACES = {
    "places": "places are blocks, on purpose",
    "intersections": "places are the nearest intersections, on purpose",
    "station houses": "places of some offenses are station houses, on purpose",
}


class Published:
    """What a city publishes, as far as pages ask."""

    def __init__(self, city: City) -> None:
        self._city = city
        self._unpublished = unpublished_of(city)
        self.insights: Mapping[str, Insight] = {insight.name: insight for insight in insights_of(city)}
        """The insights that are made for it, by name."""

    def has(self, column: str) -> bool:
        """Whether it publishes a column of crimes; `change_day`, if it says when records changed."""
        return column not in self._unpublished

    @property
    def lacking_classes(self) -> list[str]:
        """The classes of which it publishes no offense: no table has a row of them."""
        return sorted(CLASSES - self._city.classes)

    def makes(self, insight: str) -> bool:
        """Whether an insight is made for it."""
        return insight in self.insights

    def left_out(self, columns: Iterable[str]) -> list[str]:
        """Those columns of the dashboard's own tables that are made of what it does not publish."""
        return [name for name in columns if name in MADE_OF and not self.has(MADE_OF[name])]

    @property
    def codes(self) -> str:
        """Whose codes say to which class an offense belongs."""
        return self._city.class_codes

    @property
    def places(self) -> str:
        """What its places are, in words."""
        return _PLACES[self._city.points]

    @property
    def licence(self) -> str:
        """What the city says of the use of its data."""
        return self._city.licence

    @property
    def lacking(self) -> str:
        """What it does not publish, if pages would show it, and which of its rows are not counted; may be empty."""
        names = [words for column, words in _NAMED.items() if not self.has(column)]
        names += [_OF_CLASS[name] for name in self.lacking_classes]
        lacking = f"{self._city.title} does not publish: {', '.join(names)}." if names else ""
        return " ".join(filter(None, (lacking, self._city.counted_words)))


@lru_cache
def published_by(city: str) -> Published:
    """What the city of that name publishes."""
    return Published(cities.get(city))


def emptied(rows: pa.Table, names: Collection[str]) -> pa.Table:
    """The rows with NULL in these columns."""
    for place, field in enumerate(rows.schema):
        if field.name in names:
            rows = rows.set_column(place, pa.field(field.name, field.type), pa.nulls(rows.num_rows, field.type))
    return rows
