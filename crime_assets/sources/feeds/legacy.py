"""The `legacy` feed: the newest whole export of documents out of a legacy database, as an export like any other.

Its files are copied into the cache and checked there. An older export is never read in place of one that is damaged.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Protocol

from crime_assets.core.errors import FeedError, LandingError
from crime_assets.sources.cities import City
from crime_assets.sources.feeds.dynamodb_export import (
    FILES,
    SUMMARY,
    DataFile,
    Key,
    Summary,
    parts_of,
    place,
    read_files,
    read_summary,
)
from crime_assets.sources.feeds.export import ExportFeed
from crime_assets.sources.feeds.export_file import ExportFile
from crime_assets.sources.feeds.exported import ExportedFiles
from crime_assets.sources.feeds.packed import BROKEN, RefusedError, unpacked

_READ_BYTES = 1 << 20
_KEPT = 2
"""Copies of exports: another process may still read the one before."""


class Objects(Protocol):
    """Where exports lie; a landing store is one."""

    def list(self, prefix: str) -> Iterator[Key]:
        """Objects whose key begins with the prefix."""

    def read(self, key: str) -> bytes | None:
        """An object's content; None if there is none."""

    def chunks(self, key: str) -> Iterator[bytes]:
        """An object's content, a bounded piece at a time."""


class LegacyFeed(ExportFeed):
    """Records of the crimes among the documents; what is repeated or lost since the last export tells itself."""

    name = "legacy"

    def __init__(self, city: City, objects: Objects, *, cache: Path, today: date) -> None:
        super().__init__(city, "", cache=cache, today=today)
        self._files = _Copied(city, objects, cache / "legacy")


class _Copied(ExportedFiles):
    """The files of the newest whole export, as they are in the cache."""

    def __init__(self, city: City, objects: Objects, copies: Path) -> None:
        super().__init__(city, place(city.name))
        self._objects = objects
        self._copies = copies

    def current(self) -> list[ExportFile]:
        """The files, opened. FeedError if there is no whole export, or the newest is damaged."""
        summary = self._newest()
        copy = self._copies / summary.export
        if not copy.is_dir():
            self._copy(summary, copy)
        files = [self._current(path) for path in sorted(copy.glob("*.json.gz"))]
        if not files:
            raise FeedError(f"The export {summary.export} of {self.pattern} has no items: load the documents first.")
        return files

    def _newest(self) -> Summary:
        exports = parts_of(self._objects.list(self.pattern), self.pattern)
        whole = [export for export, names in exports.items() if SUMMARY in names]
        if not whole:
            raise FeedError(
                f"There is no whole export below {self.pattern} of the landing store: make one with "
                "`crime-assets legacy export`."
            )
        newest = self._summary(whole[-1])
        if newest.city not in ("", self.city.name):
            raise FeedError(
                f"The export {newest.export} below {self.pattern} is of {newest.city}: it is in another city's place, "
                "so remove it."
            )
        before = self._table_of(whole[-2]) if len(whole) > 1 else newest.table
        if before not in ("", newest.table):
            raise FeedError(
                f"The exports below {self.pattern} are of two tables, {before} and {newest.table}: remove those of the "
                "one that is not the city's."
            )
        return newest

    def _summary(self, export: str) -> Summary:
        key = f"{self.pattern}{export}/{SUMMARY}"
        return read_summary(self._read(key), export, key)

    def _table_of(self, export: str) -> str:
        """Empty if it cannot be told: what is wrong with an export that is not read does not matter."""
        try:
            return self._summary(export).table
        except FeedError:
            return ""

    def _copy(self, summary: Summary, copy: Path) -> None:
        """All files, or none; those without items are left out, for they look like nothing."""
        below = f"{self.pattern}{summary.export}/"
        files = read_files(self._read(below + FILES), below + FILES)
        if sum(file.items for file in files) != summary.items:
            raise FeedError(f"{below}{FILES} does not have all {summary.items} items: export the table again.")
        partial = copy.with_name(f".partial-{secrets.token_hex(4)}")
        partial.mkdir(parents=True)
        try:
            for file in files:
                self._copy_file(file, f"{below}data/{file.name}", partial / file.name)
                if file.items == 0:
                    (partial / file.name).unlink()
            if not copy.is_dir():
                partial.rename(copy)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        self._remove_older(summary.export)

    def _copy_file(self, file: DataFile, key: str, path: Path) -> None:
        digest = hashlib.md5(usedforsecurity=False)
        try:
            with path.open("wb") as target:
                for chunk in self._objects.chunks(key):
                    digest.update(chunk)
                    target.write(chunk)
        except LandingError as error:
            raise FeedError(f"{key} is missing: export the table again.") from error
        if base64.b64encode(digest.digest()).decode() != file.md5:
            raise FeedError(f"{key} is not what its manifest says, or was cut off: export the table again.")
        if (found := _lines(path, key)) != file.items:
            raise FeedError(f"{key} has {found} items, and {file.items} by its manifest: export the table again.")

    def _remove_older(self, newest: str) -> None:
        exports = sorted((path for path in self._copies.iterdir() if not path.name.startswith(".")), key=_changed)
        for path in [path for path in exports if path.name != newest][: 1 - _KEPT]:
            shutil.rmtree(path, ignore_errors=True)

    def _read(self, key: str) -> bytes:
        content = self._objects.read(key)
        if content is None:
            raise FeedError(f"{key} is missing: export the table again.")
        return content


def _lines(path: Path, key: str) -> int:
    lines, last = 0, b"\n"
    try:
        with unpacked(path) as stream:
            while block := stream.read(_READ_BYTES):
                lines, last = lines + block.count(b"\n"), block[-1:]
    except RefusedError as error:
        raise FeedError(f"{key} {error}.") from error
    except BROKEN as error:
        raise FeedError(f"{key} cannot be unpacked to its end: export the table again.") from error
    return lines + (last != b"\n")


def _changed(path: Path) -> float:
    return path.stat().st_mtime
