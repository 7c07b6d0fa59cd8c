"""Rebuilds a lost catalog from the tables' own metadata."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from crime_assets.core.errors import CrimeAssetsError, LakeError
from crime_assets.lakehouse.place import belonging, catalog_file
from crime_assets.lakehouse.place.catalog_file import BESIDE, CATALOG, Row, is_computed
from crime_assets.lakehouse.place.losses import check_curated, gone, lacks_newest
from crime_assets.lakehouse.place.opening import LocalLake, faults
from crime_assets.lakehouse.place.takeover import (
    Document,
    check_whole,
    has_metadata,
    is_in,
    read_metadata,
    taken_over,
    version_of,
)
from crime_assets.lakehouse.place.warehouse import sync

_OLD, _OLD_TABLES = "catalog.db.old", "warehouse.old"


@dataclass(frozen=True)
class Rebuilt:
    """The tables that a catalog was made of; none if the existing one lacks nothing.

    `ignored` are incomplete metadata files, as an interrupted commit leaves them. `set_aside` are tables without all of
    their files, to be computed again.
    """

    tables: tuple[str, ...] = ()
    ignored: tuple[Path, ...] = ()
    set_aside: tuple[str, ...] = ()


def rebuild(lake: LocalLake) -> Rebuilt:
    """Rebuild the catalog from the newest metadata of every table, unless it exists and all tables are there.

    An existing catalog is kept beside the new one, and so are tables without all of their files that can be computed
    again. CrimeAssetsError if there is no table, LakeError if another table or a file of it is missing. Nothing changes
    before all tables have been checked; after an interruption, call it again.
    """
    catalog = lake.home / "catalog.db"
    belonging.check_links(lake.home)
    with lake.writing():
        known = _known(catalog)
        ignored: list[Path] = []
        newest = {table: _newest(table, ignored) for table in sorted(lake.warehouse.glob("*/*"))}
        found = {table: metadata for table, metadata in newest.items() if metadata is not None}
        broken = _broken(found, known or [], lake.warehouse)
        if not broken and not _is_wanting(known, lake.warehouse):
            return Rebuilt()
        check_curated(lake.warehouse, known or [])
        if not found:
            raise CrimeAssetsError(
                f"There is no table in {lake.warehouse} to build a catalog from: restore the lake from a backup, or "
                "load it again with `crime-assets reload`."
            )
        _check_beside(found)
        whole = {table: metadata for table, metadata in found.items() if table not in broken}
        _write(catalog, {table: taken_over(metadata, table) for table, metadata in whole.items()})
        _set_aside(broken, lake.home)
    return Rebuilt(_names(whole), tuple(ignored), _names(broken))


def _broken(found: Mapping[Path, Path], known: Sequence[Row], warehouse: Path) -> list[Path]:
    """Tables that can be computed again and lack a file, or their newest metadata."""
    lacking = {warehouse / row.namespace / row.name for row in known if lacks_newest(warehouse, row)}
    return [
        table
        for table, metadata in found.items()
        if is_computed(table.name) and (table in lacking or not _is_whole(metadata, table))
    ]


def _is_whole(metadata: Path, table: Path) -> bool:
    try:
        check_whole(metadata, table)
    except LakeError:
        return False
    return True


def _set_aside(tables: Iterable[Path], home: Path) -> None:
    """Keep what is left of tables outside of the warehouse, where nothing takes it for a table."""
    for table in tables:
        kept = home / f"{_OLD_TABLES}-{secrets.token_hex(4)}" / table.parent.name / table.name
        kept.parent.mkdir(parents=True)
        table.rename(kept)


def _names(tables: Iterable[Path]) -> tuple[str, ...]:
    return tuple(f"{table.parent.name}.{table.name}" for table in tables)


def _is_wanting(known: list[Row] | None, warehouse: Path) -> bool:
    """Whether a catalog with these tables, None if it cannot be read, lacks or loses any of the lake's."""
    if not known or faults(warehouse, known):
        return True
    own = {(table.parent.name, table.name): table / "metadata" for table in warehouse.glob("*/*")}
    named = {(row.namespace, row.name): row.metadata_location.rpartition("/")[2] for row in known}
    is_lacking = any(
        table not in named or not (metadata / named[table]).exists()
        for table, metadata in own.items()
        if any(version_of(path) > 0 for path in metadata.glob("*.metadata.json"))
    )
    return is_lacking or any(_is_gone(row, warehouse) for row in known)


def _known(catalog: Path) -> list[Row] | None:
    if not catalog_file.is_there(catalog):
        return None
    try:
        return catalog_file.rows(catalog)
    except LakeError:
        return None


def _is_gone(row: Row, warehouse: Path) -> bool:
    """Whether nothing is left of a table of this lake; other lakes may have tables in the same catalog."""
    is_ours = is_in(row.metadata_location, warehouse) or (warehouse / row.namespace).is_dir()
    return is_ours and not has_metadata(warehouse / row.namespace / row.name)


def _check_beside(found: Mapping[Path, Path]) -> None:
    """LakeError if a table is gone that was there when the crimes beside it were last changed."""
    for table, metadata in found.items():
        if table.name == "crimes":
            named = (read_metadata(metadata).get("properties") or {}).get(BESIDE, "")
            for name in filter(None, named.split(",")):
                if table.with_name(name) not in found:
                    raise gone(table.parents[1], [Row(table.parent.name, name, "")])


def _newest(table: Path, ignored: list[Path]) -> Path | None:
    """The newest metadata of a table; None if it has none.

    A table that was dropped and created again left files of both: the one changed last counts. Of its files the
    highest number is the newest, even if the commit that wrote it was interrupted: all its files exist by then.
    """
    documents: dict[Path, Document] = {}
    for path in (table / "metadata").glob("*.metadata.json"):
        try:
            documents[path] = read_metadata(path)
        except LakeError:
            ignored.append(path)

    def changed(path: Path) -> int:
        return int(documents[path].get("last-updated-ms", 0))

    heads = {
        documents[path].get("table-uuid"): path for path in sorted(documents, key=lambda p: (version_of(p), changed(p)))
    }
    return max(heads.values(), key=changed, default=None)


def _write(catalog: Path, tables: dict[Path, str]) -> None:
    """Write a catalog of these tables, which replaces the existing one once it is complete."""
    from pyiceberg.catalog.sql import SqlCatalog

    partial = catalog.with_name(f"{catalog.name}.partial")
    partial.unlink(missing_ok=True)
    made = SqlCatalog(CATALOG, uri=f"sqlite:///{quote(str(partial))}", warehouse=f"file://{catalog.parent}/warehouse")
    for table, location in tables.items():
        made.create_namespace_if_not_exists((table.parent.name,))
        made.register_table((table.parent.name, table.name), location)
    made.close()
    sync(partial)
    if catalog_file.is_there(catalog):
        catalog.replace(catalog.with_name(f"{_OLD}-{secrets.token_hex(4)}"))
    # The old file's journal would be rolled back into the new file.
    for ending in ("journal", "wal", "shm"):
        catalog.with_name(f"{catalog.name}-{ending}").unlink(missing_ok=True)
    partial.replace(catalog)
    sync(catalog.parent)
