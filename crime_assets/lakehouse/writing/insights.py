"""Insight tables: one day's rows replaced at a time, and which days have to be computed again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq

from crime_assets.core.errors import LakeBusy, LakeError
from crime_assets.core.insights import Insight
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, PROPERTY_PREFIX, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import iceberg_schema_of
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLANS = 5

SEEN = {"crimes-snapshot": "crimes", "superseded-snapshot": "crimes_superseded"}
"""Property of an insight table's snapshot → the table whose snapshot it names: what the insight knew."""

DEFINITION = "definition"
"""Property of an insight table's snapshot: by what its rows were computed, see `Insight.definition`."""

CARRIED = (*SEEN, DEFINITION)
"""Properties that the newest snapshot of an insight table must have, whatever made it."""

EMPTY_DAYS = "empty-days"
"""Property of an insight table: the as-of days that were computed and had no rows."""

NONE_SEEN = "none"
"""The value of a SEEN property if the table had no snapshot yet."""


@dataclass(frozen=True)
class Known:
    """What an insight computed now knows, as its snapshot will say, and the current snapshot of its own table."""

    marks: Mapping[str, str]
    own: int | None


def look_at(lake: Lake, city: City, insight: Insight) -> Known:
    """What an insight computed now would know."""
    table = tables.load(lake, city.name, insight.table)
    marks = {**present_snapshots(lake, city), DEFINITION: _definition(insight, city)}
    return Known(marks, _snapshot_id(table) if table is not None else None)


def _snapshot_id(table: Table) -> int | None:
    snapshot = table.current_snapshot()
    return snapshot.snapshot_id if snapshot is not None else None


def stale_days(lake: Lake, city: City, insight: Insight, needed: Collection[date] = ()) -> list[date]:
    """As-of days of the table whose rows knew less than the lake does now, or were computed differently, in order.

    A late change of day D alters what was known on D and on every day after it. Another definition of the insight
    alters all days: a table never has rows of both. Of the days `needed`, those that the table lacks are stale too.
    """
    table = tables.load(lake, city.name, insight.table)
    if table is None:
        return sorted(needed)
    held = {*_days(table), *_empty_days(table)}
    if _seen(table, DEFINITION) != _definition(insight, city):
        return sorted({*held, *needed})
    changed = first_changed(lake, city, {mark: _seen(table, mark) for mark in SEEN})
    return sorted({*needed} - held | {day for day in held if changed is not None and day >= changed})


def _definition(insight: Insight, city: City) -> str:
    """How an insight is computed for a city: its lag and its ids decide which days are complete, and how far."""
    return f"{insight.definition}-{city.lag_days}-{city.serial_ids_from}"


def first_changed(lake: Lake, city: City, seen: Mapping[str, str | None]) -> date | None:
    """The earliest change day that was altered since these snapshots, by mark; None if nothing was."""
    changed = [_first_changed(lake, city, name, seen[mark]) for mark, name in SEEN.items()]
    return min((day for day in changed if day is not None), default=None)


class Held:
    """What an insight's table has now."""

    def __init__(self, lake: Lake, city: City, insight: Insight) -> None:
        self._table = tables.load(lake, city.name, insight.table)
        self._files = _days(self._table) if self._table is not None else {}
        computed_by = _seen(self._table, DEFINITION) if self._table is not None else None
        self.is_current = computed_by == _definition(insight, city)
        """Whether all that it has was computed by this definition of the insight."""
        self.days = {*self._files, *(_empty_days(self._table) if self._table is not None else ())}
        """The as-of days that were computed, also those without rows."""
        self.is_outdated = bool(self.days) and not self.is_current
        """Whether it has days that were not."""

    def names(self, day: date) -> list[str]:
        """The names of the files with the rows of an as-of day: different rows are in different files."""
        return sorted(file.file_path for file in self._files.get(day, []))

    def rows(self, day: date) -> pa.Table | None:
        """The rows of an as-of day, in the order they were written; None if there is no table."""
        if self._table is None:
            return None
        files = self._files.get(day)
        return _rows(self._table, files) if files else self._table.schema().as_arrow().empty_table()


def replace_days(
    lake: Lake,
    city: City,
    insight: Insight,
    results: Mapping[date, pa.Table],
    known: Known | None = None,
) -> list[date]:
    """Replace the table's rows of these days by the results; returns the days whose rows changed.

    `known` is what was seen before computing, if that was not under the lake's lock or machines share no lock:
    StalePlan if the insight's table has changed since, because its rows may know more than the results.
    Nothing is committed if nothing changed.
    """
    with lake.writing():
        if known is not None:
            return _replace(lake, city, insight, results, known)
        for _ in range(_PLANS):
            try:
                return _replace(lake, city, insight, results, look_at(lake, city, insight))
            except StalePlan:
                continue
    raise busy(city, insight)


def busy(city: City, insight: Insight) -> LakeBusy:
    """The error for an insight's table that other writers keep changing."""
    return LakeBusy(f"Other writers keep changing {city.name}.{insight.table}: run again later.")


def _replace(lake: Lake, city: City, insight: Insight, results: Mapping[date, pa.Table], known: Known) -> list[date]:
    table = _table(lake, city, insight, next(iter(results.values())).schema)
    if _snapshot_id(table) != known.own:
        raise StalePlan
    old = _days(table)
    _remember_empty(table, [day for day, rows in results.items() if not rows.num_rows], known)
    changed = [day for day, rows in results.items() if not _same(table, old.get(day, []), rows)]
    if not changed:
        if _snapshot_id(table) is not None and _seen(table, DEFINITION) != known.marks[DEFINITION]:
            # All days were computed again, with the same rows: or they would be again in every run.
            tables.mark(table, {"kind": "computed again", FIRST_CHANGED: NOTHING_CHANGED, **known.marks})
        return []
    added: list[Path] = []
    for day in changed:
        if results[day].num_rows:
            added.append(tables.new_data_path(table, f"as_of_day={day}"))
            pq.write_table(results[day], added[-1], compression="zstd")
    removed = [file for day in changed for file in old.get(day, [])]
    tables.commit(
        table, Change(removed, added, {"kind": "insight", "days": ",".join(map(str, changed)), **known.marks})
    )
    return changed


def _table(lake: Lake, city: City, insight: Insight, wanted: pa.Schema) -> Table:
    from pyiceberg.exceptions import ValidationError

    schema = iceberg_schema_of(wanted, {column.name: column.doc for column in insight.columns})
    table = tables.load(lake, city.name, insight.table)
    if table is None:
        return tables.create(lake, city.name, insight.table, schema, partition_by="as_of_day")
    if table.schema().as_struct() != schema.as_struct():
        try:
            with tables.unless_overtaken(), table.update_schema() as update:
                update.union_by_name(schema)
        except ValidationError as error:
            raise LakeError(
                f"A column of {insight.table} has changed its type: give the insight a new name, or drop its table."
            ) from error
    return table


def _days(table: Table) -> dict[date, list[DataFile]]:
    days: dict[date, list[DataFile]] = {}
    for file in tables.data_files(table):
        days.setdefault(date.fromordinal(date(1970, 1, 1).toordinal() + file.partition[0]), []).append(file)
    return days


def _empty_days(table: Table) -> set[date]:
    """As-of days that were computed and had no rows: no file shows them."""
    listed = table.properties.get(PROPERTY_PREFIX + EMPTY_DAYS, "")
    return {date.fromisoformat(day) for day in listed.split(",") if day}


def _seen(table: Table, mark: str) -> str | None:
    """What the insight knew when it was last written; if it never had a row, when days were last found empty."""
    snapshot = table.current_snapshot()
    if snapshot is not None:
        return tables.snapshot_property(snapshot, mark)
    return table.properties.get(PROPERTY_PREFIX + mark)


def _remember_empty(table: Table, days: list[date], known: Known) -> None:
    """Before anything else: recording a day twice does no harm, but a day not recorded is never computed again."""
    before = _empty_days(table)
    is_other = bool(days) and _snapshot_id(table) is None and _seen(table, DEFINITION) != known.marks[DEFINITION]
    if is_other or not before.issuperset(days):
        marks = {EMPTY_DAYS: ",".join(map(str, sorted({*before, *days}))), **known.marks}
        with tables.unless_overtaken(), tables.transaction_of(table) as transaction:
            transaction.set_properties({PROPERTY_PREFIX + name: value for name, value in marks.items()})


def _same(table: Table, files: list[DataFile], rows: pa.Table) -> bool:
    if not files:
        return bool(rows.num_rows == 0)
    if sum(file.record_count for file in files) != rows.num_rows:
        return False
    held = _rows(table, files)
    return bool(held.schema.names == rows.schema.names and held.cast(rows.schema).equals(rows))


def _rows(table: Table, files: list[DataFile]) -> pa.Table:
    tables.check_files(table, files)
    return pa.concat_tables([pq.ParquetFile(path).read() for path in tables.fetch(table, files)])


def present_snapshots(lake: Lake, city: City) -> dict[str, str]:
    """Mark → the snapshot that its table has now."""
    found = {}
    for mark, name in SEEN.items():
        table = tables.load(lake, city.name, name)
        snapshot = table.current_snapshot() if table is not None else None
        found[mark] = str(snapshot.snapshot_id) if snapshot else NONE_SEEN
    return found


def _first_changed(lake: Lake, city: City, name: str, seen: str | None) -> date | None:
    """The earliest change day that snapshots after `seen` altered; date.min if `seen` no longer exists."""
    table = tables.load(lake, city.name, name)
    newest = table.current_snapshot() if table is not None else None
    if table is None or newest is None or str(newest.snapshot_id) == seen:
        return None
    days: list[date] = []
    snapshot = newest
    while str(snapshot.snapshot_id) != seen:
        mark = tables.snapshot_property(snapshot, FIRST_CHANGED)
        days.append(date.fromisoformat(mark) if mark else date.min)
        parent = snapshot.parent_snapshot_id
        found = table.snapshot_by_id(parent) if parent is not None else None
        if found is None:
            if seen != NONE_SEEN:
                days.append(date.min)
            break
        snapshot = found
    return min(days)
