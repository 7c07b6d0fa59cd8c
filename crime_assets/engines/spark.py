"""Spark: the same statements over the same tables, on this machine or on a cluster."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import date
from itertools import islice
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from sqlglot import exp

from crime_assets.core.errors import LakeError, UsageError
from crime_assets.core.insights import Insight
from crime_assets.core.sql import render, render_apart, statement
from crime_assets.engines.answers import BATCH_ROWS, Answer, Batches, rows_of, unreadable
from crime_assets.engines.known import (
    KEPT_DAYS,
    READ,
    SHARED,
    Merged,
    change_day,
    check_known,
    columns_of,
    columns_without,
    newest_of,
    parameters,
    snapshot_id,
    unpublished,
)
from crime_assets.engines.questions import one_select
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import arrow_schema
from crime_assets.lakehouse.spark.attached import AttachedLake, errors_of_spark, said
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql import Row as SparkRow

_TYPES: Mapping[str, pa.DataType] = {
    "bigint": pa.int64(),
    "int": pa.int32(),
    "smallint": pa.int16(),
    "tinyint": pa.int8(),
    "double": pa.float64(),
    "float": pa.float32(),
    "string": pa.string(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    "timestamp_ntz": pa.timestamp("us"),
    "timestamp": pa.timestamp("us", tz="UTC"),
    "binary": pa.binary(),
    "void": pa.null(),
}
_SPARK_NAMES = {str(arrow): spark for spark, arrow in _TYPES.items()}

_CALLING_JAVA = frozenset({"java_method", "reflect", "try_reflect"})


class SparkEngine:
    """One city's tables in one lake; `session` starts Spark when it is first needed."""

    name = "spark"
    days_at_once = 1

    def __init__(self, lake: Lake, city: City, session: Callable[[], SparkSession], merged: Merged = tuple) -> None:
        self._lake = lake
        self._city = city
        self._merged = merged
        self._spark = AttachedLake(lake, session)
        self._open: tuple[int | None, ...] | None = None
        self._known: dict[date, DataFrame] = {}
        self._parts: dict[tuple[date, str], DataFrame] = {}

    def insight(self, insight: Insight, as_of_day: date) -> pa.Table:
        """The rows of the insight's statement, in its order, from what was known on the as-of day."""
        newest = newest_of(self._city, self.measure, as_of_day)
        asked = parameters(self._lake, self._city, as_of_day, self._merged(), newest)
        with self._reading():
            self._know(as_of_day, self._asked())
            *shared, (_, rest) = render_apart(insight.statement, self.name, asked, SHARED).items()
            for name, query in shared:
                key = as_of_day, query
                if key not in self._parts:
                    self._parts[key] = self._spark.computed(self._spark.session.sql(query))
                self._parts[key].createOrReplaceTempView(name)
            return collected(self._spark.session.sql(rest))

    def measure(self, measurement: str, as_of_day: date, **parameters: date | float) -> list[dict[str, Any]]:
        """The rows of a statement of sql/checks, from what was known on the as-of day."""
        with self._reading():
            self._know(as_of_day, self._asked())
            asked = render(statement("checks", measurement), self.name, {"as_of_day": as_of_day, **parameters})
            return list(collected(self._spark.session.sql(asked)).to_pylist())

    def query(self, sql: str, as_of: str | None = None) -> Answer:
        """Answer a person's query, written for Spark, over all tables of the city and nothing else.

        `as_of` is a snapshot id of `crimes`, a time (UTC) or a change day; it applies to `crimes` alone.
        """
        names = {*READ, *tables.names(self._lake, self._city.name)}
        checked = _only_reading(sql, names)
        day = change_day(as_of)
        asked = snapshot_id(as_of, self._load) if day is None else None
        self._forget()
        with ExitStack() as held:
            held.callback(self._forget)
            with _answering():
                for name in sorted(names):
                    table = self._load(name)
                    if name == "crimes" and day is not None:
                        self._view(READ[name][0], name, table)
                    else:
                        self._view(name, name, table, asked if name == "crimes" else None)
                if day is not None:
                    check_known(self._lake, self._city, day)
                    self._know(day, columns_of("crimes", self._load, self._city))
                frame = self._spark.session.sql(checked)
            return Answer([field.name for field in frame.schema.fields], _batches(frame, held.pop_all()))

    def spent(self) -> Mapping[str, int | float]:
        """Empty: Spark has no price per question."""
        return {}

    def close(self) -> None:
        """Drop the views; the next question creates them again."""
        self._forget()
        self._spark.close()

    def _load(self, name: str) -> Table | None:
        return tables.load(self._lake, self._city.name, name)

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Over views of the current snapshots."""
        try:
            self._see()
            yield
        except errors_of_spark() as error:
            raise LakeError(
                f"Spark could not read the tables of {self._city.name} ({said(error)}): run again."
            ) from error

    def _see(self) -> None:
        """Create views of the current snapshots, kept until one of the tables changes."""
        found = {name: self._load(name) for name in READ}
        state = tuple(table.metadata.current_snapshot_id if table is not None else None for table in found.values())
        if self._open != state:
            self._forget()
            for name, table in found.items():
                self._view(READ[name][0], name, table, is_own=True)
            self._open = state

    def _asked(self) -> list[str]:
        """The columns of crimes that our own statements may ask for."""
        return columns_of("crimes", self._load, self._city, is_own=True)

    def _know(self, day: date, columns: Sequence[str]) -> None:
        """Make `crimes` what was known on a change day, with these columns.

        This is kept until one of the tables changes.
        """
        if day not in self._known:
            if len(self._known) == KEPT_DAYS:
                self._forget()
                self._see()
            self._known[day] = self._known_on(day, columns)
        self._known[day].createOrReplaceTempView("crimes")

    def _known_on(self, day: date, columns: Sequence[str]) -> DataFrame:
        session = self._spark.session
        later, overtaken, as_of = (
            render(statement("crimes", name), self.name, {"as_of_day": day})
            for name in ("changed_later", "overtaken", "as_of")
        )
        ((is_changed_later,),) = session.sql(later).collect()
        if not is_changed_later:
            # The usual case: every row was known, and no statement need look at its change day.
            return session.table("crimes_now")
        # All statements of a day need the same few overtaken versions; finding them takes a ranking.
        self._spark.computed(session.sql(overtaken).select(*columns)).createOrReplaceTempView("crimes_overtaken")
        return session.sql(as_of).select(*columns)

    def _view(
        self, view: str, name: str, table: Table | None, snapshot: int | None = None, *, is_own: bool = False
    ) -> None:
        """Create a view of a table's rows, an empty one if there is no table yet.

        `is_own` for our own statements, which know all columns of crimes: those that are not published are NULL.
        """
        from pyspark.sql import functions
        from pyspark.sql.types import StringType

        columns = columns_of(name, self._load, self._city, is_own=is_own)
        more = arrow_schema(unpublished(name, self._city)) if is_own else ()
        if table is None:
            known = [*arrow_schema(columns_without(name, self._city)), *more]
            types = {field.name: _SPARK_NAMES[str(field.type)] for field in known}
            schema = ", ".join(f"`{column}` {types.get(column, 'string')}" for column in columns)
            self._spark.session.createDataFrame([], schema).createOrReplaceTempView(view)
            return
        rows = self._spark.read((self._city.name, name), snapshot)
        # A column that a snapshot, or a table other than crimes, does not have yet is NULL in its rows.
        present = self._spark.read((self._city.name, name)).schema if snapshot is not None else rows.schema
        kinds: dict[str, Any] = {field.name: field.dataType for field in present.fields}
        kinds |= {field.name: _SPARK_NAMES[str(field.type)] for field in more}
        rows.select(
            *(
                functions.col(column)
                if column in rows.columns
                else functions.lit(None).cast(kinds.get(column, StringType())).alias(column)
                for column in columns
            )
        ).createOrReplaceTempView(view)

    def _forget(self) -> None:
        self._open = None
        self._known.clear()
        self._parts.clear()
        self._spark.forget()


def _only_reading(sql: str, names: set[str]) -> str:
    """The one statement of `sql` as Spark is to run it; UsageError unless it is a SELECT from tables called `names`.

    The statement that runs is generated from the parsed query, so that Spark cannot read anything in the text that
    the parser did not see.
    """
    query = one_select(sql, "spark")
    if any(function.name.lower() in _CALLING_JAVA for function in query.find_all(exp.Anonymous)):
        raise UsageError(f"The query may not call {' or '.join(sorted(_CALLING_JAVA))}: leave it out.")
    own = {cte.alias.lower() for cte in query.find_all(exp.CTE)}
    for table in query.find_all(exp.Table):
        if not isinstance(table.this, exp.Identifier) or table.db or table.catalog:
            raise UsageError(f"{table.sql('spark')} is not a table of the city: ask for {', '.join(sorted(names))}.")
        if table.name.lower() not in own | names:
            raise UsageError(f"There is no table {table.name}: ask for {', '.join(sorted(names))}.")
    return query.sql("spark")


def collected(frame: DataFrame) -> pa.Table:
    """The rows with the types that DuckDB gives them, in their order."""
    return _arrow(frame, _plain(frame).collect())


def _plain(frame: DataFrame) -> DataFrame:
    """The same rows with a number for each timestamp: Python would convert it to the clock of this machine."""
    from pyspark.sql import functions

    fields = frame.schema.fields
    names = [f"_{number}" for number in range(len(fields))]
    return frame.toDF(*names).select(
        *(
            functions.unix_micros(name).alias(name) if field.dataType.typeName() == "timestamp" else functions.col(name)
            for name, field in zip(names, fields, strict=True)
        )
    )


def _arrow(frame: DataFrame, rows: Sequence[SparkRow]) -> pa.Table:
    """Rows of the plain frame with the names and types of the frame itself."""
    fields = frame.schema.fields
    arrays = []
    for number, field in enumerate(fields):
        values = [row[number] for row in rows]
        kind = _TYPES.get(field.dataType.simpleString())
        is_moment = field.dataType.typeName() == "timestamp"
        arrays.append(pa.array(values, pa.int64()).cast(kind) if is_moment else pa.array(values, kind))
    return pa.Table.from_arrays(arrays, names=[field.name for field in fields])


def _batches(frame: DataFrame, held: ExitStack) -> Batches:
    """The rows for a person. Spark hands over one partition at a time; no more than one is held here."""
    with held, _answering():
        rows = iter(_plain(frame).toLocalIterator())
        while some := list(islice(rows, BATCH_ROWS)):
            yield rows_of(_arrow(frame, some), "STRING")


@contextmanager
def _answering() -> Iterator[None]:
    """Turn Spark's errors about a person's query into UsageError, also for values that Python or Arrow cannot hold."""
    try:
        yield
    except errors_of_spark() as error:
        raise UsageError(f"The query cannot be answered: {said(error)}") from error
    except (pa.ArrowException, ValueError, OverflowError) as error:
        raise unreadable(error, "STRING") from error
