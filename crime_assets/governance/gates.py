"""A gate: one DuckDB file with the rows and columns that a scope may see, and nothing else.

Its insights are computed from those rows, by the same statements as the lake's. What a gate does not hold cannot be
asked out of it, whatever the SQL.
"""

from __future__ import annotations

import json
import shutil
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa
from h3.api import basic_int as h3

from crime_assets.analysis.statistics import finished
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.core.insights import Insight
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.known import Merged, columns_of
from crime_assets.governance.audits import audit_snapshots, put_audits
from crime_assets.governance.keys import MaskKey
from crime_assets.governance.masks import PLACE, masked
from crime_assets.governance.policy import AUDITS
from crime_assets.governance.scopes import Scope
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier, literal
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.lock import writer_lock
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.lakehouse.writing.insights import present_snapshots
from crime_assets.sources.cities import City

GATE = "gate.duckdb"
FEWEST = 5
"""Crimes that a cell must have: else its place is that of the larger cell around it, or none."""
FORMAT = 1
"""Increased when a gate is made otherwise: older ones are made again."""

_PLANS = 5
_PATIENCE_SECONDS = 600.0
_REMOVED = """
SELECT id FROM main.crimes_removed
EXCEPT
SELECT id FROM main.crimes_now WHERE id IN (SELECT id FROM main.crimes_removed)
"""
"""Ids of crimes that the source no longer has: no version of them is in a gate."""


@dataclass(frozen=True)
class Gate:
    """A gate's directory, which has nothing else in it, and the state of the lake and of ours that it is of.

    `is_new` if it was made for who asks.
    """

    place: Path
    state: str
    is_new: bool = field(default=False, compare=False)


class GateMaker:
    """Makes gates of one city's lake in a directory that belongs to the service alone."""

    def __init__(
        self, lake: Lake, city: City, merged: Merged, insights: Sequence[Insight], key: MaskKey, directory: Path
    ) -> None:
        self._lake = lake
        self._city = city
        self._merged = merged
        self._insights = insights
        self._key = key
        self._directory = directory

    def gate(self, scope: Scope) -> Gate:
        """The scope's gate, of the lake as it is now; made unless it is there."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        place = self._directory / scope.digest
        noted = self._directory / f"{scope.digest}.state"
        # Who asks for the same gate meanwhile waits, and finds it.
        with writer_lock(self._directory / f"{scope.digest}.lock", _PATIENCE_SECONDS):
            for plan in range(_PLANS):
                state = self.state(scope)
                if (place / GATE).is_file() and noted.is_file() and noted.read_text("ascii") == state:
                    return Gate(place, state, plan > 0)
                # Not after the gate: it would have the name of another state for a moment.
                noted.unlink(missing_ok=True)
                self._make(scope, place)
                if self.state(scope) == state:
                    noted.write_text(state, "ascii")
                # If not, the lake changed meanwhile, and the gate may be of both states.
        raise CrimeAssetsError("The lake changed five times while a gate was made: ask again.")

    def engine(self, scope: Scope) -> DuckDBEngine:
        """An engine that knows only the permitted rows, all columns clear: for our statements, not people's.

        Who asks it closes it.
        """
        return DuckDBEngine(self._lake, self._city, self._merged, _Cut(scope, self._key, None).restrict)

    def days(self) -> list[date]:
        """The change days that the lake has merged, in order."""
        return sorted(self._merged())

    def state(self, scope: Scope) -> str:
        """What a gate depends on besides its scope."""
        removed = tables.load(self._lake, self._city.name, "crimes_removed")
        snapshot = removed.current_snapshot() if removed is not None else None
        told = {
            "format": FORMAT,
            "scope": scope.digest,
            "key": self._key.id,
            "snapshots": {**present_snapshots(self._lake, self._city), "removed": snapshot and snapshot.snapshot_id},
            "insights": [insight.definition for insight in self._insights],
            "lag": self._city.lag_days,
            "day": str(self._newest_day()),
            "audits": audit_snapshots(self._lake, self._city, scope.tables),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _make(self, scope: Scope, place: Path) -> None:
        """Write the gate beside its place, and put it there whole. Who has the old one open keeps it."""
        place.mkdir(exist_ok=True, mode=0o700)
        scratch = self._directory / f"{scope.digest}.making"
        # What a process that was killed has left.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        try:
            self._write(scope, scratch / GATE)
            (scratch / GATE).chmod(0o400)
            (scratch / GATE).rename(place / GATE)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _write(self, scope: Scope, path: Path) -> None:
        cut = _Cut(scope, self._key, path)
        engine = DuckDBEngine(self._lake, self._city, self._merged, cut.restrict)
        day = self._newest_day()
        with ExitStack() as held:
            held.callback(engine.close)
            computed = {
                insight.table: finished(insight, engine.insight(insight, day)).select(seen)
                for insight in self._insights
                if (seen := list(scope.columns_of(insight)))
            }
            if not computed and not scope.tables <= set(AUDITS):
                engine.measure("one_row_per_id", day)  # The tables are made when something is asked.
        _add(path, computed)
        put_audits(path, self._lake, self._city, scope.tables)

    def _newest_day(self) -> date:
        """The newest change day that the lake has merged, or with which its history ends. No row tells it."""
        before = history_before(self._lake, self._city)
        days = [*self._merged(), *([before - timedelta(days=1)] if before is not None else [])]
        if not days:
            raise CrimeAssetsError("There are no crimes in the lake yet: run `crime-assets run` first.")
        return max(days)


class _Cut:
    """Cuts the permitted rows out of the tables of an engine, and puts what is seen into a gate, if there is one."""

    def __init__(self, scope: Scope, key: MaskKey, path: Path | None) -> None:
        self._scope = scope
        self._key = key
        self._path = path
        self._is_open = self._has_cells = False

    def restrict(self, con: duckdb.DuckDBPyConnection, table: str, rows: str, columns: Sequence[str]) -> None:
        """Make a table of the permitted rows of a query, each version by its own district; the gate gets what is seen.

        Insights know all columns of those rows, clear: they leave out what they may not show.
        """
        if self._path is not None and not self._is_open:
            con.execute(f"ATTACH {literal(str(self._path))} AS gate (STORAGE_VERSION 'latest')")
            self._is_open = True
        name, scope = identifier(table), self._scope
        kept = f"{scope.rows} AND id NOT IN ({_REMOVED})"
        con.execute(f"CREATE OR REPLACE TABLE permitted AS FROM ({rows}) WHERE {kept}")
        if self._path is not None and table in scope.tables:
            self._keep(con, name, [column for column in columns if column in scope.columns], kept)
        con.execute(f"ALTER TABLE permitted RENAME TO {name}")

    def _keep(self, con: duckdb.DuckDBPyConnection, name: str, seen: Sequence[str], kept: str) -> None:
        """Put what is seen of the permitted rows into the gate."""
        if not seen:
            return
        join = ""
        if (mask := self._scope.mask_of(*PLACE)) is not None:
            if not self._has_cells:
                older = f"SELECT latitude, longitude FROM main.crimes_superseded WHERE {kept}"
                con.register("cells", _cells(con, older, int(mask.value)))
                self._has_cells = True
            join = "LEFT JOIN cells ON permitted.latitude = at_latitude AND permitted.longitude = at_longitude"
        shown = ", ".join(self._shown(column) for column in seen)
        # Sorted by all that is seen: an order may not tell what is hidden.
        made = f"CREATE TABLE gate.{name} AS SELECT {shown} FROM permitted {join} ORDER BY ALL"
        con.execute(made, self._parameters())

    def _shown(self, column: str) -> str:
        mask = self._scope.columns.get(column)
        shown = masked(mask, column) if mask is not None else f"permitted.{identifier(column)}"
        return f"{shown} AS {identifier(column)}"

    def _parameters(self) -> dict[str, bytes]:
        kinds = {mask.kind for mask in self._scope.columns.values() if mask is not None}
        return {"inner": self._key.inner, "outer": self._key.outer} if "keyed_hash" in kinds else {}


def _cells(con: duckdb.DuckDBPyConnection, older: str, resolution: int) -> pa.Table:
    """Place → the centre that stands for it, for the permitted crimes and for the places of older versions.

    A cell of the resolution with fewer than FEWEST crimes gives way to the one around it, of which it is told only
    what is left: if those crimes are too few as well, they have no place.
    """
    places = con.execute(
        f"""
        SELECT latitude, longitude, sum(crimes)
        FROM (SELECT latitude, longitude, 1 AS crimes FROM permitted UNION ALL SELECT *, 0 FROM ({older}))
        WHERE isfinite(latitude) AND isfinite(longitude)
        GROUP BY ALL
        """
    ).fetchall()
    cells = [h3.latlng_to_cell(latitude, longitude, resolution) for latitude, longitude, _ in places]
    crimes: defaultdict[int, int] = defaultdict(int)
    for cell, (_, _, count) in zip(cells, places, strict=True):
        crimes[cell] += count
    left: defaultdict[int, int] = defaultdict(int)
    parents = {cell: h3.cell_to_parent(cell, resolution - 1) for cell, count in crimes.items() if count < FEWEST}
    for cell, parent in parents.items():
        left[parent] += crimes[cell]
    centres: dict[int, tuple[float | None, float | None]] = {}
    for cell in crimes:
        shown = parents.get(cell, cell)
        is_shown = cell not in parents or left[shown] >= FEWEST
        centres[cell] = h3.cell_to_latlng(shown) if is_shown else (None, None)
    names = ("at_latitude", "at_longitude", "latitude", "longitude")
    found = [
        (latitude, longitude, *centres[cell]) for cell, (latitude, longitude, _) in zip(cells, places, strict=True)
    ]
    columns = dict(zip(names, zip(*found, strict=True) if found else [()] * len(names), strict=True))
    return pa.table(columns, pa.schema([(name, pa.float64()) for name in names]))


def _add(path: Path, computed: Mapping[str, pa.Table]) -> None:
    """Put computed tables into a gate that nothing else has open."""
    with duckdb.connect(str(path)) as con:
        con.execute("SET preserve_insertion_order = true")
        for name, rows in computed.items():
            con.register("computed", rows)
            con.execute(f"CREATE TABLE {identifier(name)} AS FROM computed")
            con.unregister("computed")
        con.execute("CHECKPOINT")


def seen_columns(lake: Lake, city: City) -> dict[str, str]:
    """The columns of `crimes` as the lake has them, and their Iceberg types."""
    names = columns_of("crimes", lambda name: tables.load(lake, city.name, name))
    table = tables.load(lake, city.name, "crimes")
    if table is None:
        from crime_assets.lakehouse.schema import CRIMES

        return {column.name: column.type for column in CRIMES}
    types = {field.name: str(field.field_type) for field in table.schema().fields}
    return {name: types[name] for name in names}
