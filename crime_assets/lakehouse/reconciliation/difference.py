"""What a publication has that `crimes` lacks, and what it lacks: how cities without change stamps are followed.

Every record is compared, by its digest. Records with another digest are typed and compared with the row that the lake
has: where only the text differs, such as in another dataset of the same city, nothing has changed.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING

import duckdb
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from crime_assets.core.concurrency import few_at_once
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.duck import connection, identifier, literal
from crime_assets.lakehouse.iceberg.evolution import column_names
from crime_assets.lakehouse.iceberg.reading import DUCKDB_TYPES, rows_of
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.reconciliation.limits import Guard, Limits
from crime_assets.lakehouse.reconciliation.removal import Gone
from crime_assets.lakehouse.reconciliation.spooled import SpooledRecords
from crime_assets.lakehouse.records import typing
from crime_assets.lakehouse.records.typing import RAW_RECORDS
from crime_assets.lakehouse.writing.history import reasons
from crime_assets.lakehouse.writing.merge import count, statement_of
from crime_assets.lakehouse.writing.settling import check_typed
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import DAMAGE, RAW, Publication

if TYPE_CHECKING:
    from pyiceberg.table import Table

_ROWS_TOGETHER = 200_000
"""Statements take about as long to plan as to run on some ten thousand records."""
_OF_THE_VERSION = frozenset({"updated_on", "change_day", "record_md5", "ingested_at"})
"""Columns that say when a version came, not what it says."""
_TOKENS = "[A-Za-z0-9][A-Za-z0-9._-]*"
Digests = npt.NDArray[np.uint64]
"""64 bits of digests: among ten million, a record that has changed is taken for known once in 10^12 changes."""


@dataclass(frozen=True)
class Difference:
    """What a publication would change."""

    rows: int
    """Rows of `crimes` that were compared."""
    records: int
    missing: SpooledRecords
    """The records that are new, or have another content than the row."""
    gone: list[Gone]
    undated: int
    """Damaged lines, which are no records."""

    @property
    def is_empty(self) -> bool:
        """Whether the lake is as the city has published it."""
        return not self.missing and not self.gone


def difference(lake: Lake, city: City, publication: Publication, limits: Limits) -> Difference:
    """Compare the lake with a publication. FeedError or Untypable, saying what to do, if it is not credible."""
    missing = SpooledRecords(lake.staging)
    with connection(lake.staging) as con:
        typing.prepare_functions(con)
        typing.prepare(con, city)
        table = tables.curated(lake, city, "crimes")
        guard = Guard(city, limits, _hold(lake, city, con, table))
        records, undated = _read(con, city, publication, _known(con))
        gone = _gone(con, guard)
        for record in _news(con, city, table, records):
            missing.add(record)
        _note_same(con, lake, city)
    return Difference(guard.rows, records, missing, gone, undated)


def _hold(lake: Lake, city: City, con: duckdb.DuckDBPyConnection, table: Table) -> int:
    """Create `held`, the rows with their digests, `rejected`, the digests in quarantine, and `same`, the digests of
    records that say the same as a row in other words; returns how many rows there are.
    """
    held = rows_of(table, tables.data_files(table), ["id", "updated_on", "record_md5"])
    con.execute(f"CREATE TABLE held AS SELECT id, updated_on, hash(record_md5) AS digest FROM ({held})")
    quarantine = tables.curated(lake, city, "crimes_quarantine")
    rejected = rows_of(quarantine, tables.data_files(quarantine), ["record_md5"])
    con.execute(f"CREATE TABLE rejected AS {rejected}")
    con.execute("CREATE TABLE same (record_md5 VARCHAR, held_md5 VARCHAR)")
    # A note that is missing or damaged is made again.
    with suppress(duckdb.IOException, duckdb.InvalidInputException):
        con.execute(
            "INSERT INTO same FROM read_parquet(?) AS noted SEMI JOIN held ON held.digest = hash(noted.held_md5)",
            [str(_noted_same(lake, city))],
        )
    return count(con, "SELECT count(*) FROM held")


def _known(con: duckdb.DuckDBPyConnection) -> Digests:
    """The digests that the lake knows, in order."""
    known = con.sql(
        "SELECT digest FROM held UNION ALL SELECT hash(record_md5) FROM rejected "
        "UNION ALL SELECT hash(record_md5) FROM same"
    ).to_arrow_table()
    return np.sort(known.column("digest").to_numpy())


def _unknown(known: Digests, digests: Digests) -> Digests:
    """Those that are not among the known ones, in order."""
    # A search in order stays near where the last one ended: seven times as fast as in any order.
    ordered = np.sort(digests)
    if not len(known):
        return ordered
    places = np.minimum(np.searchsorted(known, ordered), len(known) - 1)
    return np.extract(known[places] != ordered, ordered)


def _read(con: duckdb.DuckDBPyConnection, city: City, publication: Publication, known: Digests) -> tuple[int, int]:
    """Create `published` (ids and digests of all records), `unknown` (digests and texts of those that the lake does not
    know) and `typed` (the same, typed); returns how many records and damaged lines there are.
    """
    # Not temporary tables: cursors fill and read them.
    con.execute(f"CREATE TABLE published (id {DUCKDB_TYPES[city.key_type]}, digest UBIGINT)")
    con.execute("CREATE TABLE unknown (record_md5 VARCHAR, raw VARCHAR)")
    typing.raw_from_deliveries(con, RAW_RECORDS.empty_table(), city)
    con.execute(f"CREATE TABLE typed AS {typing.typed_query(city)}")
    con.execute("SET threads = 1")
    idle: SimpleQueue[duckdb.DuckDBPyConnection] = SimpleQueue()
    workers = os.cpu_count() or 1
    for _ in range(2 * workers):
        cursor = con.cursor()
        typing.prepare(cursor, city)
        idle.put(cursor)
    records = damaged = 0

    def compare(batch: pa.Table) -> tuple[int, int, pa.Table]:
        with _one_of(idle) as cursor:
            return _compare_batch(cursor, city, publication, batch, known)

    def keep(news: pa.Table) -> None:
        with _one_of(idle) as cursor:
            _keep_news(cursor, city, publication, news, known)

    def all_news() -> Iterator[pa.Table]:
        nonlocal records, damaged
        for found, lost, news in few_at_once(compare, _together(publication.tables()), workers):
            records, damaged = records + found, damaged + lost
            if len(news):
                yield news

    for _ in few_at_once(keep, _together(all_news()), workers):
        pass
    con.execute("RESET threads")
    return records, damaged


@contextmanager
def _one_of(idle: SimpleQueue[duckdb.DuckDBPyConnection]) -> Iterator[duckdb.DuckDBPyConnection]:
    cursor = idle.get()
    try:
        yield cursor
    finally:
        idle.put(cursor)


def _compare_batch(
    con: duckdb.DuckDBPyConnection, city: City, publication: Publication, batch: pa.Table, known: Digests
) -> tuple[int, int, pa.Table]:
    """Add a batch to `published`; returns how many records and damaged lines it has, and the records of all ids of
    which the lake does not know a digest.
    """
    typing.texts_from_history(con, batch, city, datetime.now(UTC), publication.day)
    key = f"TRY_CAST(nullif(trim({{}}), '') AS {DUCKDB_TYPES[city.key_type]})"
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE batch AS SELECT {key.format('id')} AS id, hash(record_md5) AS digest "
        "FROM raw_records WHERE damage IS NULL"
    )
    con.execute("INSERT INTO published FROM batch")
    damaged = len(batch) - batch.column(DAMAGE).null_count
    if damaged:
        # Whatever stands in a damaged line may be the id of its record: that one is not gone.
        con.execute(
            f"INSERT INTO published SELECT {key.format('token')}, NULL FROM (SELECT unnest(regexp_extract_all(raw, "
            f"'{_TOKENS}')) AS token FROM raw_records WHERE damage IS NOT NULL)"
        )
    _register_unknown(con, known, "SELECT digest FROM batch")
    # By their ids: to write all texts once more takes longer than anything else here.
    text = key.format(typing.text_of(city, "id", batch.schema))
    news = con.sql(
        f"WITH news AS (SELECT id FROM batch SEMI JOIN unknown_digests USING (digest)) FROM history_records "
        f"WHERE {identifier(DAMAGE)} IS NULL AND ({text} IN (SELECT id FROM news) OR {text} IS NULL)"
    ).to_arrow_table()
    # The database has forgotten which texts are objects, without which a record has another digest.
    kinds = [field.with_metadata(batch.schema.field(field.name).metadata) for field in news.schema]
    return len(batch) - damaged, damaged, news.cast(pa.schema(kinds))


def _keep_news(
    con: duckdb.DuckDBPyConnection, city: City, publication: Publication, records: pa.Table, known: Digests
) -> None:
    """Add to `unknown` and `typed` the records that the lake does not know by their digests."""
    typing.raw_from_history(con, records, city, datetime.now(UTC), publication.day)
    con.execute("CREATE OR REPLACE TEMP TABLE texts AS SELECT record_md5, raw FROM raw_records")
    _register_unknown(con, known, "SELECT hash(record_md5) AS digest FROM texts")
    con.execute(
        "CREATE OR REPLACE TEMP TABLE news AS SELECT DISTINCT record_md5, raw FROM texts "
        "SEMI JOIN unknown_digests ON unknown_digests.digest = hash(record_md5)"
    )
    con.execute("INSERT INTO unknown FROM news")
    con.execute(f"INSERT INTO typed FROM ({typing.typed_query(city)}) SEMI JOIN news USING (record_md5)")


def _register_unknown(con: duckdb.DuckDBPyConnection, known: Digests, digests: str) -> None:
    """Create `unknown_digests`, those that a query yields and the lake does not know."""
    found = con.sql(digests).to_arrow_table().column("digest").to_numpy()
    con.register("unknown_digests", pa.table({"digest": _unknown(known, found)}))


def _together(parts: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """Parts of some ten thousand records, as few large ones."""
    waiting: list[pa.Table] = []
    for part in parts:
        waiting.append(part)
        if sum(map(len, waiting)) >= _ROWS_TOGETHER:
            yield _joined(waiting)
            waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(parts: list[pa.Table]) -> pa.Table:
    whole = pa.concat_tables(parts, promote_options="default")
    for name in (DAMAGE, RAW):
        if name not in whole.column_names:
            whole = whole.append_column(name, pa.nulls(len(whole), pa.string()))
    return whole


def _gone(con: duckdb.DuckDBPyConnection, guard: Guard) -> list[Gone]:
    """Rows whose ids are not published any more."""
    con.execute("CREATE TEMP TABLE gone AS SELECT id, updated_on FROM held ANTI JOIN published USING (id)")
    number = count(con, "SELECT count(*) FROM gone")
    guard.gone(number, number)
    return [Gone(*row) for row in con.execute("FROM gone ORDER BY id").fetchall()]


def _news(con: duckdb.DuckDBPyConnection, city: City, table: Table, records: int) -> Iterator[dict[str, object]]:
    """The records to pull, of those that the lake does not know by their digest."""
    check_typed(city, records, reasons(con), "publication")
    _compare(con, table)
    news = con.execute(f"SELECT raw FROM unknown SEMI JOIN ({statement_of('newly_published')}) USING (record_md5)")
    while rows := news.fetchmany(10_000):
        yield from (json.loads(raw) for (raw,) in rows)


def _note_same(con: duckdb.DuckDBPyConnection, lake: Lake, city: City) -> None:
    """Keep which records say the same as a row in other words: they need not be typed again for the next publication.

    Only a note beside the lake: without it, they are.
    """
    con.execute(
        "INSERT INTO same SELECT typed.record_md5, rows_held.record_md5 FROM typed JOIN rows_held USING (id) "
        "ANTI JOIN differing ON differing.record_md5 = typed.record_md5 WHERE typed.reason IS NULL"
    )
    path = _noted_same(lake, city)
    written = path.with_suffix(".new")
    con.execute(
        "COPY (SELECT DISTINCT * FROM same WHERE hash(record_md5) IN (SELECT digest FROM published)) "
        f"TO {literal(str(written))} (FORMAT parquet)"
    )
    written.replace(path)


def _noted_same(lake: Lake, city: City) -> Path:
    return lake.staging / f"same-{city.name}.parquet"


def _compare(con: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Create what newly_published.sql reads besides `typed`."""
    names = [name for name in column_names(table) if name not in _OF_THE_VERSION]
    columns = dict.fromkeys([*names, "reported_at", "record_md5"])
    rows = rows_of(table, tables.data_files(table), list(columns))
    con.execute(f"CREATE TEMP TABLE rows_held AS FROM ({rows}) SEMI JOIN typed USING (id)")
    known = {name for (name,) in con.execute("SELECT column_name FROM (DESCRIBE typed)").fetchall()}
    differs = " OR ".join(
        f"typed.{identifier(name)} IS DISTINCT FROM rows_held.{identifier(name)}" for name in names if name in known
    )
    con.execute(
        "CREATE TEMP TABLE differing AS SELECT typed.id, typed.record_md5 FROM typed LEFT JOIN rows_held "
        f"ON rows_held.id = typed.id WHERE typed.reason IS NULL AND (rows_held.id IS NULL OR {differs})"
    )
    con.execute("CREATE TEMP TABLE repeated AS SELECT id FROM published GROUP BY id HAVING count(digest) > 1")
    con.execute(
        "CREATE TEMP TABLE still_published AS SELECT record_md5 FROM rows_held SEMI JOIN repeated USING (id) "
        "SEMI JOIN published ON published.id = rows_held.id AND published.digest = hash(rows_held.record_md5) "
        "UNION ALL SELECT held_md5 FROM same WHERE hash(record_md5) IN (SELECT digest FROM published)"
    )
