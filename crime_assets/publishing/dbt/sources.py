"""The tables of a lake as dbt's sources and exposures: what tables and columns mean, and what must hold for them.

All is taken from the tables as they are now, from `lakehouse.schema` and from the headers of sql/insights: a column or
an insight that is new is here without a hand. Files are written by `project`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from crime_assets.analysis.made import insights_of
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.reading import duckdb_type
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import published
from crime_assets.publishing.dbt.pinned import CURATED, types_of
from crime_assets.sources import cities
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

Document = dict[str, Any]

_MEANINGS = {
    "crimes": "One row per crime: the newest version that the city published.",
    "crimes_superseded": "Versions of crimes that a later change day replaced.",
    "crimes_quarantine": "Records that could not be typed, with the reason and the raw text.",
    "crimes_removed": "Crimes that the city took back, and since when.",
}
_KEYS = {"crimes": "id", "crimes_quarantine": "record_md5"}
"""Tables whose columns are tested; rows of the two others are versions of rows of crimes, for which the same held."""
_FRESHNESS = {"loaded_at_field": "ingested_at", "freshness": {"warn_after": {"count": 2, "period": "day"}}}
_EXPOSURES = {
    "dashboard": "Pages with the figures of a day, from an extract of all insights; small numbers are hidden there.",
    "briefing": "One page about a day, from the same extract; small numbers are hidden there.",
}
_UNKNOWN = "Added by another writer, who did not say what it means."


@dataclass(frozen=True)
class _Known:
    """A table as our own lists know it: what its columns mean, and what must hold for them and for its rows."""

    name: str
    description: str
    docs: Mapping[str, str]
    types: Mapping[str, str] = field(default_factory=dict)
    of_columns: Mapping[str, list[object]] = field(default_factory=dict)
    of_rows: Sequence[object] = ()


def sources(lake: Lake, own: City, among: Sequence[str] = ()) -> Document:
    """A source for each city of the lake.

    Tables of the `own` city are the assets that Dagster knows; where it has several, those of each city `among` them,
    under the city's name.
    """
    prefixes = {city: [city] for city in among} or {own.name: list[str]()}
    names = sorted({*lake.cities, *prefixes})
    return {"version": 2, "sources": [_source(lake, cities.get(name), prefixes.get(name)) for name in names]}


def exposures(city: City) -> Document:
    """What shows people the insights, without dbt: who asks what depends on a table finds it."""
    reads = [f"source('{city.name}', '{insight.table}')" for insight in insights_of(city)]
    owner = {"name": "data-engineering"}
    return {
        "version": 2,
        "exposures": [
            {"name": name, "type": "dashboard", "owner": owner, "description": description, "depends_on": reads}
            for name, description in _EXPOSURES.items()
        ],
    }


def crimes_columns(lake: Lake, city: City) -> list[Document]:
    """The columns of crimes: names, meanings, types."""
    return list(_columns(tables.load(lake, city.name, "crimes"), _curated("crimes", city)))


def _source(lake: Lake, city: City, prefix: Sequence[str] | None) -> Document:
    """`prefix` is what asset keys of its tables begin with; None if they are no assets."""
    known = [*(_curated(name, city) for name in CURATED), *map(_insight, insights_of(city))]
    return {
        "name": city.name,
        "description": f"Crime records of {city.title}, raw: no small numbers hidden.",
        "schema": city.name,
        "tables": [_table(lake, city.name, table, prefix) for table in known],
    }


def _table(lake: Lake, city: str, known: _Known, prefix: Sequence[str] | None) -> Document:
    columns = list(_columns(tables.load(lake, city, known.name), known))
    for column in columns:
        if tests := known.of_columns.get(column["name"]):
            column["data_tests"] = tests
    found: Document = {"name": known.name, "description": known.description}
    config = dict(_FRESHNESS) if known.name == "crimes" else {}
    if prefix is not None and (known.name == "crimes" or known.name not in CURATED):
        # The three tables beside crimes are no assets of their own.
        config["meta"] = {"dagster": {"asset_key": [*prefix, known.name]}}
    if config:
        found["config"] = config
    if known.of_rows:
        found["data_tests"] = list(known.of_rows)
    return {**found, "columns": columns}


def _columns(table: Table | None, known: _Known) -> Iterator[Document]:
    """Columns of a table as the lake has it, or as it would begin; the types of insights are known by then only."""
    if table is None:
        for name, doc in known.docs.items():
            kind = {"data_type": known.types[name]} if name in known.types else {}
            yield {"name": name, "description": doc, **kind}
        return
    for column in table.schema().fields:
        doc = known.docs.get(column.name) or column.doc or _UNKNOWN
        yield {"name": column.name, "description": doc, "data_type": duckdb_type(table, column)}


def _curated(name: str, city: City) -> _Known:
    columns = published(CURATED[name], city)
    tests: dict[str, list[object]] = {}
    if name in _KEYS:
        tests = {column.name: ["not_null"] for column in columns if column.required}
        tests[_KEYS[name]].append("unique")
    return _Known(name, _MEANINGS[name], {column.name: column.doc for column in columns}, types_of(columns), tests)


def _insight(insight: Insight) -> _Known:
    key = ", ".join(("as_of_day", "period", *insight.promises.key))
    unique = {"unique": {"name": f"{insight.table}_has_one_row_a_key", "arguments": {"column_name": f"({key})"}}}
    periods = {"accepted_values": {"arguments": {"values": list(insight.promises.periods)}}}
    docs = {column.name: column.doc for column in insight.columns}
    return _Known(insight.table, insight.description, docs, of_columns={"period": [periods]}, of_rows=[unique])
