"""Tables of live reports: `live.fir_history`, a row a report, and `live.fir_alerts`, a row a revision of an alert.

They belong to no city: a city's namespace holds what its records became. Nothing here loads what live reports need.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from crime_assets.core.errors import LakeError, TablesLost
from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.iceberg.reading import rows_of
from crime_assets.lakehouse.place.lake import Lake

if TYPE_CHECKING:
    from pyiceberg.table import Table

SCHEMA = "live"
"""The Iceberg namespace, and the schema in queries."""
HISTORY, ALERTS = "fir_history", "fir_alerts"


def show(con: duckdb.DuckDBPyConnection, lake: Lake) -> None:
    """Create the schema with a view of each table that there is."""
    con.execute(f"CREATE SCHEMA {SCHEMA}")
    for name in (HISTORY, ALERTS):
        if (table := table_of(lake, name)) is not None:
            con.execute(f"CREATE VIEW {SCHEMA}.{name} AS {rows_of(table, tables.data_files(table))}")


def table_of(lake: Lake, name: str) -> Table | None:
    """A table; None if it was never written. LakeError if it is gone: old deliveries may be as well."""
    try:
        return tables.load(lake, SCHEMA, name)
    except TablesLost as error:
        raise LakeError(
            f"The table {SCHEMA}.{name} is gone from the lake {lake.name}: restore it from a backup, then run again."
        ) from error
