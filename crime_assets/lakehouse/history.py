"""Loading a source's history into `crimes`: once, streamed, seen whole or not at all."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from crime_assets.cities import City
from crime_assets.core.errors import LakeBusy, LakeError
from crime_assets.feeds import Feed
from crime_assets.lakehouse import tables, typing
from crime_assets.lakehouse.duck import connection, literal
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.merge import count, quarantine, statement_of, without_empty, write_file
from crime_assets.lakehouse.tables import HISTORY_MARK, PROPERTY_PREFIX, UNDATED_MARK, Change, StalePlan

if TYPE_CHECKING:
    from pyiceberg.table import Table

_COLUMNS = ", ".join(typing.TYPED_COLUMNS)


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
    """The day before which the lake holds the source's history; None if it was never loaded."""
    table = tables.load(lake, city.name, "crimes")
    mark = table.properties.get(PROPERTY_PREFIX + HISTORY_MARK) if table is not None else None
    return date.fromisoformat(mark) if mark else None


def history_undated(lake: Lake, city: City) -> int:
    """How many records and lines of the history belong to no change day; they are in quarantine."""
    table = tables.load(lake, city.name, "crimes")
    return int(table.properties.get(PROPERTY_PREFIX + UNDATED_MARK, 0)) if table is not None else 0


def load_history(lake: Lake, city: City, feed: Feed, before: date, run_id: str) -> HistoryResult:
    """Load everything the source holds with a change stamp before `before`, unless that was done already."""
    with lake.writing():
        if history_before(lake, city) is not None:
            return HistoryResult(loaded=False)
        if tables.curated(lake, city.name, "crimes").current_snapshot() is not None:
            raise LakeError(f"{city.name}.crimes has rows but no history: set another CRIME_HOME and load it there.")
        staging = lake.staging / f"history-{city.name}"
        shutil.rmtree(staging, ignore_errors=True)
        try:
            with connection(lake.staging) as con:
                return _load(lake, city, feed, before, run_id, staging, con)
        except StalePlan as error:
            raise LakeBusy(f"Another writer changed the tables of {city.name} meanwhile: run again later.") from error
        finally:
            shutil.rmtree(staging, ignore_errors=True)


def _load(
    lake: Lake, city: City, feed: Feed, before: date, run_id: str, staging: Path, con: duckdb.DuckDBPyConnection
) -> HistoryResult:
    _stage(city, feed, before, staging, con)
    rejected = count(con, "SELECT count(*) FROM typed WHERE reason IS NOT NULL")
    quarantined = quarantine(lake, city, con) if rejected else 0
    records = count(con, "SELECT count(*) FROM typed")
    table = tables.curated(lake, city.name, "crimes")
    added = _write_months(table, staging, con)
    rows = sum(count(con, f"SELECT count(*) FROM read_parquet({literal(str(path))})") for path in added)
    marks = {
        "kind": "history",
        HISTORY_MARK.removeprefix(PROPERTY_PREFIX): before.isoformat(),
        UNDATED_MARK.removeprefix(PROPERTY_PREFIX): str(
            count(con, "SELECT count(*) FROM typed WHERE change_day IS NULL")
        ),
        "run-id": run_id,
    }
    snapshot_id = tables.commit(table, Change((), added, marks))
    return HistoryResult(True, records, rows, records - rejected - rows, quarantined, snapshot_id)


def _stage(city: City, feed: Feed, before: date, staging: Path, con: duckdb.DuckDBPyConnection) -> None:
    """Stream the typed rows to disk, a directory a month and one for what cannot be typed; make the view `typed`."""
    staging.mkdir(parents=True)
    typing.prepare(con, city)
    with typing.faithful(feed.history(before)) as reader:
        typing.raw_from_history(con, reader, city, datetime.now(UTC))
        con.execute(
            f"""
            COPY (
              SELECT *, CASE WHEN reason IS NULL THEN strftime(month, '%Y-%m') ELSE 'rejected' END AS stage
              FROM ({typing.typed_query(city)})
            ) TO {literal(str(staging))} (FORMAT parquet, COMPRESSION zstd, PARTITION_BY (stage), OVERWRITE_OR_IGNORE)
            """
        )
    rows = _rows_in(staging, "*") if any(staging.iterdir()) else f"({typing.typed_query(city)} LIMIT 0)"
    con.execute(f"CREATE TEMP VIEW typed AS FROM {rows}")


def _rows_in(staging: Path, stage: str) -> str:
    """The typed files, by name: the lake's own path may hold what DuckDB takes for a pattern or a partition."""
    files = ", ".join(literal(str(path)) for path in sorted(staging.glob(f"stage={stage}/*.parquet")))
    return f"read_parquet([{files}], hive_partitioning = false)"


def _write_months(table: Table, staging: Path, con: duckdb.DuckDBPyConnection) -> list[Path]:
    """Write every month as one sorted data file; of records published more than once only the newest version."""
    con.execute(
        "CREATE TEMP TABLE repeated AS SELECT id FROM typed WHERE reason IS NULL GROUP BY id HAVING count(*) > 1"
    )
    con.execute(f"CREATE TEMP TABLE settled AS {statement_of('newest')}")
    months = con.execute("SELECT DISTINCT month FROM typed WHERE reason IS NULL ORDER BY month").fetchall()
    written: list[Path] = []
    try:
        for (month,) in months:
            stage = f"{month:%Y-%m}"
            rows = (
                f"SELECT {_COLUMNS} FROM {_rows_in(staging, stage)} WHERE id NOT IN (FROM repeated) "
                f"UNION ALL SELECT {_COLUMNS} FROM settled WHERE month = DATE '{month}'"
            )
            path = tables.new_data_path(table, f"occurred_month={stage}")
            write_file(con, f"SELECT * FROM ({rows}) ORDER BY occurred_at, id", path)
            written.append(path)
    except BaseException:
        tables.discard(written)
        raise
    return without_empty(con, written)
