"""A gate: one DuckDB file with the rows and columns that a scope may see, and nothing else.

Its insights are computed from those rows, by the same statements as the lake's. What a gate does not hold cannot be
asked out of it, whatever the SQL. `cutting` says what goes into it; this module says when it is made, and for how long
it is kept.
"""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Collection, Mapping
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date, timedelta
from hashlib import sha256
from pathlib import Path

import duckdb
import pyarrow as pa

from crime_assets.analysis.made import insights_of
from crime_assets.analysis.overlaps import protect_together
from crime_assets.analysis.statistics import finished
from crime_assets.core.errors import CrimeAssetsError, LakeBusy, UsageError
from crime_assets.engines.duckdb import DuckDBEngine
from crime_assets.engines.known import Merged, check_known, columns_of, columns_without
from crime_assets.governance.audits import audit_snapshots, put_audits
from crime_assets.governance.cutting import FEWEST, Cut, restrict
from crime_assets.governance.keys import MaskKey
from crime_assets.governance.policy import CITY_INSIGHTS, INSIGHTS
from crime_assets.governance.scopes import Scope
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import identifier
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.lock import writer_lock
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.lakehouse.writing.insights import present_snapshots
from crime_assets.sources.cities import City

GATE = "gate.duckdb"
FORMAT = 3
"""Increased when a gate is made otherwise: older ones are made again."""
KEPT_DAYS = 10
"""Gates of earlier days that are kept, of all scopes together: those that were asked last."""
FIGURES = Scope("", (), frozenset({CITY_INSIGHTS}), "TRUE", {})
"""What a gate with the city's figures alone is of: others take them from it."""

_NAME = re.compile(r"[0-9a-f]{32}(-\d{4}-\d\d-\d\d)?")
_PLANS = 5
_PATIENCE_SECONDS = 600.0
_CUT = frozenset({"crimes", "crimes_superseded", INSIGHTS})
"""Tables that are made of permitted rows."""


@dataclass(frozen=True)
class Gate:
    """A gate's directory, which has nothing else in it, and the state of the lake and of ours that it is of.

    `is_new` if it was made for who asks.
    """

    place: Path
    state: str
    is_new: bool = field(default=False, compare=False)


@dataclass(frozen=True)
class Held:
    """A gate that is there, its scope, and the change day of which it is."""

    scope: Scope
    day: date
    gate: Gate


class GateMaker:
    """Makes gates of one city's lake in a directory that belongs to the service alone."""

    def __init__(
        self,
        lake: Lake,
        city: City,
        merged: Merged,
        key: Callable[[], MaskKey],
        directory: Path,
        small_numbers: int = FEWEST,
    ) -> None:
        """`small_numbers`: counts below it are hidden in the city's figures, those below FEWEST always."""
        self.lake = lake
        self.city = city
        self._merged = merged
        self._key = key
        self._directory = directory
        self._small_numbers = max(small_numbers, FEWEST)

    def gate(self, scope: Scope, day: date | None = None) -> Gate:
        """The scope's gate, of the lake as it is now, made unless it is there; of what was known on a change day.

        Without a day, that is the newest. UsageError or CrimeAssetsError if the lake cannot tell of a day.
        """
        newest = self._newest_day()
        if day is None or day == newest:
            return self._gate(scope, self._directory / scope.digest, None)
        check_known(self.lake, self.city, day)
        if day > newest:
            raise UsageError(f"The lake knows nothing of {day} yet: ask for {newest} or an earlier day.")
        found = self._gate(scope, self._directory / f"{scope.digest}-{day}", day)
        self._forget_days()
        return found

    def engine(self, scope: Scope) -> DuckDBEngine:
        """An engine that knows only the permitted rows, all columns clear: for our statements, not people's.

        Who asks it closes it.
        """
        return DuckDBEngine(
            self.lake,
            self.city,
            self._merged,
            lambda con, table, rows, columns: restrict(con, table, rows, columns, scope.rows),
        )

    def figures(self, day: date) -> dict[str, pa.Table]:
        """The insights of the whole city on a change day by the names of their tables, small numbers hidden."""
        return _held(self.gate(FIGURES, day))

    def days(self) -> list[date]:
        """The change days that the lake has merged, in order."""
        return sorted(self._merged())

    def state(self, scope: Scope) -> str:
        """What all depends on that is made of a scope's rows, besides the scope."""
        return self._state(scope, self._newest_day())

    def held(self, scopes: Collection[Scope]) -> list[Held]:
        """The gates of these scopes, and of the figures that they take, that are there and of the lake as it is now."""
        known = {scope.digest: scope for scope in scopes}
        if any(CITY_INSIGHTS in scope.tables for scope in scopes):
            known[FIGURES.digest] = FIGURES
        found = []
        for name in self._names():
            digest, _, day = name.partition("-")
            if (scope := known.get(digest)) is not None:
                asked = date.fromisoformat(day) if day else self._newest_day()
                state = self._state(scope, asked)
                if _is_of(self._directory / name, state):
                    found.append(Held(scope, asked, Gate(self._directory / name, state)))
        return found

    def keep_only(self, scopes: Collection[Scope]) -> list[str]:
        """Remove all gates but those that are held for these scopes, and what is left of others that were broken off.

        Returns the names of what is gone, sorted. Who has a gate open can read it to its end.
        """
        # A gate that is made meanwhile is not among them.
        names = self._names()
        kept = {held.gate.place.name for held in self.held(scopes)}
        return [name for name in names if name not in kept and self._remove(name)]

    def _names(self) -> list[str]:
        """The names of gates, also of those of which only a part is left. Other files are not ours."""
        found = (path.name.partition(".")[0] for path in self._directory.glob("*"))
        return sorted({name for name in found if _NAME.fullmatch(name)})

    def _gate(self, scope: Scope, place: Path, day: date | None) -> Gate:
        """The gate at its place, made unless it is there; of the newest day if none is given."""
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        noted = place.with_suffix(".state")
        # Who asks for the same gate meanwhile waits, and finds it.
        with writer_lock(place.with_suffix(".lock"), _PATIENCE_SECONDS):
            for plan in range(_PLANS):
                asked = day or self._newest_day()
                state = self._state(scope, asked)
                if _is_of(place, state):
                    os.utime(noted)
                    return Gate(place, state, plan > 0)
                # Not after the gate: it would have the name of another state for a moment.
                noted.unlink(missing_ok=True)
                self._make(scope, place, asked)
                if self._state(scope, day or self._newest_day()) == state:
                    noted.write_text(state, "ascii")
                # If not, the lake changed meanwhile, and the gate may be of both states.
        raise CrimeAssetsError("The lake changed five times while a gate was made: ask again.")

    def _forget_days(self) -> None:
        """Remove gates of earlier days, those that were asked longest ago first, until few are left."""
        asked = []
        for noted in self._directory.glob("*-*.state"):
            try:
                asked.append((noted.stat().st_mtime_ns, noted.stem))
            except FileNotFoundError:  # another process was faster
                continue
        for _, name in sorted(asked)[:-KEPT_DAYS]:
            self._remove(name)

    def _remove(self, name: str) -> bool:
        """Remove a gate and all that goes with it, unless somebody asks for it just now; whether it is gone."""
        place = self._directory / name
        with suppress(LakeBusy), writer_lock(place.with_suffix(".lock"), 0):
            place.with_suffix(".state").unlink(missing_ok=True)
            for directory in (place, place.with_suffix(".making")):
                shutil.rmtree(directory, ignore_errors=True)
            # Who waits for the lock finds that it is gone, and takes another.
            place.with_suffix(".lock").unlink(missing_ok=True)
            return True
        return False

    def _state(self, scope: Scope, day: date) -> str:
        """What a gate depends on besides its scope."""
        removed = tables.load(self.lake, self.city.name, "crimes_removed")
        snapshot = removed.current_snapshot() if removed is not None else None
        told = {
            "format": FORMAT,
            "scope": scope.digest,
            "key": self._key().id,
            "snapshots": {**present_snapshots(self.lake, self.city), "removed": snapshot and snapshot.snapshot_id},
            "insights": [insight.definition for insight in insights_of(self.city)],
            "lag": self.city.lag_days,
            "small_numbers": self._small_numbers,
            "day": str(day),
            "audits": audit_snapshots(self.lake, self.city, scope.tables),
        }
        return sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:32]

    def _make(self, scope: Scope, place: Path, day: date) -> None:
        """Write the gate beside its place, and put it there whole. Who has the old one open keeps it."""
        place.mkdir(exist_ok=True, mode=0o700)
        scratch = place.with_suffix(".making")
        # What a process that was killed has left.
        shutil.rmtree(scratch, ignore_errors=True)
        scratch.mkdir(mode=0o700)
        try:
            self._write(scope, scratch / GATE, day)
            (scratch / GATE).chmod(0o400)
            (scratch / GATE).rename(place / GATE)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def _write(self, scope: Scope, path: Path, day: date) -> None:
        found: dict[str, pa.Table] = {}
        if scope.tables & _CUT:
            found |= self._cut(scope, path, day)
        if CITY_INSIGHTS in scope.tables:
            found |= self._figures(day) if scope.digest == FIGURES.digest else self.figures(day)
        _add(path, found)
        put_audits(path, self.lake, self.city, scope.tables)

    def _cut(self, scope: Scope, path: Path, day: date) -> dict[str, pa.Table]:
        """Put the permitted rows into a gate; the insights that are computed from them, as they are seen."""
        seen = [
            (insight, columns) for insight in insights_of(self.city) if (columns := list(scope.columns_of(insight)))
        ]
        cut = Cut(scope, self._key, [insight for insight, _ in seen], path)
        with closing(DuckDBEngine(self.lake, self.city, self._merged, cut)) as engine:
            if not seen:
                engine.measure("one_row_per_id", day)  # The tables are made when something is asked.
            return {
                insight.table: finished(insight, engine.insight(insight, day)).select(columns)
                for insight, columns in seen
            }

    def _figures(self, day: date) -> dict[str, pa.Table]:
        """The insights of the whole city, small numbers hidden also from who knows a row, and has all of them."""
        with closing(self.engine(FIGURES)) as engine:
            computed = {insight: finished(insight, engine.insight(insight, day)) for insight in insights_of(self.city)}
        return {f"city_{name}": shown for name, shown in protect_together(computed, self._small_numbers).items()}

    def _newest_day(self) -> date:
        """The newest change day that the lake has merged, or with which its history ends. No row tells it."""
        before = history_before(self.lake, self.city)
        days = [*self._merged(), *([before - timedelta(days=1)] if before is not None else [])]
        if not days:
            raise CrimeAssetsError("There are no crimes in the lake yet: run `crime-assets run` first.")
        return max(days)


def _is_of(place: Path, state: str) -> bool:
    """Whether the gate at a place is of a state."""
    try:
        return (place / GATE).is_file() and place.with_suffix(".state").read_text("ascii") == state
    except FileNotFoundError:
        return False


def _held(gate: Gate) -> dict[str, pa.Table]:
    """All tables of a gate."""
    with duckdb.connect(str(gate.place / GATE), read_only=True) as con:
        names = con.execute("SELECT table_name FROM duckdb_tables() ORDER BY table_name").fetchall()
        return {name: con.table(identifier(name)).to_arrow_table() for (name,) in names}


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
    names = columns_of("crimes", lambda name: tables.load(lake, city.name, name), city)
    table = tables.load(lake, city.name, "crimes")
    if table is None:
        return {column.name: column.type for column in columns_without("crimes", city)}
    types = {field.name: str(field.field_type) for field in table.schema().fields}
    return {name: types[name] for name in names}
