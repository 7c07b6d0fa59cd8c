"""What `crimes_removed` holds, for code that writes `crimes`. `removal` puts the rows there."""

from __future__ import annotations

import duckdb

from crime_assets.core.sql import render, statement
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.reading import DUCKDB_TYPES
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.sources.cities import City

_COLUMNS = "id, record_md5, updated_on, ingested_at, removed_on"


def recorded(lake: Lake, city: City, con: duckdb.DuckDBPyConnection) -> bool:
    """Create `recorded` (id, record_md5, updated_on, ingested_at, removed_on) from its rows; False if it has none."""
    table = tables.load(lake, city.name, "crimes_removed")
    paths = tables.fetch(table, tables.data_files(table)) if table is not None else []
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE recorded (id {DUCKDB_TYPES[city.key_type]}, "
        "record_md5 VARCHAR, updated_on TIMESTAMP, ingested_at TIMESTAMPTZ, removed_on DATE)"
    )
    if paths:
        rows = f"SELECT {_COLUMNS} FROM read_parquet(?, hive_partitioning = false, union_by_name = true)"
        con.execute(f"INSERT INTO recorded {rows}", [paths])
    return bool(paths)


def let_in(lake: Lake, city: City, con: duckdb.DuckDBPyConnection) -> None:
    """Drop from `incoming` what was pulled before its crime was removed, so that no old delivery brings it back."""
    if recorded(lake, city, con):
        con.execute(f"CREATE TEMP TABLE let_in AS {render(statement('crimes', 'let_in'), 'duckdb', {})}")
        con.execute("CREATE OR REPLACE TEMP TABLE incoming AS FROM let_in")
        con.execute("DROP TABLE let_in")
