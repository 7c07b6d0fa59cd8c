"""Raw records on their way to Spark: Iceberg tables in their own namespace, which all of Spark's machines can read."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pyarrow as pa

from crime_assets.lakehouse.iceberg import tables
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.schema import iceberg_schema_of
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.table import Table

_log = logging.getLogger(__name__)
_LEFT_BEHIND = timedelta(days=1)
"""A staged table older than this was left by a killed run."""


@contextmanager
def staged(lake: Lake, city: City, schema: pa.Schema) -> Iterator[Table]:
    """A new, empty table with this schema, to be filled with `append`; it is removed afterwards."""
    _sweep(lake, city)
    table = tables.create(lake, namespace(city), f"raw_{secrets.token_hex(8)}", iceberg_schema_of(schema, {}))
    try:
        yield table
    finally:
        _remove(lake, table)


def fill(table: Table, groups: Iterable[pa.Table]) -> None:
    """Append all rows to a staged table, a group at a time."""
    for group in groups:
        if len(group):
            table.append(group)


def namespace(city: City) -> str:
    """The namespace for staged tables of a city."""
    return f"{city.name}_staging"


def _sweep(lake: Lake, city: City) -> None:
    """Remove the tables that killed runs have left."""
    before = (datetime.now(UTC) - _LEFT_BEHIND).timestamp() * 1000
    for table in tables.every(lake, namespace(city)).values():
        if table.metadata.last_updated_ms < before:
            _remove(lake, table)


def _remove(lake: Lake, table: Table) -> None:
    """Remove a staged table. A failure to remove it changes nothing: a later sweep tries again."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        lake.catalog.purge_table(table.name())
    except NoSuchTableError:
        _log.debug("%s was removed by another machine", ".".join(table.name()))
    except Exception as error:
        # Whatever a catalog or storage raises: the merge is committed, or has failed for its own reason.
        _log.warning("%s could not be removed and stays for now: %s", ".".join(table.name()), error)
