"""Tables that a lake lost while the crimes of their city are there: which they are, and what a person can do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from crime_assets.core.errors import LakeError
from crime_assets.lakehouse.place.catalog_file import REBUILD, Row, is_computed
from crime_assets.lakehouse.place.takeover import has_metadata, version_of

_AGAIN = f"run `{REBUILD}`, then run the change days whose rows you need"


def check_tables(warehouse: Path, known: Sequence[Row]) -> None:
    """LakeError if a table of this catalog is gone, or the present metadata of one that can be computed again."""
    rows = _beside_crimes(warehouse, known)
    if lost := [row for row in rows if not is_computed(row.name) and not _has_metadata(warehouse, row)]:
        raise gone(warehouse, lost)
    if lost := [row for row in rows if is_computed(row.name) and not present_metadata(warehouse, row).exists()]:
        raise LakeError(f"The present metadata of {_names(lost)} of the lake {warehouse.parent} is gone: {_AGAIN}.")


def check_curated(warehouse: Path, known: Sequence[Row]) -> None:
    """LakeError if a table that cannot be computed again is gone, or has only metadata from before its last changes."""
    rows = [row for row in _beside_crimes(warehouse, known) if not is_computed(row.name)]
    if lost := [row for row in rows if not _has_metadata(warehouse, row)]:
        raise gone(warehouse, lost)
    for row in rows:
        if lacks_newest(warehouse, row):
            raise LakeError(
                f"{present_metadata(warehouse, row)} is missing, and what is left of {row.name} is older: restore it, "
                "then run again."
            )


def lacks_newest(warehouse: Path, row: Row) -> bool:
    """Whether the metadata that a catalog names is missing, and all that is left of the table is older."""
    present = present_metadata(warehouse, row)
    left = map(version_of, present.parent.glob("*.metadata.json"))
    return not present.exists() and version_of(present) > max(left, default=-1)


def _beside_crimes(warehouse: Path, known: Sequence[Row]) -> list[Row]:
    return [row for row in known if has_metadata(warehouse / row.namespace / "crimes")]


def _has_metadata(warehouse: Path, row: Row) -> bool:
    return has_metadata(warehouse / row.namespace / row.name)


def gone(warehouse: Path, lost: Iterable[Row]) -> LakeError:
    """The error for tables that only a backup can bring back."""
    return LakeError(
        f"The table {_names(lost)} is gone from the lake {warehouse.parent}: restore it from a backup, then run again."
    )


def lacking_files(table: str, path: object) -> LakeError:
    """The error for a table that lacks a file, or a directory of files."""
    helps = _AGAIN if is_computed(table.rpartition(".")[2]) else "restore it, then run again"
    return LakeError(f"{path} is missing, but {table} needs it: {helps}.")


def present_metadata(warehouse: Path, row: Row) -> Path:
    """Where the metadata is that a catalog names, in this lake."""
    return warehouse / row.namespace / row.name / "metadata" / row.metadata_location.rpartition("/")[2]


def _names(rows: Iterable[Row]) -> str:
    return ", ".join(f"{row.namespace}.{row.name}" for row in rows)
