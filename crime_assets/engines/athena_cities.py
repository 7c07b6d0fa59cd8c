"""The view `cities.city_crimes` for Athena: crimes of several cities in one form, as `records.across` has it locally.

No code here reads the view: it lies in a database of its own, which whoever may create databases makes. It has to be
made again when a city is added, or when codes or the form change.
"""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa
from sqlglot import exp

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import DIALECT, parse
from crime_assets.lakehouse.iceberg.reading import DUCKDB_TYPES
from crime_assets.lakehouse.records.across import SCHEMA, VIEW, codes_of, filled, offenses
from crime_assets.lakehouse.schema import CRIMES, published
from crime_assets.sources import cities
from crime_assets.sources.cities import City


def cities_view(names: Sequence[str]) -> list[str]:
    """The statements that create it of the `crimes` of these cities, in order; UsageError for a city that is none."""
    of = [cities.get(name) for name in names]
    if not of or len({*names}) < len(names):
        raise UsageError("The view needs cities: name each city of the lake once.")
    return [
        f"CREATE DATABASE IF NOT EXISTS {SCHEMA}",
        _view("offenses", _listed(offenses())),
        _view("codes", _listed(codes_of([cities.get(name) for name in cities.names()]))),
        _view(VIEW, " UNION ALL ".join(map(_form, of))),
    ]


def _view(name: str, query: str) -> str:
    return f"CREATE OR REPLACE VIEW {SCHEMA}.{name} AS {parse(query).sql(DIALECT)}"


def _form(city: City) -> str:
    """The statement crimes.sql over the city's table; what is not in it is NULL."""
    known = {column.name for column in published(CRIMES, city)}
    columns = [
        column.name if column.name in known else f"CAST(NULL AS {DUCKDB_TYPES[column.type]}) AS {column.name}"
        for column in CRIMES
    ]
    rows = f"SELECT {', '.join(columns)} FROM {city.name}.crimes"
    ranked, crimes = (filled(name, city, DIALECT) for name in ("ranked", "crimes"))
    return f"(WITH city_rows AS ({rows}), ranked_rows AS ({ranked}) SELECT * FROM ({_in_milliseconds(crimes)}))"


def _in_milliseconds(query: str) -> str:
    """The statement with times as views of Athena keep them; cities write seconds at the most."""
    found = parse(query).copy()
    (time,) = (column for column in found.selects if column.alias_or_name == "occurred_at")
    time.replace(exp.alias_(exp.cast(time.copy(), "TIMESTAMP(3)", dialect=DIALECT), "occurred_at"))
    written: str = found.sql(DIALECT)
    return written


def _listed(rows: pa.Table) -> str:
    """A SELECT that gives these rows."""
    values = (f"({', '.join(exp.convert(value).sql(DIALECT) for value in row.values())})" for row in rows.to_pylist())
    names = ", ".join(rows.column_names)
    return f"SELECT {names} FROM (VALUES {', '.join(values)}) AS listed ({names})"
