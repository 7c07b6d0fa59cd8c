"""A lake's directory holds all of the lake: no link leads out of it, and it shares no file with another lake.

A copy made with `cp -a` keeps links. One made with `cp -al` or by many backup tools shares files with its original:
writing to one would change the other.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

from crime_assets.core.errors import LakeError

_PARTS = ("catalog.db", "lake.json", ".lock", "warehouse", "landing", "staging", "cache", "dagster", "legacy")
_NEVER_CHANGED = frozenset({"warehouse", "landing"})
"""Files in these directories are written once and replaced as a whole, so two lakes may share them."""
_DEPTH = {"warehouse": 4, "landing": 3}
"""Levels of directories: city, table, data, month in a warehouse; kind, city, day in a landing store."""


def check_links(home: Path) -> None:
    """LakeError if a part of the lake, or a directory in one, is a link. `home` is a real path, without links."""
    for path in (home / part for part in _PARTS):
        for link in [path] if path.is_symlink() else _links_below(path, _DEPTH.get(path.name, 2)):
            raise LakeError(
                f"{link} of the lake {home} is a link to {os.path.realpath(link)}, which another lake may use too: "
                "replace the link by its target, by moving, copying or mounting."
            )


def _links_below(directory: Path, depth: int) -> Iterator[Path]:
    """Links to directories, down to `depth` levels."""
    try:
        with os.scandir(directory) as entries:
            found = [entry for entry in entries if entry.is_dir()]
    except (FileNotFoundError, NotADirectoryError):
        return
    for entry in found:
        if entry.is_symlink():
            yield Path(entry.path)
        elif depth > 1:
            yield from _links_below(Path(entry.path), depth - 1)


def shares_files(home: Path) -> bool:
    """Whether files that are changed in place are also in another directory."""
    return any(_is_shared(home / name) for name in ("catalog.db", "lake.json", ".lock"))


def own_files(home: Path) -> None:
    """Give the lake its own copy of every such file. To be called by its one writer.

    OSError if one cannot be had: another user, who can write to that file, would take it for the lake's own.
    """

    def unseen(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise error

    for path in _changed_in_place(home, unseen):
        if _is_shared(path):
            partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")
            try:
                shutil.copy2(path, partial)
                partial.replace(path)
            except OSError as error:
                error.filename = str(path)
                raise
            finally:
                partial.unlink(missing_ok=True)


def can_be_changed(home: Path) -> bool:
    """Whether this process can write to the lake's directory, or to a file that is changed in place and shared."""
    shared = (path for path in _changed_in_place(home) if _is_shared(path))
    return os.access(home, os.W_OK) or any(os.access(path, os.W_OK) for path in shared)


def _changed_in_place(home: Path, onerror: Callable[[OSError], None] | None = None) -> Iterator[Path]:
    own = sorted(home.iterdir())
    for directory in own:
        if directory.name not in _NEVER_CHANGED and directory.is_dir():
            walked = os.walk(directory, onerror=onerror)
            yield from (Path(parent, name) for parent, _, names in walked for name in names)
    # Last, because these show whether all is done. The holder of the lock has already made it the lake's own.
    yield from (path for path in own if path.is_file() and path.name != ".lock")


def _is_shared(path: Path) -> bool:
    try:
        found = path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return found.st_nlink > 1
