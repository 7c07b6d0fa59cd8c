"""Merging typed rows into `crimes`: one row per id, the newest version wins, nothing changed makes no snapshot.

A version is known by (id, record_md5). Versions that lost to one of a later change day are kept in
`crimes_superseded`, so that what was known on a past change day can be told exactly, whatever was merged since.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from crime_assets.cities import City
from crime_assets.core.envelopes import Envelope
from crime_assets.core.errors import LakeBusy
from crime_assets.lakehouse import tables, typing
from crime_assets.lakehouse.duck import connection, literal
from crime_assets.lakehouse.lake import Lake
from crime_assets.lakehouse.tables import Change, StalePlan
from crime_assets.streams.deliveries import DamagedLine

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

_PLANS = 5
_COLUMNS = ", ".join(typing.TYPED_COLUMNS)

WINNER_FIRST = "updated_on DESC, ingested_at DESC, record_md5 DESC"
"""The version that wins comes first; the digest only settles what would otherwise be chance."""


@dataclass(frozen=True)
class MergeResult:
    """What a merge did; `rows` are those of the table afterwards. `snapshot_id` is None where nothing changed."""

    rows: int
    delivered: int
    inserted: int
    replaced: int
    superseded: int
    quarantined: int
    files_removed: int
    files_added: int
    files_skipped: int
    bytes_rewritten: int
    snapshot_id: int | None


@dataclass(frozen=True)
class _Files:
    removed: int = 0
    added: int = 0
    skipped: int = 0
    bytes: int = 0
    snapshot_id: int | None = None


def merge_deliveries(
    lake: Lake, city: City, lines: Iterable[Envelope | DamagedLine], properties: Mapping[str, str]
) -> MergeResult:
    """Merge delivered lines, whichever days they are of, however often and in whatever order they come.

    `properties` are kept with the snapshot. LakeBusy where other writers keep changing the table.
    """
    with lake.writing(), connection(lake.staging) as con:
        typing.prepare(con, city)
        typing.raw_from_deliveries(con, lines, city, datetime.now(UTC))
        con.execute(f"CREATE TEMP TABLE typed AS {typing.typed_query(city)}")
        delivered = count(con, "SELECT count(*) FROM typed")
        con.execute(
            f"""
            CREATE TEMP TABLE incoming AS SELECT {_COLUMNS} FROM typed WHERE reason IS NULL
            QUALIFY row_number() OVER (PARTITION BY id, record_md5 ORDER BY ingested_at DESC) = 1
            """
        )
        quarantined = quarantine(lake, city, con, "typed")
        for _ in range(_PLANS):
            try:
                return _merge(lake, city, con, properties, delivered, quarantined)
            except StalePlan:
                continue
    raise LakeBusy(f"Other writers changed {city.name}.crimes {_PLANS} times during one merge: run again later.")


def quarantine(lake: Lake, city: City, con: duckdb.DuckDBPyConnection, source: str) -> int:
    """Put the rows of `source` that have a reason into quarantine, each once; returns how many were new."""
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE bad AS
        SELECT record_md5, rtrim(reason, '; ') AS reason, raw, id_text AS id, updated_on_text AS updated_on, ingested_at
        FROM {source} WHERE reason IS NOT NULL
        QUALIFY row_number() OVER (PARTITION BY record_md5 ORDER BY ingested_at) = 1
        """
    )
    if not count(con, "SELECT count(*) FROM bad"):
        return 0
    table = tables.curated(lake, city.name, "crimes_quarantine")
    known = [tables.local_path(file.file_path) for file in tables.data_files(table)]
    if known:
        con.execute(
            "DELETE FROM bad WHERE record_md5 IN (SELECT record_md5 FROM read_parquet(?, hive_partitioning = false))",
            [known],
        )
    new = count(con, "SELECT count(*) FROM bad")
    if new:
        path = tables.new_data_path(table, "all")
        write_file(con, "SELECT * FROM bad ORDER BY record_md5", path)
        tables.commit(table, Change((), (path,), {"kind": "quarantine", "rows": str(new)}))
    return new


def write_file(con: duckdb.DuckDBPyConnection, query: str, path: Path) -> None:
    """Write a query's rows as one Parquet data file; a file that could not be finished is removed."""
    try:
        con.execute(f"COPY ({query}) TO {literal(str(path))} (FORMAT parquet, COMPRESSION zstd)")
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _merge(
    lake: Lake,
    city: City,
    con: duckdb.DuckDBPyConnection,
    properties: Mapping[str, str],
    delivered: int,
    quarantined: int,
) -> MergeResult:
    table = tables.curated(lake, city.name, "crimes")
    paths = {tables.local_path(file.file_path): file for file in tables.data_files(table)}
    _rank_versions(con, list(paths))
    inserted = count(con, "SELECT count(*) FROM winners WHERE id NOT IN (SELECT id FROM known)")
    replaced = count(con, "SELECT count(*) FROM winners") - inserted
    superseded = _keep_superseded(lake, city, con)
    files = _Files(skipped=len(paths))
    if inserted + replaced:
        counts = {"inserted": str(inserted), "replaced": str(replaced), "superseded": str(superseded)}
        marks = {"kind": "days", tables.FIRST_CHANGED: first_day(con, "winners"), **counts, **properties}
        files = _rewrite_months(table, paths, con, marks)
    return MergeResult(
        rows=sum(file.record_count for file in paths.values()) + inserted,
        delivered=delivered,
        inserted=inserted,
        replaced=replaced,
        superseded=superseded,
        quarantined=quarantined,
        files_removed=files.removed,
        files_added=files.added,
        files_skipped=files.skipped,
        bytes_rewritten=files.bytes,
        snapshot_id=files.snapshot_id,
    )


def _rank_versions(con: duckdb.DuckDBPyConnection, paths: list[str]) -> None:
    """Make `known` (rows of the table with incoming ids), `versions` (all, ranked) and `winners` (rows that change)."""
    con.execute(f"CREATE OR REPLACE TEMP TABLE known AS SELECT {_COLUMNS}, '' AS filename FROM incoming LIMIT 0")
    # Ids first: one narrow column says which files are worth reading whole.
    if holding := _files_holding(con, paths, "SELECT id FROM incoming"):
        con.execute(
            f"""
            INSERT INTO known SELECT {_COLUMNS}, filename
            FROM read_parquet(?, filename = true, hive_partitioning = false)
            WHERE id IN (SELECT id FROM incoming)
            """,
            [holding],
        )
    con.execute(
        f"""
        CREATE OR REPLACE TEMP TABLE versions AS
        SELECT *, row_number() OVER ranked AS rank, first_value(change_day) OVER ranked AS winning_day
        FROM (
          SELECT {_COLUMNS}, FALSE AS is_new FROM known
          UNION ALL
          SELECT {_COLUMNS}, TRUE FROM incoming ANTI JOIN known USING (id, record_md5)
        )
        WINDOW ranked AS (PARTITION BY id ORDER BY {WINNER_FIRST})
        """
    )
    con.execute(f"CREATE OR REPLACE TEMP TABLE winners AS SELECT {_COLUMNS} FROM versions WHERE rank = 1 AND is_new")


def _files_holding(con: duckdb.DuckDBPyConnection, paths: list[str], ids: str) -> list[str]:
    if not paths:
        return []
    rows = con.execute(
        "SELECT DISTINCT filename FROM read_parquet(?, filename = true, hive_partitioning = false) "
        f"WHERE id IN ({ids})",
        [paths],
    ).fetchall()
    return [row[0] for row in rows]


def _keep_superseded(lake: Lake, city: City, con: duckdb.DuckDBPyConnection) -> int:
    """Keep versions that lost to one of a later change day; returns how many are new.

    They are committed before the versions that replace them: after a crash between the two, a version is in both
    tables, which readers and the next merge tell apart, and never in neither.
    """
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE losers AS SELECT {_COLUMNS} FROM versions WHERE change_day < winning_day"
    )
    if not count(con, "SELECT count(*) FROM losers"):
        return 0
    table = tables.curated(lake, city.name, "crimes_superseded")
    kept = [tables.local_path(file.file_path) for file in tables.data_files(table)]
    if kept:
        con.execute(
            """
            DELETE FROM losers USING read_parquet(?, hive_partitioning = false) AS kept
            WHERE kept.id = losers.id AND kept.record_md5 = losers.record_md5
            """,
            [kept],
        )
    new = count(con, "SELECT count(*) FROM losers")
    if new:
        added = write_months(con, table, "losers")
        marks = {"kind": "superseded", "rows": str(new), tables.FIRST_CHANGED: first_day(con, "losers")}
        tables.commit(table, Change((), added, marks))
    return new


def _rewrite_months(
    table: Table, paths: Mapping[str, DataFile], con: duckdb.DuckDBPyConnection, marks: Mapping[str, str]
) -> _Files:
    """Rewrite the months that gain or lose a row, and no other, in one snapshot."""
    month_of = {path: tables.month_of(file) for path, file in paths.items()}
    gaining = {row[0] for row in con.execute("SELECT DISTINCT month FROM winners").fetchall()}
    losing = con.execute("SELECT DISTINCT filename FROM known WHERE id IN (SELECT id FROM winners)").fetchall()
    months = gaining | {month_of[row[0]] for row in losing}
    touched = [path for path in paths if month_of[path] in months]
    added: list[Path] = []
    try:
        for month in sorted(months):
            old = [literal(path) for path in touched if month_of[path] == month]
            added += write_months(con, table, _month_after(old), [month])
    except BaseException:
        tables.discard(added)
        raise
    snapshot_id = tables.commit(table, Change([paths[path] for path in touched], added, marks))
    size = sum(path.stat().st_size for path in added)
    return _Files(len(touched), len(added), len(paths) - len(touched), size, snapshot_id)


def _month_after(old_files: list[str]) -> str:
    """The rows of a month after the merge, `winners` of other months among them."""
    if not old_files:
        return "winners"
    return (
        f"(SELECT {_COLUMNS} FROM winners UNION ALL SELECT {_COLUMNS} "
        f"FROM read_parquet([{', '.join(old_files)}], hive_partitioning = false) "
        "WHERE id NOT IN (SELECT id FROM winners))"
    )


def write_months(
    con: duckdb.DuckDBPyConnection, table: Table, rows: str, months: Sequence[date] | None = None
) -> list[Path]:
    """Write the rows of a relation as one sorted data file a month; all its months unless some are named."""
    if months is None:
        months = [row[0] for row in con.execute(f"SELECT DISTINCT month FROM {rows} ORDER BY month").fetchall()]
    written: list[Path] = []
    try:
        for month in months:
            path = tables.new_data_path(table, f"occurred_month={month:%Y-%m}")
            query = f"SELECT {_COLUMNS} FROM {rows} WHERE month = DATE '{month}' ORDER BY occurred_at, id"
            write_file(con, query, path)
            written.append(path)
    except BaseException:
        tables.discard(written)
        raise
    return without_empty(con, written)


def without_empty(con: duckdb.DuckDBPyConnection, paths: list[Path]) -> list[Path]:
    """A month that lost its last row has no file."""
    empty = [p for p in paths if not count(con, f"SELECT count(*) FROM read_parquet({literal(str(p))})")]
    tables.discard(empty)
    return [path for path in paths if path not in empty]


def first_day(con: duckdb.DuckDBPyConnection, relation: str) -> str:
    """The earliest change day of a relation that has rows."""
    row = con.execute(f"SELECT min(change_day) FROM {relation}").fetchone()
    return str(row[0]) if row else ""


def count(con: duckdb.DuckDBPyConnection, query: str) -> int:
    """The one number a counting query yields."""
    row = con.execute(query).fetchone()
    return int(row[0]) if row else 0
