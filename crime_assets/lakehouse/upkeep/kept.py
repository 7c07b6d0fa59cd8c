"""Which tables are kept up: the city's, and the masked ones of its policy, where there are any."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.writing.governed import namespace_of

if TYPE_CHECKING:
    from pyiceberg.table import Table


@dataclass(frozen=True)
class Kept:
    """A table by the name that is reported, and by its namespace and name in the catalog.

    A masked table is reported with its namespace: a role may be called as the end of a table's name is.
    """

    told: str
    namespace: str
    name: str
    is_masked: bool


def kept(lake: Lake, city: str) -> list[Kept]:
    """Every table that is kept up for a city."""
    masked = namespace_of(city)
    return [
        *(Kept(name, city, name, is_masked=False) for name in tables.names(lake, city)),
        *(Kept(f"{masked}.{name}", masked, name, is_masked=True) for name in tables.names(lake, masked)),
    ]


def loaded(lake: Lake, city: str) -> Iterator[tuple[Kept, Table]]:
    """The same with each table as it is now."""
    for one in kept(lake, city):
        if (table := tables.load(lake, one.namespace, one.name)) is not None:
            yield one, table
