"""Extracts of one scope: made of the permitted rows alone when somebody looks at a day, and kept while they hold."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Collection, Sequence
from contextlib import closing
from datetime import date
from hashlib import sha256
from pathlib import Path
from secrets import token_hex

import pyarrow as pa

from crime_assets.analysis.made import insights_of
from crime_assets.analysis.statistics import finished
from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.core.insights import Insight
from crime_assets.engines import Engine
from crime_assets.governance.gates import GateMaker
from crime_assets.governance.policy import CITY_INSIGHTS, INSIGHTS
from crime_assets.governance.scopes import Scope
from crime_assets.lakehouse.place.lock import writer_lock
from crime_assets.profiles import Profile
from crime_assets.publishing.cells import cells_of
from crime_assets.publishing.database_files import packed
from crime_assets.publishing.extract import (
    BLOCKS,
    CELLS,
    KEPT_DAYS,
    about_of,
    about_table,
    cubes_made,
    cubes_of,
    release_of,
)
from crime_assets.publishing.published import emptied
from crime_assets.publishing.reading import Extract, lately
from crime_assets.sources.cities import City

_DIRECTORY = "pages"
_OPEN = 4
_PATIENCE_SECONDS = 600.0
_PLANS = 5


class ScopedExtracts:
    """The extracts of one scope, in a directory that belongs to the service alone. Safe for threads and processes."""

    def __init__(self, profile: Profile, gates: GateMaker, scope: Scope, *, as_of: bool = False) -> None:
        """`as_of`: earlier days than the newest may be chosen."""
        self._profile = profile
        self._gates = gates
        self._scope = scope
        self._days = KEPT_DAYS if as_of else 1
        self._directory = profile.lake.home / _DIRECTORY / scope.digest
        self._lock = threading.Lock()
        self._open: dict[date, tuple[str, Extract]] = {}
        """Those kept open, the one asked for last at the end."""
        self._state = lately(self._look)

    def cities(self) -> list[str]:
        """The city of the policy."""
        return [self._profile.city.name]

    def days(self, city: str) -> list[date]:
        """The newest change days of the lake that may be seen, newest first. CrimeAssetsError if there are none."""
        merged = self._gates.days()[-self._days :]
        if not merged:
            raise CrimeAssetsError("There are no crimes in the lake yet: run `crime-assets run` first.")
        return sorted(merged, reverse=True)

    def of(self, city: str, day: date) -> Extract:
        """The extract of a day, of the lake as it is now. UsageError if the scope sees too little for one."""
        if day not in self.days(city):
            raise CrimeAssetsError(f"There is no extract of {city} for {day}: choose a day from the list.")
        if lacking := lacking_for_pages(self._profile.city, self._scope):
            raise UsageError(
                f"The pages need {', '.join(lacking)}, which your role does not see clear: ask with `crime-assets "
                "query`."
            )
        state = self._state()
        with self._lock:
            held = self._open.pop(day, None)
            found = held if held is not None and held[0] == state else (state, self._read(day, state))
            self._open[day] = found
            if len(self._open) > _OPEN:
                del self._open[next(iter(self._open))]
            return found[1]

    def _look(self) -> str:
        """What the extracts depend on."""
        release = release_of(self._profile.city, insights_of(self._profile.city))
        return sha256(json.dumps([self._gates.state(self._scope), release]).encode()).hexdigest()[:32]

    def _read(self, day: date, state: str) -> Extract:
        """An extract, opened; made unless there is one of this state."""
        path, noted = self._directory / f"{day}.duckdb", self._directory / f"{day}.state"
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        with writer_lock(self._directory / ".lock", _PATIENCE_SECONDS):
            for _ in range(_PLANS):
                is_there = path.is_file() and noted.is_file() and noted.read_text("ascii") == state
                if is_there and (found := self._opened(path, day)) is not None:
                    return found
                noted.unlink(missing_ok=True)
                self._write(path, day)
                if (now := self._look()) == state:
                    noted.write_text(state, "ascii")
                # If not, the lake changed meanwhile, and the extract may be of both states.
                state = now
        raise CrimeAssetsError("The lake changed five times while the page was made: look again.")

    def _opened(self, path: Path, day: date) -> Extract | None:
        """An extract that is there; None if it cannot be read."""
        # Two that open one path share what DuckDB has of it; an open file stays readable without its name.
        own = self._directory / f"{token_hex(8)}.open"
        own.hardlink_to(path)
        try:
            return Extract(own, f"{self._profile.city.name} for {day}")
        except CrimeAssetsError:
            return None
        finally:
            own.unlink()

    def _write(self, path: Path, day: date) -> None:
        """Make the extract of a day beside its place, and put it there whole."""
        partial = path.with_suffix(".making")
        partial.unlink(missing_ok=True)
        partial.write_bytes(self._made(day))
        partial.chmod(0o400)
        partial.rename(path)

    def forget_older(self) -> None:
        """Remove what is of another state of the lake, or of days that can no longer be chosen."""
        if not self._directory.is_dir():
            return
        state, days = self._look(), {str(day) for day in self.days(self._profile.city.name)}
        with writer_lock(self._directory / ".lock", _PATIENCE_SECONDS):
            for path in self._directory.glob("*.*"):
                noted = path.with_suffix(".state")
                is_of_now = path.suffix in {".duckdb", ".state"} and path.stem in days and noted.is_file()
                # Also what a process that was killed has left.
                if path.name != ".lock" and not (is_of_now and noted.read_text("ascii") == state):
                    path.unlink()

    def _made(self, day: date) -> bytes:
        city, scope = self._profile.city, self._scope
        insights, of = insights_of(city), {cube.name: cube for cube in cubes_of(city)}
        with closing(self._gates.engine(scope)) as engine:
            tables = {name: _seen(scope, of[name], rows) for name, rows in cubes_made(city, engine, day).items()}
            tables |= _insights(scope, engine, insights, day)
        if CITY_INSIGHTS in scope.tables:
            tables |= self._gates.figures(day)
        if BLOCKS in tables:
            tables[CELLS] = cells_of(tables[BLOCKS])
            # The one cube without which there is a dashboard.
            if not scope.columns_of(of[BLOCKS]):
                del tables[BLOCKS]
        about = about_of(city, day, tables, {}, self._look(), release_of(city, insights))
        return packed(self._profile.lake.staging, {**tables, **about_table(about)})


def keep_pages(profile: Profile, gates: GateMaker, asked: Collection[Scope], known: Collection[Scope]) -> list[str]:
    """Make the newest day's extracts of the scopes that are asked; remove those of older states of the lake.

    So are all of scopes that are not known any more. Returns their digests, sorted.
    """
    city = profile.city.name
    for scope in known:
        ScopedExtracts(profile, gates, scope).forget_older()
    for scope in asked:
        if not lacking_for_pages(profile.city, scope):
            extracts = ScopedExtracts(profile, gates, scope)
            extracts.of(city, extracts.days(city)[0])
    names = {scope.digest for scope in known}
    gone = sorted(path.name for path in (profile.lake.home / _DIRECTORY).glob("*") if path.name not in names)
    for name in gone:
        shutil.rmtree(profile.lake.home / _DIRECTORY / name, ignore_errors=True)
    return gone


def lacking_for_pages(city: City, scope: Scope) -> list[str]:
    """The tables and the columns of crimes that the pages need and a scope does not see, or not clear, in order."""
    tables = sorted({"crimes", INSIGHTS} - scope.tables)
    needed = {
        source for cube in cubes_of(city) if cube.name != BLOCKS for column in cube.columns for source in column.sources
    }
    clear = {name for name, mask in scope.columns.items() if mask is None}
    return [*(f"the table {name}" for name in tables), *sorted(needed - clear)]


def columns_shown(city: City, scope: Scope | None) -> list[str]:
    """The columns of crimes from which pages are made, as the trail names them; without a scope, those of the city."""
    made = (*cubes_of(city), *insights_of(city))
    seen = [one for one in made if scope is None or scope.columns_of(one)]
    return sorted({f"crimes.{source}" for one in seen for column in one.columns for source in column.sources})


def _insights(scope: Scope, engine: Engine, insights: Sequence[Insight], day: date) -> dict[str, pa.Table]:
    """Table → the rows of each insight of which something is seen."""
    return {
        insight.table: _seen(scope, insight, finished(insight, engine.insight(insight, day)))
        for insight in insights
        if scope.columns_of(insight)
    }


def _seen(scope: Scope, insight: Insight, rows: pa.Table) -> pa.Table:
    """The rows with NULL in columns that are not seen; none, if what tells them apart is not."""
    seen = scope.columns_of(insight)
    if not seen:
        return rows.slice(0, 0)
    return emptied(rows, [name for name in rows.column_names if name not in seen])
