"""Loading a source's history into `crimes`: once, part by part, seen whole or not at all.

Each finished part is recorded with its data files. An interrupted load continues with the next part; once all parts are
done, the files become rows of the table in one snapshot.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import duckdb
import pyarrow as pa

from crime_assets.core.errors import LakeBusy, LakeError, Untypable
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, literal
from crime_assets.lakehouse.iceberg.evolution import column_names, evolve, names_of, new_columns, select_list
from crime_assets.lakehouse.iceberg.tables import HISTORY_MARK, PROPERTY_PREFIX, UNDATED_MARK, Change, StalePlan
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.warehouse import sync
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.writing import taken
from crime_assets.lakehouse.writing.history_ledger import Ledger, PartsDone
from crime_assets.lakehouse.writing.merge import (
    count,
    files_holding,
    quarantine,
    statement_of,
    without_empty,
    write_file,
)
from crime_assets.lakehouse.writing.settling import check_typed
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import Feed, History, PublishedFeed

if TYPE_CHECKING:
    from pyiceberg.table import Table

_PARTS_TOGETHER = 5
"""DuckDB plans the typing of a part about as long as it types ten thousand rows."""


@dataclass(frozen=True)
class HistoryResult:
    """What a history load did. All zero, and `loaded` false, where it had been loaded before."""

    loaded: bool
    records: int = 0
    rows: int = 0
    duplicates: int = 0
    quarantined: int = 0
    snapshot_id: int | None = None


def history_before(lake: Lake, city: City) -> date | None:
    """The day before which the lake holds the source's history; None if it was never loaded.

    LakeError where the lake was begun with another day: days between the two would be in no change and in no history.
    """
    table = tables.load(lake, city.name, "crimes")
    mark = table.properties.get(PROPERTY_PREFIX + HISTORY_MARK) if table is not None else None
    if mark is None:
        return None
    begun = lake.city(city.name) if city.name in lake.cities else None
    if begun is not None and begun.first_change_day != mark:
        raise LakeError(
            f"The lake {lake.name} was begun with change day {begun.first_change_day}, and its crimes hold the history "
            f"before {mark}: they are of two lakes, restore all of one from one backup."
        )
    return date.fromisoformat(mark)


def history_undated(lake: Lake, city: City) -> int:
    """How many records and lines of the history belong to no change day; they are in quarantine."""
    table = tables.load(lake, city.name, "crimes")
    return int(table.properties.get(PROPERTY_PREFIX + UNDATED_MARK, 0)) if table is not None else 0


def load_history(lake: Lake, city: City, feed: Feed, before: date, run_id: str) -> HistoryResult:
    """Load everything the source holds with a change stamp before `before`, unless that was done already.

    After an error or a kill, the next call does only what is left.
    """
    with lake.writing():
        if history_before(lake, city) is not None:
            return HistoryResult(loaded=False)
        table = evolve(lake, city, "crimes", new_columns(city, feed.columns()).values())
        if table.current_snapshot() is not None:
            raise LakeError(f"{city.name}.crimes has rows but no history: set {lake.another_place} and load it there.")
        version = feed.publication().version if isinstance(feed, PublishedFeed) else None
        with feed.history(before) as history, connection(lake.staging) as con:
            # Files of one load all have the same columns.
            source = f"{history.source} as {', '.join(column_names(table))}"
            ledger = Ledger(lake.staging / f"history-{city.name}", tables.data_directory(table), source)
            try:
                _load_parts(city, history, before, ledger, table, con)
                result = _publish(lake, city, ledger, table, con, {HISTORY_MARK: before.isoformat(), "run-id": run_id})
            except Untypable:
                # What is mended in the source is not to be found among what was kept of it.
                ledger.discard()
                raise
            except StalePlan as error:
                ledger.discard()
                raise LakeBusy(f"Another writer changed the tables of {city.name} meanwhile: run again.") from error
        ledger.close()
        if version is not None:
            taken.remember(lake, city, version, history_undated(lake, city))
        return result


def _load_parts(
    city: City, history: History, before: date, ledger: Ledger, table: Table, con: duckdb.DuckDBPyConnection
) -> None:
    """Type and write every part that is not done yet, on as many threads as there are processors."""
    published = before - timedelta(days=1)
    typing.prepare_functions(con)
    con.execute("SET threads = 1")
    idle: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
    workers = os.cpu_count() or 1
    for _ in range(workers):
        worker = con.cursor()
        typing.prepare(worker, city)
        idle.put(worker)

    def load(parts: list[str]) -> None:
        worker = idle.get()
        try:
            records = pa.concat_tables(map(history.read, parts), promote_options="default")
            typing.raw_from_history(worker, records, city, ledger.pulled_at, published)
            ledger.add(_load_together(worker, city, parts, ledger, table))
        finally:
            idle.put(worker)

    done = ledger.parts
    left = [part for part in history.parts if part not in done]
    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(load, [left[n : n + _PARTS_TOGETHER] for n in range(0, len(left), _PARTS_TOGETHER)]))
    con.execute("RESET threads")


def _load_together(
    con: duckdb.DuckDBPyConnection, city: City, parts: list[str], ledger: Ledger, table: Table
) -> PartsDone:
    """Type and write `raw_records`, which are of these parts."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE typed AS {typing.typed_query(city)}")
    ((found, rejected, undated),) = con.execute(
        "SELECT count(*), count(reason), count(*) FILTER (change_day IS NULL) FROM typed"
    ).fetchall()
    rejects = None
    if rejected:
        rejects = ledger.directory / f"{secrets.token_hex(16)}.parquet"
        write_file(con, "SELECT * FROM typed WHERE reason IS NOT NULL", rejects)
    months = [row[0] for row in con.execute("SELECT DISTINCT month FROM typed WHERE reason IS NULL").fetchall()]
    files = {}
    for month in months:
        rows = f"SELECT {select_list(table)} FROM typed WHERE reason IS NULL AND month = DATE '{month}'"
        files[str(month)] = str(_write_month(con, table, month, rows))
    for path in [*map(Path, files.values()), *([rejects] if rejects else [])]:
        sync(path)
    return PartsDone(parts, found, rejected, undated, files, str(rejects) if rejects else None)


def _publish(
    lake: Lake,
    city: City,
    ledger: Ledger,
    table: Table,
    con: duckdb.DuckDBPyConnection,
    marks: Mapping[str, str],
) -> HistoryResult:
    """Make all that was written rows of the table, in one snapshot."""
    done = ledger.done
    records, rejected = sum(parts.records for parts in done), sum(parts.rejected for parts in done)
    quarantined = 0
    if rejects := [parts.rejects for parts in done if parts.rejects]:
        con.execute(f"CREATE TEMP VIEW typed AS FROM {_files(rejects)}")
        check_typed(city, records, reasons(con))
        quarantined = quarantine(lake, city, con)
    written = [(date.fromisoformat(month), path) for parts in done for month, path in parts.files.items()]
    files, replaced = _settled(con, table, written)
    rows = count(con, f"SELECT count(*) FROM {_files(files)}") if files else 0
    undated = sum(parts.undated for parts in done)
    properties = {"kind": "history", UNDATED_MARK: str(undated), **marks}
    snapshot_id = tables.commit(table, Change((), files, properties))
    tables.discard(replaced)
    return HistoryResult(True, records, rows, records - rejected - rows, quarantined, snapshot_id)


def _settled(
    con: duckdb.DuckDBPyConnection, table: Table, files: Sequence[tuple[date, str]]
) -> tuple[list[Path], list[Path]]:
    """One file a month and one row per id, the newest version: the files that hold this, and those that they replace.

    As a rule the files are so already; parts of one month and records published more than once make the difference.
    """
    if not files:
        return [], []
    paths = [path for _, path in files]
    con.execute(f"CREATE TEMP TABLE repeated AS SELECT id FROM {_files(paths)} GROUP BY id HAVING count(*) > 1")
    repeating = set(files_holding(con, paths, "FROM repeated"))
    parts = Counter(month for month, _ in files)
    months = sorted({month for month, path in files if parts[month] > 1 or path in repeating})
    if not months:
        return [Path(path) for path in paths], []
    replaced = [path for month, path in files if month in months]
    lacking = "" if "reported_at" in column_names(table) else ", NULL::TIMESTAMP AS reported_at"
    con.execute(f"CREATE OR REPLACE TEMP VIEW typed AS SELECT *{lacking}, NULL AS reason FROM {_files(replaced)}")
    con.execute(f"CREATE TEMP TABLE settled AS {statement_of('newest')}")
    written, columns = [], names_of(column_names(table))
    for month in months:
        held = _files([path for at, path in files if at == month])
        rows = (
            f"SELECT {columns} FROM {held} WHERE id NOT IN (FROM repeated) "
            f"UNION ALL SELECT {columns} FROM settled WHERE month = DATE '{month}'"
        )
        written.append(_write_month(con, table, month, f"SELECT * FROM ({rows})"))
    kept = [Path(path) for month, path in files if month not in months]
    return [*kept, *without_empty(con, written)], [Path(path) for path in replaced]


def reasons(con: duckdb.DuckDBPyConnection) -> dict[str, int]:
    """Why rows of `typed` cannot be typed → how many."""
    return dict(con.execute("SELECT reason, count(*) FROM typed WHERE reason IS NOT NULL GROUP BY reason").fetchall())


def _write_month(con: duckdb.DuckDBPyConnection, table: Table, month: date, rows: str) -> Path:
    path = tables.new_data_path(table, f"occurred_month={month:%Y-%m}")
    write_file(con, f"{rows} ORDER BY occurred_at, id", path)
    return path


def _files(paths: Iterable[str | Path]) -> str:
    """Files by name: the lake's own path may hold what DuckDB takes for a pattern or a partition."""
    return f"read_parquet([{', '.join(literal(str(path)) for path in paths)}], hive_partitioning = false)"
