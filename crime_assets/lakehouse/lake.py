"""The lake as a place: its directory, its version, its first change day, its catalog, its one writer."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from crime_assets.core.errors import CrimeAssetsError, DiskFull, LakeError, UsageError, chain
from crime_assets.lakehouse.lock import writer_lock

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog
    from pyiceberg.table import Table

FORMAT = 1
"""Raised when an older release could no longer read what this one writes."""

_CHANGE_COUNTER = 24
"""Where a SQLite file has its change counter, 4 bytes (https://www.sqlite.org/fileformat.html)."""

_PATIENCE_SECONDS = 600.0


@dataclass(frozen=True)
class CityState:
    """What was settled when a city's part of the lake began; it never changes afterwards."""

    feed: str
    first_change_day: str
    sample_rows: int
    sample_seed: int


class Lake:
    """A lake in a local directory. Opening it reads one small file; the catalog is opened when first asked for."""

    def __init__(self, home: Path) -> None:
        self.home = home.absolute()
        self.landing = self.home / "landing"
        self.staging = self.home / "staging"
        self.loaded: dict[tuple[str, str], tuple[bytes, Table | None]] = {}
        self._state = self.home / "lake.json"
        # Arrow takes what follows these for no part of a path.
        if {"?", "#"} & set(str(self.home)):
            raise UsageError(f"The lake cannot live in {self.home}: set CRIME_HOME to a path without ? and #.")
        self._cities()

    @cached_property
    def catalog(self) -> SqlCatalog:
        """The Iceberg catalog, a SQLite file beside the warehouse."""
        # Takes most of a second to import; commands that only show help or status should not wait for it.
        from pyiceberg.catalog.sql import SqlCatalog

        warehouse = self.home / "warehouse"
        warehouse.mkdir(parents=True, exist_ok=True)
        database = quote(str(self.home / "catalog.db"))
        return SqlCatalog("lake", uri=f"sqlite:///{database}", warehouse=f"file://{warehouse}")

    def catalog_changes(self) -> bytes:
        """SQLite's own count of changes to the catalog: while it stays, no table has changed. Empty without one."""
        try:
            with (self.home / "catalog.db").open("rb") as file:
                file.seek(_CHANGE_COUNTER)
                return file.read(4)
        except FileNotFoundError:
            return b""

    def city(self, name: str) -> CityState | None:
        """What was settled for a city; None if nothing of it is in the lake yet."""
        return self._cities().get(name)

    def begin_city(self, name: str, wanted: CityState, *, anew: bool = False) -> CityState:
        """Settle a city's first change day and source. UsageError where simulated and real crimes would be mixed.

        `anew` settles them again, for a lake that nothing has been loaded into.
        """
        with self.writing():
            cities = self._cities()
            settled = cities.get(name)
            if settled is None or anew:
                self._write_cities({**cities, name: wanted})
                return wanted
        if "sample" in (settled.feed, wanted.feed) and settled.feed != wanted.feed:
            raise UsageError(
                f"The lake {self.home} was begun with CRIME_FEED={settled.feed}: simulated and real crimes are never "
                f"mixed, so set another CRIME_HOME for CRIME_FEED={wanted.feed}."
            )
        return settled

    @contextmanager
    def writing(self, wait_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """Be the lake's one writer. LakeBusy after `wait_seconds`; a full disk becomes DiskFull."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with writer_lock(self.home / ".lock", wait_seconds):
                yield
        except CrimeAssetsError:
            raise
        except Exception as error:
            # The system, Arrow, DuckDB and SQLite each say it with errors of their own.
            if is_disk_full(error):
                raise DiskFull(
                    f"The disk of {self.home} is full: free some space and run again; nothing was half-written."
                ) from error
            raise

    def _cities(self) -> dict[str, CityState]:
        try:
            document = json.loads(self._state.read_text())
            version = int(document["format"])
            if version > FORMAT:
                raise LakeError(
                    f"The lake {self.home} was written by a newer crime-assets (lake format {version}, this one knows "
                    f"{FORMAT}): upgrade crime-assets, or set another CRIME_HOME."
                )
            cities = {str(name): CityState(**state) for name, state in document["cities"].items()}
            for state in cities.values():
                date.fromisoformat(state.first_change_day)
            return cities
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise LakeError(f"The lake {self.home} cannot be opened ({error.strerror}): check CRIME_HOME.") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise LakeError(
                f"{self._state} is damaged: restore it from a backup, or set another CRIME_HOME."
            ) from error

    def _write_cities(self, cities: Mapping[str, CityState]) -> None:
        document = {"format": FORMAT, "cities": {name: asdict(state) for name, state in cities.items()}}
        partial = self._state.with_suffix(".partial")
        with partial.open("w") as file:
            json.dump(document, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(self._state)


def is_disk_full(error: BaseException) -> bool:
    """Whether an error of ours, the system's, DuckDB's or SQLite's comes down to a disk without space."""
    full = ("no space left on device", "database or disk is full", "disk quota exceeded")
    return any(
        (isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT))
        # Where the file that goes with SQLite's write-ahead log cannot grow, it speaks of an I/O error.
        or getattr(cause, "sqlite_errorname", None) == "SQLITE_IOERR_SHMSIZE"
        or any(words in str(cause).lower() for words in full)
        for cause in chain(error)
    )
