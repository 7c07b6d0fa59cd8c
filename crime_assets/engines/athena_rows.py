"""Which rows the names in a question stand for: tables at a fixed snapshot, or what was known on a day.

A question names its snapshots, so that Athena reads what the lake held when the question was put together.
"""

from __future__ import annotations

from datetime import date
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlglot import exp

from crime_assets.core.errors import LakeError
from crime_assets.core.sql import DIALECT, parse, render, statement
from crime_assets.engines.athena_statements import Source
from crime_assets.engines.known import READ, Load, columns_of, columns_without, unpublished
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

_TYPES = {
    "long": "BIGINT",
    "int": "INTEGER",
    "double": "DOUBLE",
    "float": "REAL",
    "boolean": "BOOLEAN",
    "string": "VARCHAR",
    "date": "DATE",
    "time": "TIME(6)",
    "timestamp": "TIMESTAMP(6)",
    "timestamptz": "TIMESTAMP(6) WITH TIME ZONE",
    "uuid": "UUID",
    "binary": "VARBINARY",
}
"""Type of a column in Iceberg → in Athena; decimals have the same name."""

_STATEMENTS = {"crimes": "as_of", "crimes_overtaken": "overtaken"}
"""Names that stand for what was known on a day → the statement of sql/crimes that defines them."""

_NOW = {ours: name for name, (ours, _) in READ.items()}


class Rows:
    """The rows of one question: `crimes` as of a day, as of a snapshot, or now; all other tables as they are now.

    Every table is loaded once, so that all parts of a question see the same state.
    """

    def __init__(
        self,
        city: City,
        load: Load,
        day: date | None = None,
        *,
        is_own: bool,
        crimes_snapshot: int | None = None,
        latest: dict[int, date] | None = None,
    ) -> None:
        """`is_own` if the statement is ours: then crimes have all columns, those that the city does not publish NULL.

        `latest` keeps what was learned about snapshots from one question to the next.
        """
        self._city = city
        self._is_own = is_own
        self._load = lru_cache(maxsize=None)(load)
        self._day = day
        self._crimes_snapshot = crimes_snapshot
        self._latest = latest if latest is not None else {}

    def source(self, name: str) -> Source:
        """What a name in a statement stands for: a table, or one of the names that our own statements use."""
        if self._day is not None and name in _STATEMENTS and self._changed_later(self._day):
            rows = parse(render(statement("crimes", _STATEMENTS[name]), DIALECT, {"as_of_day": self._day}))
            return _selected(rows, self._shown("crimes")) if name == "crimes_overtaken" else rows
        return self._table(_NOW.get(name, name), self._crimes_snapshot if name == "crimes" else None)

    def _table(self, name: str, snapshot_id: int | None) -> Source:
        table = self._load(name)
        shown = self._shown(name)
        snapshot = table.current_snapshot() if table is not None else None
        if table is None or snapshot is None:
            return _nothing(self._types(name, table), shown)
        if snapshot_id is not None:
            snapshot = table.snapshot_by_id(snapshot_id)
            if snapshot is None:
                raise LakeError(f"The snapshot {snapshot_id} of {name} has expired meanwhile: ask for a later one.")
        held = _held(table, snapshot.schema_id)
        rows = exp.Table(
            this=exp.to_identifier(name, quoted=True),
            db=exp.to_identifier(self._city.name, quoted=True),
            version=exp.Version(this="VERSION", kind="AS OF", expression=exp.Literal.number(snapshot.snapshot_id)),
        )
        if list(held) == shown and all(name == was for name, was in held.items()):
            return rows
        types = self._types(name, table)
        return exp.select(
            *(
                exp.column(held[column], quoted=True).as_(column, quoted=True)
                if column in held
                else _null(types.get(column, "string"), column)
                for column in shown
            )
        ).from_(rows)

    def _shown(self, name: str) -> list[str]:
        """The columns of a table that the statement may ask for."""
        return columns_of(name, self._load, self._city, is_own=self._is_own)

    def _types(self, name: str, table: Table | None) -> dict[str, str]:
        known = (*columns_without(name, self._city), *unpublished(name, self._city)) if name in READ else ()
        types = {column.name: column.type for column in known}
        crimes = self._load("crimes") if name in READ else None
        for one in (crimes, table):
            if one is not None:
                types |= {field.name: str(field.field_type) for field in one.schema().fields}
        return types

    def _changed_later(self, day: date) -> bool:
        """Like sql/crimes/changed_later.sql, but from the bounds of data files in the manifests, which costs nothing.

        The bounds may be wider than what the files hold; then the rows are found the long way.
        """
        return any(
            self._latest_day(name, column) > day
            for name, column in (("crimes", "change_day"), ("crimes_removed", "removed_on"))
        )

    def _latest_day(self, name: str, column: str) -> date:
        table = self._load(name)
        snapshot = table.current_snapshot() if table is not None else None
        if table is None or snapshot is None:
            return date.min
        if snapshot.snapshot_id not in self._latest:
            self._latest[snapshot.snapshot_id] = _latest(table, column)
        return self._latest[snapshot.snapshot_id]


def _latest(table: Table, column: str) -> date:
    """A day such that no row of the table is later."""
    from pyiceberg.conversions import from_bytes
    from pyiceberg.types import DateType

    field = table.schema().find_field(column).field_id
    latest = date.min
    for task in table.scan().plan_files():
        bound = (task.file.upper_bounds or {}).get(field)
        if bound is None:
            return date.max
        latest = max(latest, date.fromordinal(date(1970, 1, 1).toordinal() + int(from_bytes(DateType(), bound))))
    return latest


def _held(table: Table, schema_id: int | None) -> dict[str, str]:
    """The columns of a snapshot: their names now → their names then."""
    now = table.schema()
    then = table.schemas().get(schema_id, now) if schema_id is not None else now
    names = {field.field_id: field.name for field in now.fields}
    return {names[field.field_id]: field.name for field in then.fields if field.field_id in names}


def _nothing(types: dict[str, str], columns: list[str]) -> exp.Select:
    return exp.select(*(_null(types.get(column, "string"), column) for column in columns)).where("1 = 0")


def _null(kind: str, column: str) -> exp.Expr:
    if kind not in _TYPES and not kind.startswith("decimal("):
        raise LakeError(
            f"The column {column} is of the type {kind}, which this engine cannot write: drop it, or keep it in a "
            "table of its own."
        )
    return exp.cast(exp.null(), exp.DataType.build(_TYPES.get(kind, kind), dialect=DIALECT)).as_(column, quoted=True)


def _selected(rows: exp.Query, columns: list[str]) -> exp.Select:
    return exp.select(*(exp.column(column, quoted=True) for column in columns)).from_(rows.subquery("kept"))
