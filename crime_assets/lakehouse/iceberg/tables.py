"""Iceberg tables as the lake uses them: created, planned, and changed by whole data files, one snapshot per change."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.core.errors import LakeError, TablesLost
from crime_assets.lakehouse.place import catalog_file, warehouse
from crime_assets.lakehouse.place.catalog_file import BESIDE
from crime_assets.lakehouse.place.lake import Lake
from crime_assets.lakehouse.place.losses import check_tables, lacking_files
from crime_assets.lakehouse.place.refusals import explained
from crime_assets.lakehouse.place.takeover import has_metadata, is_in
from crime_assets.lakehouse.schema import CRIMES, QUARANTINE, REMOVED, Column, iceberg_schema, published
from crime_assets.sources.cities import City

if TYPE_CHECKING:
    from pyiceberg.manifest import DataFile
    from pyiceberg.schema import Schema
    from pyiceberg.table import Table
    from pyiceberg.table.snapshots import Snapshot
    from pyiceberg.types import IcebergType

    from crime_assets.lakehouse.iceberg.transactions import Transaction

PROPERTY_PREFIX = "crime-assets."
"""Prefix of our own snapshot and table properties."""

FIRST_CHANGED = "first-changed-day"
"""Snapshot property: the earliest change day whose state the snapshot alters."""

NOTHING_CHANGED = date.max.isoformat()
"""The FIRST_CHANGED of a snapshot that alters no row."""

HISTORY_MARK = "history-before"
UNDATED_MARK = "history-undated"
MASKS_MARK = "masks"
"""Of a masked table: a digest of what its columns were masked by."""
TABLE_MARKS = frozenset({HISTORY_MARK, UNDATED_MARK, MASKS_MARK})
"""Properties of a change that stay with the table as well as with the snapshot."""

_CURATED: dict[str, tuple[tuple[Column, ...], str | None]] = {
    "crimes": (CRIMES, "occurred_at"),
    # Each day brings few rows of many months: a file per month would leave thousands of tiny files in a year.
    "crimes_superseded": (CRIMES, None),
    "crimes_quarantine": (QUARANTINE, None),
    "crimes_removed": (REMOVED, None),
}

_PLACES = frozenset({"write.data.path", "write.metadata.path"})
"""Table properties that put its files elsewhere."""

_NAME_MAPPING = "schema.name-mapping.default"
"""DuckDB writes data files without field ids: with this property readers find the columns by name."""

_PROPERTIES = {
    "write.parquet.compression-codec": "zstd",
    # A plan made before another writer's commit is never put on top of it: StalePlan asks for a new one.
    "commit.retry.num-retries": "0",
    # Used by merge_manifests only: an overwrite leaves the manifests of other files as they are.
    "commit.manifest-merge.enabled": "true",
    "commit.manifest.min-count-to-merge": "2",
    # Otherwise every commit would leave a metadata file forever.
    "write.metadata.delete-after-commit.enabled": "true",
    "write.metadata.previous-versions-max": "20",
}


@dataclass(frozen=True)
class Change:
    """What one snapshot does: data files it removes, data files it adds (absolute paths), and why."""

    remove: Sequence[DataFile]
    add: Sequence[Path]
    properties: Mapping[str, str]


class StalePlan(Exception):
    """Another writer changed the table since it was planned: plan again."""


@contextmanager
def unless_overtaken() -> Iterator[None]:
    """Commit inside this context: StalePlan if another writer was faster."""
    from pyiceberg.exceptions import CommitFailedException

    try:
        yield
    except CommitFailedException as error:
        raise StalePlan from error


def load(lake: Lake, city: str, name: str) -> Table | None:
    """A table of the city as it is now; None if it was never written."""
    # Reading a table's metadata takes milliseconds, and a run loads its tables a hundred times.
    changes = lake.catalog_changes()
    known = lake.loaded.get((city, name))
    if known is None or known[0] != changes:
        table = _load(lake, city, name) if changes else None
        if name == "crimes" and (table is None or table.current_snapshot() is None) and lake.has_lost(city):
            raise _lost(lake, city)
        known = lake.loaded[city, name] = (changes, table)
    # A commit changes the table object it is made with; a plan must not change.
    return copy(known[1])


def _load(lake: Lake, city: str, name: str) -> Table | None:
    import pydantic
    from pyiceberg.exceptions import NoSuchNamespaceError, NoSuchTableError, ValidationError

    try:
        with explained(lake.name):
            table = lake.catalog.load_table((city, name))
        _check_place(lake, table)
    except (NoSuchTableError, NoSuchNamespaceError):
        return None
    except (ValidationError, pydantic.ValidationError) as error:
        raise LakeError(
            f"The metadata of {city}.{name} in the lake {lake.name} is damaged: restore it, then run again."
        ) from error
    except LakeError as error:
        if _is_gone(lake, city, name) and _is_gone(lake, city, "crimes"):
            raise _lost(lake, city) from error
        if _is_gone(lake, city, name):
            # It was there when the lake was opened.
            check_tables(lake.warehouse, catalog_file.rows(lake.home / "catalog.db"))
        raise
    return table


def _is_gone(lake: Lake, city: str, name: str) -> bool:
    """Whether no metadata is left of a table that the catalog has."""
    return not lake.is_remote and not has_metadata(lake.warehouse / city / name)


def _lost(lake: Lake, city: str) -> TablesLost:
    return TablesLost(
        f"The lake {lake.name} has merged change days of {city}, but its tables are gone: restore them from a "
        "backup, or load the city again with `crime-assets reload`."
    )


def forget_lost(lake: Lake, city: str) -> None:
    """Remove tables from the catalog that have no metadata left."""
    for name in names(lake, city):
        if _is_gone(lake, city, name):
            lake.catalog.drop_table((city, name))


def _check_place(lake: Lake, table: Table) -> None:
    """LakeError if the table belongs to another lake, or writes into one."""
    own = lake.catalog.properties.get("warehouse", "").rstrip("/")
    places = [table.location(), *(table.properties[name] for name in _PLACES & table.properties.keys())]
    if not lake.is_remote:
        if outside := [place for place in places if not is_in(place, lake.warehouse)]:
            raise LakeError(
                f"The lake {lake.home} was moved while it was open ({'.'.join(table.name())} is at {outside[0]}): run "
                "again."
            )
    # Glue has only one database of a name per account and region, whichever lake asks.
    elif own.startswith("s3://") and (outside := [place for place in places if not place.startswith(f"{own}/")]):
        raise LakeError(
            f"The catalog has {'.'.join(table.name())} for another lake ({outside[0]}): set CRIME_LAKE to it, or "
            f"use another catalog, account or region for {own}."
        )


def names(lake: Lake, city: str) -> list[str]:
    """Every table of the city."""
    with explained(lake.name):
        if not lake.catalog.namespace_exists((city,)):
            return []
        return sorted(table for _, table in lake.catalog.list_tables((city,)))


def every(lake: Lake, city: str) -> dict[str, Table]:
    """Every table of the city as it is now, by name."""
    found = {name: load(lake, city, name) for name in names(lake, city)}
    return {name: table for name, table in found.items() if table is not None}


def curated(lake: Lake, city: City, name: str) -> Table:
    """One of the curated tables, created if necessary, with the columns that the city publishes."""
    columns, month_of = _CURATED[name]
    table = load(lake, city.name, name)
    if table is None:
        table = create(lake, city.name, name, iceberg_schema(published(columns, city)), month_of=month_of)
    return table


def create(
    lake: Lake, city: str, name: str, schema: Schema, *, month_of: str | None = None, partition_by: str | None = None
) -> Table:
    """Create a table, Iceberg format 2, partitioned by the month of one column, by a column itself, or not at all."""
    from pyiceberg.exceptions import TableAlreadyExistsError
    from pyiceberg.partitioning import PartitionField, PartitionSpec
    from pyiceberg.transforms import IdentityTransform, MonthTransform

    catalog = lake.catalog
    catalog.create_namespace_if_not_exists((city,))
    spec = PartitionSpec()
    if month_of is not None:
        field_id = schema.find_field(month_of).field_id
        spec = PartitionSpec(PartitionField(field_id, 1000, MonthTransform(), "occurred_month"))
    elif partition_by is not None:
        field_id = schema.find_field(partition_by).field_id
        spec = PartitionSpec(PartitionField(field_id, 1000, IdentityTransform(), partition_by))
    # Not set afterwards: after a crash in between, no other engine could read the table.
    properties = {"format-version": "2", **_PROPERTIES, _NAME_MAPPING: schema.name_mapping.model_dump_json()}
    try:
        return catalog.create_table((city, name), schema, partition_spec=spec, properties=properties)
    except TableAlreadyExistsError:
        # Another machine was faster.
        return catalog.load_table((city, name))


def add_columns(table: Table, columns: Mapping[str, IcebergType]) -> None:
    """Add optional columns; no data file changes. StalePlan if another writer was faster."""
    if not columns:
        return
    with unless_overtaken(), table.update_schema() as update:
        for name, kind in columns.items():
            update.add_column(name, kind, doc="New at the source; as it was published.")


def data_files(table: Table, snapshot_id: int | None = None) -> list[DataFile]:
    """The live data files of a table, now or as of a snapshot."""
    if table.current_snapshot() is None:
        return []
    with explained(table.location()):
        tasks = list(table.scan(snapshot_id=snapshot_id).plan_files())
    if any(task.delete_files for task in tasks):
        raise LakeError(
            f"{'.'.join(table.name())} has row-level deletes, which this engine cannot read: "
            "compact it with the engine that wrote them."
        )
    return [task.file for task in tasks]


def snapshot_property(snapshot: Snapshot, name: str) -> str | None:
    """A property that a change recorded when it was committed."""
    return snapshot.summary[PROPERTY_PREFIX + name] if snapshot.summary is not None else None


def month_of(file: DataFile) -> date:
    """The first day of the month of a data file, in a table partitioned by month."""
    months_since_1970 = file.partition[0]
    return date(1970 + months_since_1970 // 12, months_since_1970 % 12 + 1, 1)


def paths_of(table: Table, files: Iterable[DataFile]) -> dict[str, DataFile]:
    """Data files by their path on this machine, whether they are there yet or not: `fetch` gets them."""
    return {str(warehouse.path_of(table, file.file_path)): file for file in files}


def fetch(table: Table, files: Iterable[DataFile]) -> list[str]:
    """Get data files onto this machine; returns their paths, in the same order."""
    with explained(table.location()):
        return warehouse.fetch(table, files)


def check_files(table: Table, files: Iterable[DataFile]) -> None:
    """LakeError if a data file of a table in a directory is missing."""
    if warehouse.is_local(table):
        for path in paths_of(table, files):
            if not Path(path).exists():
                raise lacking_files(".".join(table.name()), path)


def data_directory(table: Table) -> Path:
    """The directory on this machine for data files of a table."""
    return warehouse.path_of(table, table.location()) / "data"


def new_data_path(table: Table, partition: str) -> Path:
    """A path for a new data file of a table; `partition` is the readable name of its directory."""
    directory = data_directory(table) / partition
    directory.mkdir(parents=True, exist_ok=True)
    return directory / f"{secrets.token_hex(16)}.parquet"


def commit(table: Table, change: Change) -> int:
    """Commit the change as one snapshot and return its id. StalePlan, with the new files removed, if it is too late."""
    from pyiceberg.exceptions import CommitFailedException, ValidationException
    from pyiceberg.io.pyarrow import parquet_file_to_data_file

    properties = {PROPERTY_PREFIX + name: value for name, value in change.properties.items()}
    locations = [warehouse.location_of(table, path) for path in change.add]
    try:
        warehouse.publish(table, change.add)
        with transaction_of(table) as transaction:
            with transaction.update_snapshot(snapshot_properties=properties).overwrite() as snapshot:
                for file in change.remove:
                    snapshot.delete_data_file(file)
                for location in locations:
                    snapshot.append_data_file(parquet_file_to_data_file(table.io, table.metadata, location))
            marks = {PROPERTY_PREFIX + name: value for name, value in change.properties.items() if name in TABLE_MARKS}
            marks.update(beside(table))
            if marks:
                transaction.set_properties(marks)
        return snapshot.snapshot_id
    except (CommitFailedException, ValidationException) as error:
        # Only here is it certain that no snapshot names the new files; after any other error they are kept.
        warehouse.remove(table, locations)
        raise StalePlan from error


def transaction_of(table: Table) -> Transaction:
    """A transaction that is as quick as it can be: see the module transactions."""
    from crime_assets.lakehouse.iceberg.transactions import Transaction

    return Transaction(table)


def beside(table: Table) -> dict[str, str]:
    """What rebuilding a lost catalog has to know, unless it is noted already: the curated tables beside `crimes`."""
    namespace, name = table.name()
    if name != "crimes" or not warehouse.is_local(table):
        return {}
    found = ",".join(sorted({other for _, other in table.catalog.list_tables((namespace,))} & _CURATED.keys() - {name}))
    return {BESIDE: found} if table.properties.get(BESIDE, "") != found else {}


def mark(table: Table, properties: Mapping[str, str]) -> int:
    """Record properties as a snapshot that changes no row, and merge the manifests into as few as possible; its id.

    StalePlan if another writer was faster.
    """
    marks = {PROPERTY_PREFIX + name: value for name, value in properties.items()}
    with unless_overtaken(), transaction_of(table) as transaction:
        # An append also merges manifests; this one appends nothing.
        snapshot = transaction.update_snapshot(snapshot_properties=marks).merge_append()
        snapshot.commit()
    return snapshot.snapshot_id


def manifests(table: Table) -> int:
    """How many manifests must be read to find the live data files."""
    snapshot = table.current_snapshot()
    return len(snapshot.manifests(table.io)) if snapshot is not None else 0


def settle_properties(table: Table) -> None:
    """Set the properties that `create` sets today. StalePlan if another writer was faster."""
    wanted = dict(_PROPERTIES)
    if _NAME_MAPPING not in table.properties:
        wanted[_NAME_MAPPING] = table.schema().name_mapping.model_dump_json()
    if not wanted.items() <= table.properties.items():
        with unless_overtaken(), transaction_of(table) as transaction:
            transaction.set_properties(wanted)


def set_mark(table: Table, name: str, value: str) -> None:
    """Note a property of ours with the table, if it is not noted already. StalePlan if another writer was faster."""
    if table_mark(table, name) != value:
        with unless_overtaken(), transaction_of(table) as transaction:
            transaction.set_properties({PROPERTY_PREFIX + name: value})


def table_mark(table: Table, name: str) -> str | None:
    """A property of ours that stays with the table."""
    return table.properties.get(PROPERTY_PREFIX + name)


def drop_snapshots(table: Table, snapshot_ids: Sequence[int]) -> None:
    """Expire snapshots; their files stay until someone removes them. StalePlan if another writer was faster."""
    with unless_overtaken():
        table.maintenance.expire_snapshots().by_ids(list(snapshot_ids)).commit()


def discard(paths: Sequence[Path]) -> None:
    """Remove data files that were written here and never published."""
    for path in paths:
        path.unlink(missing_ok=True)
