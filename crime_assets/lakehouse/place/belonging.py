"""A lake's directory has all of it: no link leads out of it, and no file in it is another lake's too.

A copy made with `cp -a` keeps links, one made with `cp -al` or by many backup tools shares files with what it was made
from: whoever writes to the one would change the other.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from crime_assets.core.errors import LakeError

_PARTS = ("catalog.db", "lake.json", ".lock", "warehouse", "landing", "staging", "cache", "dagster")
_NEVER_CHANGED = frozenset({"warehouse", "landing"})
"""Files in these are written once and replaced as a whole: two lakes may share them."""


def check_links(home: Path, within: Iterator[Path] | tuple[Path, ...] = ()) -> None:
    """LakeError if a part of the lake, or one of the paths `within` it, is a link to something else.

    `home` is a real path, without links.
    """
    for path in (*(home / part for part in _PARTS), *within):
        real = os.path.realpath(path)
        if real != str(path):
            raise LakeError(
                f"{path} of the lake {home} is a link to {real}, which another lake may use too: put what it leads to "
                "in its place, by moving, copying or mounting."
            )


def shares_files(home: Path) -> bool:
    """Whether files that are changed in place are another directory's too."""
    return any(_is_shared(home / name) for name in ("catalog.db", "lake.json", ".lock"))


def own_files(home: Path) -> None:
    """Give the lake a copy of its own of every such file. To be called by its one writer."""
    for path in _changed_in_place(home):
        if _is_shared(path):
            partial = path.with_name(f"{path.name}.partial-{secrets.token_hex(4)}")
            try:
                shutil.copy2(path, partial)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)


def _changed_in_place(home: Path) -> Iterator[Path]:
    lock = home / ".lock"  # Whoever holds it has seen to it that it is the lake's own.
    for parent, directories, names in os.walk(home):
        if Path(parent) == home:
            directories[:] = [name for name in directories if name not in _NEVER_CHANGED]
        yield from (path for name in names if (path := Path(parent, name)) != lock)


def _is_shared(path: Path) -> bool:
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return found.st_nlink > 1
