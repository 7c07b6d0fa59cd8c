"""The permitted rows of a scope as tables of an engine, and what is seen of them in a gate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
from h3.api import basic_int as h3

from crime_assets.core.insights import Insight
from crime_assets.core.sql import render, statement
from crime_assets.governance.keys import MaskKey
from crime_assets.governance.masks import PLACE, masked
from crime_assets.governance.scopes import Scope, read_of
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.iceberg.evolution import names_of

FEWEST = 5
"""Crimes that a cell must have: else its place is that of the larger cell around it, or none."""

_FIRST = "occurred_at"
"""What a gate is sorted by before all else: rows of a time lie together, and compress better."""


def restrict(con: duckdb.DuckDBPyConnection, name: str, rows: str, columns: Sequence[str], condition: str) -> None:
    """Make `name` of the permitted rows of a query, each version by its own values; removed crimes are in none."""
    con.execute(f"CREATE TABLE IF NOT EXISTS main.gone AS {render(statement('gates', 'gone'), 'duckdb', {})}")
    # A copy of all rows would be as large as the lake, and take longer than each insight takes to read its columns.
    kind = "VIEW" if condition == "TRUE" else "TABLE"
    permitted = f"FROM ({rows}) ANTI JOIN main.gone USING (id) SELECT {names_of(columns)} WHERE {condition}"
    con.execute(f"CREATE {kind} {identifier(name)} AS {permitted}")


class Cut:
    """Makes the tables of an engine of the permitted rows, and puts what is seen of them into a gate, a new file."""

    def __init__(self, scope: Scope, key: Callable[[], MaskKey], insights: Collection[Insight], path: Path) -> None:
        """`insights` are those that will be asked of the engine: they know their columns clear."""
        self._scope = scope
        self._key = key
        self._read = {table: _together(insights, table) for table in ("crimes", "crimes_superseded", "crimes_removed")}
        self._path = path
        self._has_cells = False

    def __call__(self, con: duckdb.DuckDBPyConnection, table: str, rows: str, columns: Sequence[str]) -> None:
        """What `DuckDBEngine` takes as `restrict`."""
        # An engine opens another connection when the lake has changed; then all is made again.
        if not con.execute("FROM duckdb_databases() WHERE database_name = 'gate'").fetchall():
            con.execute(f"ATTACH {literal(str(self._path))} AS gate (STORAGE_VERSION 'latest')")
            self._has_cells = False
        seen = [name for name in columns if name in self._scope.columns] if table in self._scope.tables else []
        # Columns that nobody asks for cost as much to read as others.
        needed = {"id", *seen, *self._read[table]}
        restrict(con, table, rows, [name for name in columns if name in needed], self._scope.rows)
        if seen:
            self._keep(con, identifier(table), seen)

    def _keep(self, con: duckdb.DuckDBPyConnection, name: str, seen: Sequence[str]) -> None:
        """Put what is seen of the permitted rows into the gate."""
        con.execute(f"CREATE OR REPLACE TEMP VIEW permitted AS FROM {name}")
        if not self._has_cells and (mask := self._scope.mask_of(*PLACE)) is not None:
            older = f"FROM main.crimes_superseded WHERE {self._scope.rows}"
            con.execute(f"CREATE OR REPLACE TEMP VIEW older AS {older}")
            con.register("cells", cells(con, int(mask.value)))
            self._has_cells = True
        # Sorted by all that is seen, as it is seen: an order may not tell what is hidden.
        order = sorted(range(1, len(seen) + 1), key=lambda place: seen[place - 1] != _FIRST)
        made = f"{seen_of(self._scope, seen)} ORDER BY {', '.join(map(str, order))}"
        con.execute(f"CREATE OR REPLACE TABLE gate.{name} AS {made}", parameters(self._scope, self._key))


def seen_of(scope: Scope, columns: Sequence[str]) -> str:
    """A query for what is seen of `permitted` rows: these columns, masked; it may need `cells` and `parameters`."""
    is_in_cells = scope.mask_of(*PLACE) is not None
    join = "LEFT JOIN cells ON permitted.latitude = at_latitude AND permitted.longitude = at_longitude"
    return f"FROM permitted {join if is_in_cells else ''} SELECT {', '.join(_shown(scope, name) for name in columns)}"


def _shown(scope: Scope, column: str) -> str:
    mask = scope.columns.get(column)
    shown = masked(mask, column) if mask is not None else f"permitted.{identifier(column)}"
    return f"{shown} AS {identifier(column)}"


def parameters(scope: Scope, key: Callable[[], MaskKey]) -> dict[str, bytes | str]:
    """The parameters of that query."""
    kinds = {mask.kind for mask in scope.columns.values() if mask is not None}
    if "keyed_hash" not in kinds:
        return {}
    found = key()
    return {"inner": found.inner, "outer": found.outer, "mark": found.mark}


def _together(insights: Collection[Insight], table: str) -> frozenset[str]:
    return frozenset[str]().union(*(read_of(insight.statement, table) for insight in insights))


def cells(con: duckdb.DuckDBPyConnection, resolution: int) -> pa.Table:
    """Place → the centre that stands for it, for the places of `permitted` crimes and of `older` versions.

    A cell of the resolution with fewer than FEWEST crimes gives way to the one around it, of which it is told only
    what is left: if those crimes are too few as well, they have no place.
    """
    places = con.execute(render(statement("gates", "places"), "duckdb", {})).fetchall()
    found = [h3.latlng_to_cell(latitude, longitude, resolution) for latitude, longitude, _ in places]
    crimes: defaultdict[int, int] = defaultdict(int)
    for cell, (_, _, count) in zip(found, places, strict=True):
        crimes[cell] += count
    centres = _centres(crimes, resolution)
    names = ("at_latitude", "at_longitude", *PLACE)
    rows = [(latitude, longitude, *centres[cell]) for cell, (latitude, longitude, _) in zip(found, places, strict=True)]
    columns = dict(zip(names, zip(*rows, strict=True) if rows else [()] * len(names), strict=True))
    return pa.table(columns, pa.schema([(name, pa.float64()) for name in names]))


def _centres(crimes: Mapping[int, int], resolution: int) -> dict[int, tuple[float | None, float | None]]:
    """Cell → the centre by which it is shown, by how many crimes there are in each."""
    parents = {cell: h3.cell_to_parent(cell, resolution - 1) for cell, count in crimes.items() if count < FEWEST}
    left: defaultdict[int, int] = defaultdict(int)
    for cell, parent in parents.items():
        left[parent] += crimes[cell]
    centres: dict[int, tuple[float | None, float | None]] = {}
    for cell in crimes:
        shown = parents.get(cell, cell)
        is_shown = cell not in parents or left[shown] >= FEWEST
        centres[cell] = h3.cell_to_latlng(shown) if is_shown else (None, None)
    return centres
