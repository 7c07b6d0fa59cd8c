"""Where the files of tables are, and how they get to this machine: DuckDB reads and writes local files.

A warehouse in a directory is used as it is. For one on object storage, this machine keeps a copy of every file that
it has needed, at a path that mirrors the file's location: data files never change once written, so a copy stays
valid. Code that has a table can reach its files, through the table's own file system and the property CACHE.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from crime_assets.core.errors import LakeError

if TYPE_CHECKING:
    from pyiceberg.io.pyarrow import PyArrowFileIO
    from pyiceberg.manifest import DataFile
    from pyiceberg.table import Table

CACHE = "crime-assets.cache"
"""Property of a catalog on object storage: the directory of copies."""

_NO_NAMES = frozenset(("", ".", ".."))
"""Parts of a key that are names in S3 but not for Arrow and file systems, where they would lead to another file."""
_AT_ONCE = 8
_CHUNK = 4 << 20

_One = TypeVar("_One")


@dataclass(frozen=True)
class StoredFile:
    """A file of a warehouse: its location, bytes, and when it was last changed, in seconds since 1970."""

    location: str
    size: int
    changed: float


def path_of(table: Table, location: str) -> Path:
    """The path of a table's file on this machine, whether it is there or not. LakeError if it is outside the table."""
    local = is_local(table)
    scheme, _, rest = ("file", "", local_path(location)[1:]) if local else location.partition("://")
    own = local_path(table.location())[1:] if local else table.location().partition("://")[2]
    parts = rest.removesuffix("/").split("/")
    is_below = f"{rest}/".startswith(f"{own.removesuffix('/')}/")
    if not is_below or not (local or scheme == _scheme(table)) or not _NO_NAMES.isdisjoint(parts):
        raise LakeError(
            f"{'.'.join(table.name())} names a file outside its warehouse, or not by a plain path ({location}): "
            "restore the table."
        )
    return Path("/", rest) if local else _cache(table).joinpath(*parts)


def location_of(table: Table, path: Path) -> str:
    """The location of the file that `path_of` puts at `path`."""
    if is_local(table):
        return f"file://{path}"
    return f"{_scheme(table)}://{path.relative_to(_cache(table)).as_posix()}"


def local_path(location: str) -> str:
    """The path of a location in a directory: file:///lake, file:/lake or /lake."""
    return "/" + location.removeprefix("file:").lstrip("/")


def is_local(table: Table) -> bool:
    """Whether the table is in a directory of this machine."""
    return CACHE not in table.catalog.properties


def fetch(table: Table, files: Iterable[DataFile]) -> list[str]:
    """Get data files of the table onto this machine; returns their paths, in the same order.

    LakeError if one does not have the length that its manifest says.
    """
    wanted = [(file, path_of(table, file.file_path)) for file in files]
    if not is_local(table):
        # After a power failure there may be a truncated copy.
        missing = [(file, path) for file, path in wanted if _size(path) != file.file_size_in_bytes]
        _all(lambda one: _download(table, *one), missing)
    return [str(path) for _, path in wanted]


def publish(table: Table, paths: Iterable[Path]) -> None:
    """Make new files durable, on disk or on the object storage, before a snapshot names them."""
    _all(sync if is_local(table) else lambda path: _upload(table, path), paths)


def sync(path: Path) -> None:
    """Flush a file from memory to disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove(table: Table, locations: Iterable[str]) -> None:
    """Remove files of the table, from this machine and from the storage."""
    for location in locations:
        path_of(table, location).unlink(missing_ok=True)
        if not is_local(table):
            try:
                _io(table).delete(location)
            except FileNotFoundError:
                continue


def stored_files(table: Table) -> Iterator[StoredFile]:
    """All files under the table's location that a table can have."""
    if is_local(table):
        for path, found in files_below(path_of(table, table.location())):
            yield StoredFile(str(path), found.st_size, found.st_mtime)
        return
    from pyarrow.fs import FileSelector, FileType

    scheme, root = table.location().rstrip("/").split("://", 1)
    system = _io(table).fs_by_scheme(scheme, root.partition("/")[0])
    for found in system.get_file_info(FileSelector(root, allow_not_found=True, recursive=True)):
        if found.type == FileType.File and _NO_NAMES.isdisjoint(found.path.split("/")):
            yield StoredFile(f"{scheme}://{found.path}", found.size, found.mtime.timestamp())


def files_below(directory: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """All files in a directory and its subdirectories, with their stat results; none if it does not exist."""
    for parent, _, names in os.walk(directory):
        for name in names:
            try:
                yield Path(parent, name), Path(parent, name).lstat()
            except FileNotFoundError:
                # A reader removes its spill files when it ends.
                continue


def _cache(table: Table) -> Path:
    # Not from the properties of `table.io`: there, a table's own properties override the catalog's.
    return Path(table.catalog.properties[CACHE])


def _io(table: Table) -> PyArrowFileIO:
    from pyiceberg.io.pyarrow import PyArrowFileIO

    assert isinstance(table.io, PyArrowFileIO)  # noqa: S101 - the catalog's properties ask for it
    return table.io


def _scheme(table: Table) -> str:
    return table.location().partition("://")[0]


def _all(step: Callable[[_One], None], things: Iterable[_One]) -> None:
    """Do the step for each, several at a time: it mostly waits for the disk or the network."""
    with ThreadPoolExecutor(_AT_ONCE) as workers:
        for _ in workers.map(step, things):
            pass


def _size(path: Path) -> int | None:
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return None


def _download(table: Table, file: DataFile, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")
    try:
        with table.io.new_input(file.file_path).open() as source, partial.open("wb") as target:
            shutil.copyfileobj(source, target, _CHUNK)
        if _size(partial) != file.file_size_in_bytes:
            raise LakeError(
                f"The data file {file.file_path} no longer has its original length: restore it, then run again."
            )
        partial.replace(path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise


def _upload(table: Table, path: Path) -> None:
    with path.open("rb") as source, table.io.new_output(location_of(table, path)).create(overwrite=True) as target:
        shutil.copyfileobj(source, target, _CHUNK)
