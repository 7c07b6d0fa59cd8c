"""The embedded engine: DuckDB over the data files that Iceberg says are live."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from functools import partial
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa

from crime_assets.core.insights import Insight
from crime_assets.core.sql import render, render_apart, statement
from crime_assets.engines.answers import BATCH_ROWS, Answer, Batches
from crime_assets.engines.asking import answering, only_reading, start
from crime_assets.engines.known import (
    KEPT_DAYS,
    READ,
    SHARED,
    VERSIONS,
    Merged,
    change_day,
    check_known,
    check_statement,
    columns_of,
    columns_without,
    newest_of,
    parameters,
    snapshot_id,
    unpublished,
)
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, identifier, literal
from crime_assets.lakehouse.iceberg.evolution import names_of
from crime_assets.lakehouse.iceberg.reading import DUCKDB_TYPES, explained, rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records import across, live
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

Restrict: TypeAlias = Callable[[duckdb.DuckDBPyConnection, str, str, Sequence[str]], None]
"""Makes a table, in the current schema, of those rows of a query with these columns that may be seen."""


class DuckDBEngine:
    """One city's tables in one lake; with `restrict`, insights know only what that lets them see.

    Who `has_cities` may ask for the schemas `cities`, the crimes of all cities in the lake, and `live`, its live
    reports, too.
    """

    name = "duckdb"
    days_at_once = 2
    """DuckDB keeps all processors busy while it scans, but not while it sorts or hands over."""

    def __init__(
        self,
        lake: Lake,
        city: City,
        merged: Merged = tuple,
        restrict: Restrict | None = None,
        *,
        has_cities: bool = False,
    ) -> None:
        self._lake = lake
        self._has_cities = has_cities
        self._city = city
        self._merged = merged
        self._restrict = restrict
        self._load = partial(tables.load, lake, city.name)
        self._exit = ExitStack()
        self._open: tuple[tuple[int | None, ...], duckdb.DuckDBPyConnection] | None = None
        self._days: dict[date, dict[str, str]] = {}
        """As-of day → shared part → its query: what the connection has in a schema of the day."""
        self._asking: Counter[date] = Counter()
        """Questions that are being answered, by as-of day."""
        self._lock = threading.RLock()

    def insight(self, insight: Insight, as_of_day: date) -> pa.Table:
        """The rows of the insight's statement, in its order, from what was known on the as-of day."""
        newest = newest_of(self._city, self.measure, as_of_day)
        asked = parameters(self._lake, self._city, as_of_day, self._merged(), newest)
        with explained(self._lake), self._knowing(as_of_day) as con:
            *shared, (_, rest) = render_apart(insight.statement, self.name, asked, SHARED).items()
            made = self._days[as_of_day]
            for name, query in shared:
                if made.get(name) != query:
                    con.execute(f"CREATE OR REPLACE TABLE {name} AS {query}")
                    made[name] = query
            return con.sql(rest).to_arrow_table()

    def measure(self, measurement: str, as_of_day: date, **parameters: date | float) -> list[dict[str, Any]]:
        """The rows of a statement of sql/checks, from what was known on the as-of day."""
        with explained(self._lake), self._knowing(as_of_day) as con:
            asked = render(check_statement(measurement, self._city), self.name, {"as_of_day": as_of_day, **parameters})
            return list(con.sql(asked).to_arrow_table().to_pylist())

    def query(self, sql: str, as_of: str | None = None) -> Answer:
        """Answer a person's query over all tables of the city, with nothing but the lake's data files in reach.

        `as_of` is a snapshot id of `crimes`, a time (UTC) or a change day; it applies to `crimes` alone.
        """
        day = change_day(as_of)
        with ExitStack() as held, explained(self._lake):
            con = held.enter_context(connection(self._lake.staging))
            for name in sorted({*READ, *tables.names(self._lake, self._city.name)}):
                table = self._load(name)
                if name == "crimes" and day is not None:
                    self._view(con, READ[name][0], name, table)
                else:
                    asked = snapshot_id(as_of, self._load) if name == "crimes" else None
                    self._view(con, name, name, table, asked)
            if day is not None:
                check_known(self._lake, self._city, day)
                self._know(con, day, columns_of("crimes", self._load, self._city))
            # It takes the manifests of all cities, and on object storage their files: only for who names it.
            if self._has_cities and across.SCHEMA in sql.lower():
                across.show(con, self._lake)
            if self._has_cities and f"{live.SCHEMA}." in sql.lower():
                live.show(con, self._lake)
            con.execute(f"SET allowed_directories = [{literal(str(self._lake.warehouse))}]")
            con.execute("SET enable_external_access = false")
            con.execute("SET lock_configuration = true")
            with answering():
                columns = start(con, only_reading(con, sql))
            return Answer(columns, self._batches(con, held.pop_all()))

    def _batches(self, con: duckdb.DuckDBPyConnection, held: ExitStack) -> Batches:
        """The answer of a connection, which is released with the last row."""
        with held, explained(self._lake), answering():
            while rows := con.fetchmany(BATCH_ROWS):
                yield rows

    @contextmanager
    def _knowing(self, as_of_day: date) -> Iterator[duckdb.DuckDBPyConnection]:
        """A connection, for one thread, in which `crimes` is what was known on the as-of day.

        What it takes to know is kept for some days: every insight of a range asks for the same days again.
        """
        schema = identifier(str(as_of_day))
        with self._lock:
            con = self._session()
            self._asking[as_of_day] += 1
        try:
            with self._lock:
                if as_of_day not in self._days:
                    self._begin(con, as_of_day, schema)
                own = con.cursor()
            with own:
                own.execute(f"SET search_path = '{schema},main'")
                yield own
        finally:
            self._asking[as_of_day] -= 1

    def _begin(self, con: duckdb.DuckDBPyConnection, as_of_day: date, schema: str) -> None:
        """Make the schema of an as-of day."""
        if len(self._days) >= KEPT_DAYS:
            # One insight after the other goes through a longer range: without the oldest days the next finds none.
            newest = next(day for day in reversed(self._days) if not self._asking[day])
            del self._days[newest]
            con.execute(f"DROP SCHEMA {identifier(str(newest))} CASCADE")
        # A day that could not be looked at left an empty one.
        con.execute(f"DROP SCHEMA IF EXISTS {schema} CASCADE")
        con.execute(f"CREATE SCHEMA {schema}")
        con.execute(f"SET search_path = '{schema},main'")
        self._know(con, as_of_day, self._asked("crimes"))
        self._days[as_of_day] = {}

    def _know(self, con: duckdb.DuckDBPyConnection, day: date, columns: Sequence[str]) -> None:
        """Make `crimes`, in the current schema, what was known on a change day, with these columns."""
        later = render(statement("crimes", "changed_later"), self.name, {"as_of_day": day})
        ((is_changed_later,),) = con.execute(later).fetchall()
        # The usual case: every row was known, and no statement need look at its change day.
        known = "SELECT * FROM crimes_now"
        if is_changed_later:
            # All statements of a day need the same few overtaken versions; finding them takes a ranking.
            overtaken = render(statement("crimes", "overtaken"), self.name, {"as_of_day": day})
            con.execute(f"CREATE TABLE crimes_overtaken AS FROM ({overtaken}) SELECT {names_of(columns)}")
            as_of = render(statement("crimes", "as_of"), self.name, {"as_of_day": day})
            known = f"FROM ({as_of}) SELECT {names_of(columns)}"
        if self._restrict is None:
            con.execute(f"CREATE VIEW crimes AS {known}")
            return
        self._restrict(con, "crimes", known, columns)
        for name in VERSIONS:
            self._restrict(con, name, f"FROM main.{name}", self._asked(name))

    def _asked(self, name: str) -> list[str]:
        """The columns that our own statements may ask for."""
        return columns_of(name, self._load, self._city, is_own=True)

    def _session(self) -> duckdb.DuckDBPyConnection:
        """A connection with views of the current snapshots, kept until one of the tables changes."""
        found = {name: self._load(name) for name in READ}
        state = tuple(table.metadata.current_snapshot_id if table is not None else None for table in found.values())
        if self._open is None or self._open[0] != state:
            self.close()
            con = self._exit.enter_context(connection(self._lake.staging))
            # The statements of a run read the same files one after another.
            con.execute("SET GLOBAL parquet_metadata_cache = true")
            # Months are small files; otherwise DuckDB would prefetch whole ranges of them, one by one.
            con.execute("SET GLOBAL disable_parquet_prefetching = true")
            for name, table in found.items():
                self._view(con, READ[name][0], name, table, is_own=True)
            self._open = (state, con)
        return self._open[1]

    def spent(self) -> Mapping[str, int | float]:
        """Empty: DuckDB costs nothing."""
        return {}

    def close(self) -> None:
        """Close the connection; the next question opens another."""
        self._open = None
        self._days.clear()
        self._exit.close()

    def _view(
        self,
        con: duckdb.DuckDBPyConnection,
        view: str,
        name: str,
        table: Table | None,
        snapshot_id: int | None = None,
        *,
        is_own: bool = False,
    ) -> None:
        """Create a view of a table's rows, an empty one if there is no table yet.

        `is_own` for our own statements, which know all columns of crimes: those that are not published are NULL.
        """
        shown = columns_of(name, self._load, self._city, is_own=is_own)
        more = {column.name: column for column in unpublished(name, self._city)} if is_own else {}
        if table is None:
            known = arrow_schema((*columns_without(name, self._city), *more.values()))
            types = {field.name: field.type for field in known}
            con.register("nothing", pa.schema([(one, types.get(one, pa.string())) for one in shown]).empty_table())
            con.execute(f"CREATE TABLE {identifier(view)} AS FROM nothing")
            con.unregister("nothing")
            return
        rows = rows_of(table, tables.data_files(table, snapshot_id), [one for one in shown if one not in more])
        if more:
            nulls = {column: f"NULL::{DUCKDB_TYPES[one.type]} AS {identifier(column)}" for column, one in more.items()}
            rows = f"FROM ({rows}) SELECT {', '.join(nulls.get(one, identifier(one)) for one in shown)}"
        con.execute(f"CREATE VIEW {identifier(view)} AS {rows}")
