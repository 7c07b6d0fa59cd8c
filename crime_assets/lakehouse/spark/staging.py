"""Raw records on their way to Spark: Iceberg tables of a namespace of their own, which every machine of it can read."""

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
"""What is older was left by a run that was killed."""


@contextmanager
def staged(lake: Lake, city: City, schema: pa.Schema) -> Iterator[Table]:
    """A new, empty table of this schema, to be filled with `append`; it is gone afterwards."""
    _sweep(lake, city)
    table = tables.create(lake, namespace(city), f"raw_{secrets.token_hex(8)}", iceberg_schema_of(schema, {}))
    try:
        yield table
    finally:
        _remove(lake, table)


def fill(table: Table, groups: Iterable[pa.Table]) -> None:
    """Put all rows into a staged table, a group at a time."""
    for group in groups:
        if len(group):
            table.append(group)


def namespace(city: City) -> str:
    """Where staged tables of a city are."""
    return f"{city.name}_staging"


def _sweep(lake: Lake, city: City) -> None:
    """Remove what runs that were killed have left."""
    before = (datetime.now(UTC) - _LEFT_BEHIND).timestamp() * 1000
    for table in tables.every(lake, namespace(city)).values():
        if table.metadata.last_updated_ms < before:
            _remove(lake, table)


def _remove(lake: Lake, table: Table) -> None:
    """Remove a staged table. What cannot be removed decides nothing: a later sweep tries again."""
    from pyiceberg.exceptions import NoSuchTableError

    try:
        lake.catalog.purge_table(table.name())
    except NoSuchTableError:
        _log.debug("%s was removed by another machine", ".".join(table.name()))
    except Exception as error:
        # Whatever a catalog or storage answers: the merge is committed, or has failed for a reason of its own.
        _log.warning("%s stays for now, it could not be removed: %s", ".".join(table.name()), error)
