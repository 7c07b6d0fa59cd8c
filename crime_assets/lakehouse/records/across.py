"""Crimes of all cities in one form: the statements of sql/cities, filled with what the cities' modules say.

What a city says is our own: nothing of a feed, or of a person, gets into a statement here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import duckdb
import pyarrow as pa
from sqlglot import exp

from crime_assets.core.errors import TablesLost
from crime_assets.core.sql import DIALECT, parse, statement
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, identifier
from crime_assets.lakehouse.iceberg.reading import DUCKDB_TYPES, explained, rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import CRIMES
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.sources.cities.codes import BadTable, Code, crosswalk, nibrs

if TYPE_CHECKING:
    from pyiceberg.table import Table

SCHEMA = "cities"
"""Where everything across cities is: views, and the Iceberg namespace."""
VIEW = "city_crimes"
TABLE = "city_months"

_FORMAT = 1
"""Increased when what is made of the counts, in `analysis.across`, changes: all parts are then made again."""
_DUCKDB = "duckdb"
_UNKNOWN = "'unknown'"
_PLACES = {"places": "block", "intersections": "intersection", "station houses": "place or station house"}


def show(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Create the schema, with the view of all crimes of all cities in the lake, and the table of months if it is."""
    of = [cities.get(name) for name in sorted(lake.cities & {*cities.names()})]
    _prepare(con, of)
    found = [_whole(rows, city) for city in of if (rows := _over_files(lake, city)) is not None]
    if found:
        con.execute(f"CREATE VIEW {SCHEMA}.{VIEW} AS {' UNION ALL '.join(found)}")
    months = months_table(lake)
    if months is not None:
        con.execute(f"CREATE VIEW {SCHEMA}.{TABLE} AS {rows_of(months, tables.data_files(months))}")


def months_table(lake: Lake) -> Table | None:
    """The table `city_months`; None if it was never written, or is gone: it is made again from the crimes."""
    try:
        return tables.load(lake, SCHEMA, TABLE)
    except TablesLost:
        return None


@contextmanager
def counting(lake: Lake, city: City) -> Iterator[duckdb.DuckDBPyConnection | None]:
    """A connection for `counted`, which knows the crimes of one city; None if there are none yet."""
    rows = _over_files(lake, city)
    if rows is None:
        yield None
        return
    with explained(lake), connection(lake.staging) as con:
        _prepare(con, [city])
        con.execute(f"CREATE VIEW city_rows AS {rows}")
        con.execute(f"CREATE VIEW ranked_rows AS {filled('ranked', city, _DUCKDB)}")
        con.execute(f"CREATE VIEW incidents AS {filled(_incidents(city), city, _DUCKDB)}")
        yield con


def counted(con: duckdb.DuckDBPyConnection, name: str, city: City) -> list[dict[str, Any]]:
    """The rows of the statement months.sql or held.sql."""
    found: list[dict[str, Any]] = con.sql(filled(name, city, _DUCKDB)).to_arrow_table().to_pylist()
    return found


def definition(city: City) -> str:
    """A digest of how months of a city are counted, and of what is said of them."""
    statements = [filled(name, city, _DUCKDB) for name in ("ranked", _incidents(city), "months", "held")]
    codes = [(key, code.nibrs_code) for key, code in _own_codes(city).items()]
    complete = (city.lag_days, city.publishes)
    facts = (_FORMAT, city.comparison, complete, sorted(city.not_published), codes, offenses().to_pylist())
    return sha256(f"{statements} {facts}".encode()).hexdigest()[:16]


def filled(name: str, city: City, dialect: str) -> str:
    """A statement of sql/cities for one city."""
    comparison = city.comparison
    texts = {
        "city": city.name,
        "unit": comparison.unit if comparison else "record",
        "area_kind": comparison.area_kind if comparison else "district",
        "class_basis": "crosswalk" if city.scheme else "source",
        "change_basis": "stamp" if city.change_field else "snapshot",
        "place_precision": _PLACES[city.points],
    }
    expressions = {"counted": city.counted or "TRUE", "scheme": comparison.scheme if comparison else _UNKNOWN}

    def fill(node: exp.Expr) -> exp.Expr:
        if isinstance(node, exp.Placeholder):
            name = node.name
            return _expression(expressions[name]) if name in expressions else exp.Literal.string(texts[name])
        if isinstance(node, exp.Window) and _is_single(city):
            # Each row is an incident of its own: no need to sort millions of them to see it.
            return exp.Literal.number(1)
        return node

    written: str = parse(statement("cities", name)).transform(fill).sql(dialect, comments=False)
    return written


def _is_single(city: City) -> bool:
    """Whether no two rows of a city are one incident: its number is their key."""
    return city.columns.get("case_number") == city.columns["id"]


def _incidents(city: City) -> str:
    return "single_incidents" if _is_single(city) else "incidents"


def _expression(text: str) -> exp.Expr:
    return exp.paren(exp.condition(text, dialect=DIALECT))


def _whole(rows: str, city: City) -> str:
    """The statement crimes.sql of a city over its rows."""
    ranked, crimes = (filled(name, city, _DUCKDB) for name in ("ranked", "crimes"))
    return f"(WITH city_rows AS ({rows}), ranked_rows AS ({ranked}) SELECT * FROM ({crimes}))"


def _over_files(lake: Lake, city: City) -> str | None:
    """A query for the crimes of a city, with all columns of the schema; None if it has none yet."""
    table = tables.load(lake, city.name, "crimes")
    if table is None or table.current_snapshot() is None:
        return None
    held = {field.name for field in table.schema().fields}
    known = [column.name for column in CRIMES if column.name in held]
    lacking = [f"NULL::{DUCKDB_TYPES[one.type]} AS {identifier(one.name)}" for one in CRIMES if one.name not in held]
    return f"SELECT {', '.join(['*', *lacking])} FROM ({rows_of(table, tables.data_files(table), known)})"


def _prepare(con: duckdb.DuckDBPyConnection, of: Sequence[City]) -> None:
    """Create, in the schema, what the codes of these cities mean."""
    con.execute(f"CREATE SCHEMA {SCHEMA}")
    for name, rows in (("offenses", offenses()), ("codes", codes_of(of))):
        con.register("looked_up", rows)
        con.execute(f"CREATE TABLE {SCHEMA}.{name} AS FROM looked_up")
        con.unregister("looked_up")


def offenses() -> pa.Table:
    """What the NIBRS codes are, as sql/cities looks it up."""
    return pa.table(
        {
            "nibrs_code": pa.array(nibrs(), pa.string()),
            "offense": pa.array([one.offense for one in nibrs().values()], pa.string()),
            "is_crime": pa.array([one.is_crime for one in nibrs().values()], pa.bool_()),
            "rank": pa.array([one.rank for one in nibrs().values()], pa.int32()),
        }
    )


def codes_of(of: Sequence[City]) -> pa.Table:
    """What the codes of cities are that publish those of the FBI beside their own."""
    known = [(city.name, code, one.nibrs_code) for city in of for (_, code), one in _own_codes(city).items()]
    found = [(city, *code.split("/"), nibrs_code) for city, code, nibrs_code in known]
    names = ("city", "iucr", "fbi_code", "nibrs_code")
    return pa.table({name: pa.array([row[place] for row in found], pa.string()) for place, name in enumerate(names)})


def _own_codes(city: City) -> Mapping[tuple[str, str], Code]:
    if city.scheme:
        return {}
    try:
        return crosswalk(city.name)
    except BadTable:
        return {}
