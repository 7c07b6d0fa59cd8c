"""Live reports come into the lake: deliveries into `live.fir_history`, alerts into `live.fir_alerts`.

How far a chain has been read is noted with the snapshot that has its rows, so both are committed at once. A report has
one row, its newest version; of copies of a version the first to arrive, then the one with the lower digest. That is the
order of `sql/warehouse`, and what a table ends up with does not depend on the order of objects.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import duckdb
import pyarrow as pa

from crime_assets.core.errors import LakeBusy, LakeError, LandingError
from crime_assets.incidents.chain import ALERTS as ALERTS_CHAIN
from crime_assets.incidents.chain import DELIVERIES, Chain
from crime_assets.incidents.deliveries import read_reports
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, identifier
from crime_assets.lakehouse.iceberg.evolution import column_names, names_of
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.iceberg.tables import FIRST_CHANGED, NOTHING_CHANGED, PROPERTY_PREFIX, Change, StalePlan
from crime_assets.lakehouse.place.catalog_file import REBUILD
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.records.live import ALERTS, HISTORY, SCHEMA, table_of
from crime_assets.lakehouse.schema import FIR_ALERTS, Column, arrow_schema, fir_history, iceberg_schema
from crime_assets.lakehouse.writing.merge import count, without_empty, write_file
from crime_assets.streams import LandingStore

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLANS = 5
_KEPT_SNAPSHOTS = 30
_AT_ONCE = 100_000
"""Rows of a snapshot, and of one object more: what has waited long is not taken into memory as a whole."""
_READ = "read-to."
"""Prefix of the properties of a snapshot that say how far the chain of an epoch has been read."""
_STREAM = "stream"
_Rows: TypeAlias = Callable[[str, bytes], Iterable[Mapping[str, Any]]]
"""The rows of an object, by its key and its content."""


@dataclass(frozen=True)
class Merged:
    """What was merged: objects that were read, their rows, rows that are new or replaced, and rows there are now."""

    objects: int
    read: int
    changed: int
    rows: int
    number: int
    """The last object that the table is known to have."""


@dataclass(frozen=True)
class _Kind:
    """A table that is merged into: its rows are told apart by `key`, and the first by `order` stays."""

    name: str
    columns: tuple[Column, ...]
    month_of: str
    key: tuple[str, ...]
    order: Mapping[str, str]
    """Columns, and how they are sorted."""
    number: str
    """The column that has the number of the object."""


def _history() -> _Kind:
    order = {"version": "DESC", "arrived_at": "ASC NULLS LAST", "md5": "ASC"}
    return _Kind(HISTORY, fir_history(), "registered_at", ("fir_id",), order, "delivery")


def _alerts() -> _Kind:
    # A state that was begun anew raises alerts again: they were raised when they were raised first.
    order = {"raised_at": "ASC"}
    return _Kind(ALERTS, FIR_ALERTS, "raised_at", ("alert_id", "revision"), order, "object_number")


def merge_reports(lake: Lake, store: LandingStore, stream: str, epoch: str, *, at_once: int = _AT_ONCE) -> Merged:
    """Merge what was delivered after what `live.fir_history` has. Nothing new makes no snapshot.

    LandingError, after what comes before it was merged, if a delivery is damaged; LakeBusy if other writers keep
    changing the table; LakeError if it is of another stream.
    """

    chain = Chain(store, stream, epoch, DELIVERIES)
    return _follow(lake, _history(), stream, epoch, chain, lambda key, _: read_reports(store, key), at_once)


def add_alerts(lake: Lake, store: LandingStore, stream: str, epoch: str, *, at_once: int = _AT_ONCE) -> Merged:
    """Add the alerts that were published after those of `live.fir_alerts`; otherwise like `merge_reports`."""
    chain = Chain(store, stream, epoch, ALERTS_CHAIN)
    return _follow(lake, _alerts(), stream, epoch, chain, lambda _, content: map(_alert, content.splitlines()), at_once)


def read_to(lake: Lake, name: str) -> dict[str, int]:
    """Epoch → the number of the last object of its chain that the table is known to have."""
    found = _marks(lake, name).items()
    return {mark.removeprefix(_READ): int(value) for mark, value in found if mark.startswith(_READ)}


def landed(lake: Lake, store: LandingStore, stream: str, epoch: str) -> tuple[int, int]:
    """The number of the last delivery that the history is known to have, and that of the last one there is."""
    known = read_to(lake, HISTORY).get(epoch, 0)
    return known, Chain(store, stream, epoch, DELIVERIES).last(known)


def _follow(
    lake: Lake,
    kind: _Kind,
    stream: str,
    epoch: str,
    chain: Chain,
    rows_of_object: _Rows,
    at_once: int,
) -> Merged:
    """Merge a chain piece by piece: who is stopped in between goes on where the last snapshot is."""
    with lake.writing(), connection(lake.staging) as con:
        _check_stream(lake, kind.name, stream)
        known = read_to(lake, kind.name).get(epoch, 0)
        _check_whole(lake, kind.name, chain, known)
        objects = read = changed = 0
        for last, some, rows in _pieces(kind, epoch, chain, known, rows_of_object, at_once):
            new = _planned(lake, kind, con, rows, {_READ + epoch: str(last), _STREAM: stream})
            objects, read, changed = objects + some, read + rows.num_rows, changed + new
            known = last if new else known
        with suppress(StalePlan):
            _expire(lake, kind.name)
        table = table_of(lake, kind.name)
        total = sum(file.record_count for file in tables.data_files(table)) if table is not None else 0
        return Merged(objects, read, changed, total, known)


def _pieces(
    kind: _Kind, epoch: str, chain: Chain, number: int, rows_of_object: _Rows, at_once: int
) -> Iterator[tuple[int, int, pa.Table]]:
    """The number of an object, how many there are since the last one that was yielded, and their rows."""
    found: list[pa.Table] = []
    for following, content in chain.after(number):
        try:
            key = chain.key(following)
            found.append(_typed(kind, key, rows_of_object(key, content), {"epoch": epoch, kind.number: following}))
        except LandingError:
            # What comes before the damage is whole. Asked for more, it fails again.
            if found:
                yield following - 1, len(found), pa.concat_tables(found)
            raise
        number = following
        if sum(rows.num_rows for rows in found) >= at_once:
            yield number, len(found), pa.concat_tables(found)
            found = []
    if found:
        yield number, len(found), pa.concat_tables(found)


def _typed(kind: _Kind, key: str, rows: Iterable[Mapping[str, Any]], origin: Mapping[str, Any]) -> pa.Table:
    try:
        return pa.Table.from_pylist([{**row, **origin} for row in rows], arrow_schema(kind.columns))
    except (ValueError, KeyError, TypeError, OverflowError):
        # Not raised from the error, which can repeat values.
        pass
    raise LandingError(f"{key} has a line that does not belong there: something else wrote it; restore the object.")


def _planned(lake: Lake, kind: _Kind, con: duckdb.DuckDBPyConnection, found: pa.Table, marks: Mapping[str, str]) -> int:
    """Merge rows into the table as it is now; again if another writer was faster. Returns how many rows changed."""
    con.register("found", found)
    try:
        for _ in range(_PLANS):
            try:
                return _merge(lake, kind, con, marks)
            except StalePlan:
                continue
    finally:
        con.unregister("found")
    raise LakeBusy(f"Other writers changed {SCHEMA}.{kind.name} {_PLANS} times during one merge: run again later.")


def _merge(lake: Lake, kind: _Kind, con: duckdb.DuckDBPyConnection, marks: Mapping[str, str]) -> int:
    table = table_of(lake, kind.name)
    if table is None:
        table = tables.create(lake, SCHEMA, kind.name, iceberg_schema(kind.columns), month_of=kind.month_of)
    paths = tables.paths_of(table, tables.data_files(table))
    _choose(kind, con, table, paths)
    new = count(con, "SELECT count(*) FROM winners")
    if new:
        _rewrite(kind, con, table, paths, {**_marks(lake, kind.name), **marks, "changed": str(new)})
    return new


def _choose(kind: _Kind, con: duckdb.DuckDBPyConnection, table: Table, paths: Mapping[str, DataFile]) -> None:
    """Create `known`, what is there of the rows that were found, and `winners`, those that are new or go before it."""
    keys = names_of(kind.key)
    order = ", ".join(f"{identifier(name)} {how}" for name, how in kind.order.items())
    compared = names_of([*kind.key, *kind.order])
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE winners AS FROM found QUALIFY row_number() OVER "
        f"(PARTITION BY {keys} ORDER BY {order}, epoch, {kind.number}) = 1"
    )
    # Of what is there, only narrow columns are read, and only months that change are read in full.
    there = rows_of(table, paths.values(), [*kind.key, *kind.order], filename=True)
    con.execute(f"CREATE OR REPLACE TEMP TABLE known AS FROM ({there}) SEMI JOIN winners USING ({keys})")
    # What is there goes first among equals: the same version again is no change.
    both = f"SELECT {compared}, 0 AS place FROM known UNION ALL SELECT {compared}, 1 FROM winners"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE staying AS FROM ({both}) QUALIFY place = 0 AND row_number() OVER "
        f"(PARTITION BY {keys} ORDER BY {order}, place) = 1"
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE winners AS FROM winners ANTI JOIN staying USING ({keys})")


def _rewrite(
    kind: _Kind,
    con: duckdb.DuckDBPyConnection,
    table: Table,
    paths: Mapping[str, DataFile],
    marks: Mapping[str, str],
) -> None:
    """Rewrite the months that gain or lose a row, and no others, in one snapshot."""
    keys, columns = names_of(kind.key), names_of(column_names(table))
    of_row = f"CAST(date_trunc('month', {identifier(kind.month_of)}) AS DATE)"
    gaining = con.execute(f"SELECT DISTINCT {of_row} FROM winners").fetchall()
    losing = con.execute(f"SELECT DISTINCT filename FROM known SEMI JOIN winners USING ({keys})").fetchall()
    month_of = {path: tables.month_of(file) for path, file in paths.items()}
    months = {month for (month,) in gaining} | {month_of[path] for (path,) in losing}
    touched = [path for path in paths if month_of[path] in months]
    new = {month: tables.new_data_path(table, f"occurred_month={month:%Y-%m}") for month in sorted(months)}
    try:
        for month, path in new.items():
            old = rows_of(table, [paths[one] for one in touched if month_of[one] == month])
            rows = (
                f"SELECT {columns} FROM winners WHERE {of_row} = DATE '{month}' "
                f"UNION ALL SELECT {columns} FROM ({old}) ANTI JOIN winners USING ({keys})"
            )
            write_file(con, f"FROM ({rows}) ORDER BY {identifier(kind.month_of)}, {keys}", path)
        added = without_empty(con, list(new.values()))
    except BaseException:
        tables.discard(list(new.values()))
        raise
    properties = {"kind": "live", FIRST_CHANGED: NOTHING_CHANGED, **marks}
    tables.commit(table, Change([paths[path] for path in touched], added, properties))


def _marks(lake: Lake, name: str) -> dict[str, str]:
    """How far chains were read, and of which stream, as the newest snapshot says: each one says all of it."""
    table = table_of(lake, name)
    snapshot = table.current_snapshot() if table is not None else None
    if snapshot is None or snapshot.summary is None:
        return {}
    said = snapshot.summary.additional_properties
    found = {mark.removeprefix(PROPERTY_PREFIX): value for mark, value in said.items()}
    return {mark: value for mark, value in found.items() if mark == _STREAM or mark.startswith(_READ)}


def _check_stream(lake: Lake, name: str, stream: str) -> None:
    of = _marks(lake, name).get(_STREAM, stream)
    if of != stream:
        raise LakeError(
            f"{SCHEMA}.{name} of the lake {lake.name} is of the stream {of}: give {stream} a CRIME_HOME of its own."
        )


def _check_whole(lake: Lake, name: str, chain: Chain, known: int) -> None:
    """LakeError if the table lacks what was removed from the chain, as only what it had was: it is another table."""
    first = chain.begins()
    if known < first - 1:
        raise LakeError(
            f"{SCHEMA}.{name} of the lake {lake.name} had all that came before {chain.key(first)}, and does not any "
            f"more: run `{REBUILD}` if the catalog was lost, or restore the lake from a backup."
        )


def _expire(lake: Lake, name: str) -> None:
    """Keep the last snapshots only: there is one for every few minutes, and older ones are asked for by nobody."""
    table = table_of(lake, name)
    history = table.history() if table is not None else []
    if table is not None and len(history) > 2 * _KEPT_SNAPSHOTS:
        tables.drop_snapshots(table, [entry.snapshot_id for entry in history[:-_KEPT_SNAPSHOTS]])


def _alert(line: bytes) -> dict[str, Any]:
    """An alert as a row."""
    alert = json.loads(line)
    moments = {name: alert.get(name) and datetime.fromisoformat(alert[name]) for name in ("window_start", "raised_at")}
    row = {column.name: alert.get(column.name) for column in FIR_ALERTS}
    return {**row, **moments, "event_ids": json.dumps(alert["event_ids"])}
