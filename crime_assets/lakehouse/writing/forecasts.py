"""Forecast tables: a forecast is said once and stays, scores are replaced where they come out otherwise.

Nothing is forecast or scored here.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import suppress
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import arrow_schema, iceberg_schema
from crime_assets.lakehouse.schema_forecasts import FORECASTS
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

T = TypeVar("T")

PLACES, SCORES = "forecast_places", "forecast_scores"
SAID = ("forecast_cells", "forecast_areas", "forecast_exposure", "forecast_totals")
"""Tables with what is said on a day, in the order in which they are written: the last one says that all are there."""

_MADE_BY = "made-by"
"""Property of the table of scores: by which release the replayed ones were made."""
_PAIR = ("as_of_day", "target", "horizon", "grid")
_KEY = (*_PAIR, "method", "share")
_BEGIN = date(1970, 1, 1).toordinal()
_PLANS = 5


def days(lake: Lake, city: City, name: str = SAID[-1]) -> set[date]:
    """The as-of days that a table has rows of; by default those of which all that was said is there."""
    table = tables.load(lake, city.name, name)
    return set(_files(table)) if table is not None else set()


def read(
    lake: Lake, city: City, name: str, of_days: Collection[date] | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Rows of a table, of all days or of some, in the order they were written; none if there is no table.

    `columns` are the names of those to read, in their order; all, as FORECASTS has them, if not given.
    """
    schema = arrow_schema(FORECASTS[name])
    if columns is not None:
        schema = pa.schema([schema.field(column) for column in columns])
    table = tables.load(lake, city.name, name)
    if table is None:
        return schema.empty_table()
    held = sorted(_files(table).items()) if name != PLACES else [(date.min, tables.data_files(table))]
    return _rows(table, [file for day, files in held if of_days is None or day in of_days for file in files], schema)


def say(lake: Lake, city: City, day: date, made: Mapping[str, pa.Table]) -> bool:
    """Keep what is said on a day, a table for each of SAID; False, and nothing is kept, if it was said before.

    What a run left that was broken off before the last table is replaced. LakeBusy if others keep changing the tables.
    """

    def plan() -> bool:
        if day in days(lake, city):
            return False
        for name in SAID:
            rows = made[name].cast(arrow_schema(FORECASTS[name]))
            _replace_days(_table(lake, city, name), {day: rows}, "forecast")
        return True

    return _planned(lake, city, SAID[-1], plan)


def put_scores(lake: Lake, city: City, rows: pa.Table, made_by: str) -> list[date]:
    """Keep scores; returns the as-of days whose scores changed. Nothing is committed if none did.

    Rows of an as-of day, target, horizon and grid take the place of all that the table has of these four; others stay.
    `made_by` is the release of what was replayed. LakeBusy if others keep changing the table.
    """
    rows = rows.cast(arrow_schema(FORECASTS[SCORES]))

    def plan() -> list[date]:
        table = _table(lake, city, SCORES)
        held = read(lake, city, SCORES, new := set(rows["as_of_day"].to_pylist()))
        kept = held.join(rows.select(_PAIR).group_by(list(_PAIR)).aggregate([]), list(_PAIR), join_type="left anti")
        merged = pa.concat_tables([kept.select(rows.column_names), rows]).sort_by(
            [(name, "ascending") for name in _KEY]
        )
        parts = {day: merged.filter(pc.equal(merged["as_of_day"], day)) for day in sorted(new)}
        changed = {
            day: part for day, part in parts.items() if not part.equals(held.filter(pc.equal(held["as_of_day"], day)))
        }
        if changed:
            _replace_days(table, changed, "scores")
        return list(changed)

    found = _planned(lake, city, SCORES, plan)
    # Afterwards: after a crash in between, scores are made once more; a release without its scores would stay without.
    _planned(lake, city, SCORES, lambda: tables.set_mark(_table(lake, city, SCORES), _MADE_BY, made_by))
    return found


def scores_made_by(lake: Lake, city: City) -> str | None:
    """By which release the replayed scores were made; None if there are none."""
    table = tables.load(lake, city.name, SCORES)
    return tables.table_mark(table, _MADE_BY) if table is not None else None


def put_places(lake: Lake, city: City, rows: pa.Table) -> bool:
    """Keep the study area instead of the one before; False, and nothing is committed, if it is the same.

    LakeBusy if others keep changing the table.
    """
    rows = rows.cast(arrow_schema(FORECASTS[PLACES]))

    def plan() -> bool:
        if read(lake, city, PLACES).equals(rows):
            return False
        table = _table(lake, city, PLACES)
        _commit(table, tables.data_files(table), {"all": rows}, "places")
        return True

    return _planned(lake, city, PLACES, plan)


def _planned(lake: Lake, city: City, name: str, plan: Callable[[], T]) -> T:
    with lake.writing():
        for _ in range(_PLANS):
            with suppress(StalePlan):
                return plan()
    raise LakeBusy(f"Other writers keep changing {city.name}.{name}: run again later.")


def _table(lake: Lake, city: City, name: str) -> Table:
    table = tables.load(lake, city.name, name)
    if table is not None:
        return table
    by = None if name == PLACES else "as_of_day"
    return tables.create(lake, city.name, name, iceberg_schema(FORECASTS[name]), partition_by=by)


def _replace_days(table: Table, parts: Mapping[date, pa.Table], kind: str) -> None:
    held = _files(table)
    removed = [file for day in parts for file in held.get(day, ())]
    _commit(table, removed, {f"as_of_day={day}": rows for day, rows in parts.items()}, kind)


def _commit(table: Table, removed: Sequence[DataFile], parts: Mapping[str, pa.Table], kind: str) -> None:
    """Put a file for each directory with rows instead of those removed, in one snapshot; none if there is neither."""
    added: list[Path] = []
    for directory, rows in parts.items():
        if rows.num_rows:
            added.append(tables.new_data_path(table, directory))
            pq.write_table(rows, added[-1], compression="zstd")
    if added or removed:
        tables.commit(table, Change(removed, added, {"kind": kind, FIRST_CHANGED: NOTHING_CHANGED}))


def _files(table: Table) -> dict[date, list[DataFile]]:
    """As-of day → its files."""
    found: dict[date, list[DataFile]] = {}
    for file in tables.data_files(table):
        found.setdefault(date.fromordinal(_BEGIN + file.partition[0]), []).append(file)
    return found


def _rows(table: Table, files: Sequence[DataFile], schema: pa.Schema) -> pa.Table:
    tables.check_files(table, files)
    found = [pq.ParquetFile(path).read(schema.names).cast(schema) for path in tables.fetch(table, files)]
    return pa.concat_tables(found) if found else schema.empty_table()
