"""What a run of dbt sees of the lake: every table as it was at one moment, as a view of the data files it had then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

import duckdb

from crime_assets.core.errors import CrimeAssetsError, LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier
from crime_assets.lakehouse.iceberg.reading import explained, rows_of
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, REMOVED, Column, arrow_schema, published
from crime_assets.profiles import Profile
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.streams.inventory import is_refilling

if TYPE_CHECKING:
    from pyiceberg.table import Table

CURATED: Mapping[str, tuple[Column, ...]] = {
    "crimes": CRIMES,
    "crimes_superseded": CRIMES,
    "crimes_quarantine": QUARANTINE,
    "crimes_removed": REMOVED,
}
"""Tables that every city has, also if they were never written, and their columns if all are published."""

_LOOKS = 5


def pin(profile: Profile, con: duckdb.DuckDBPyConnection) -> None:
    """Make views of all tables of a lake as they are now, in a schema for each city. Nothing is copied into them.

    Views of an earlier run are gone. CrimeAssetsError if the lake has not begun, or is being filled again.
    """
    lake = profile.lake
    if not lake.cities:
        raise CrimeAssetsError(
            f"There is no lake in {lake.name}: run `crime-assets run` first, or set CRIME_HOME to where one is."
        )
    for city in sorted(lake.cities):
        if is_refilling(profile.landing, city):
            raise CrimeAssetsError(
                f"The lake {lake.name} lost its tables of {city} and is not filled again: complete that with "
                "`crime-assets reload`, then run dbt."
            )
    found = _at_one_moment(profile)
    with explained(lake):
        con.begin()
        for city, held in found.items():
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {identifier(city)}")
            for view in _views(con, city):
                con.execute(f"DROP VIEW {view}")
            for name, rows in _rows(held, cities.get(city)):
                con.execute(f"CREATE VIEW {identifier(city)}.{identifier(name)} AS {rows}")
        con.commit()


def types_of(columns: tuple[Column, ...]) -> dict[str, str]:
    """The DuckDB types of columns."""
    with duckdb.connect() as con:
        empty = con.from_arrow(arrow_schema(columns).empty_table())
        return {name: str(kind) for name, kind in zip(empty.columns, empty.types, strict=True)}


def _at_one_moment(profile: Profile) -> Mapping[str, Mapping[str, Table]]:
    """City → its tables, looked at until two looks find the same: nothing was committed in between."""
    lake = profile.lake
    begun = sorted(lake.cities)
    found = {city: tables.every(lake, city) for city in begun}
    for _ in range(_LOOKS):
        lake.refresh()
        again = {city: tables.every(lake, city) for city in begun}
        if _states(again) == _states(found):
            return again
        found = again
    raise LakeBusy(f"Other writers changed the lake {lake.name} {_LOOKS} times meanwhile: run dbt again later.")


def _states(found: Mapping[str, Mapping[str, Table]]) -> list[str]:
    return [table.metadata_location for held in found.values() for table in held.values()]


def _views(con: duckdb.DuckDBPyConnection, city: str) -> list[str]:
    asked = "SELECT view_name FROM duckdb_views() WHERE database_name = current_database() AND schema_name = ?"
    return [f"{identifier(city)}.{identifier(name)}" for (name,) in con.execute(asked, [city]).fetchall()]


def _rows(held: Mapping[str, Table], city: City) -> Iterator[tuple[str, str]]:
    """Each table and a query for its rows."""
    for name, table in held.items():
        yield name, rows_of(table, tables.data_files(table))
    for name in CURATED.keys() - held.keys():
        nothing = (
            f"NULL::{kind} AS {identifier(column)}" for column, kind in types_of(published(CURATED[name], city)).items()
        )
        yield name, f"SELECT {', '.join(nothing)} LIMIT 0"
