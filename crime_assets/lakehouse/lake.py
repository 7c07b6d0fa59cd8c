"""The lake as a place: its directory, its version, its first change day, its catalog, its one writer."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from crime_assets.core.errors import DiskFull, LakeError, UsageError, chain
from crime_assets.lakehouse.lock import writer_lock

if TYPE_CHECKING:
    from pyiceberg.catalog.sql import SqlCatalog

FORMAT = 1
"""Raised when an older release could no longer read what this one writes."""

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
        self._state = self.home / "lake.json"
        self._check_version()

    @cached_property
    def catalog(self) -> SqlCatalog:
        """The Iceberg catalog, a SQLite file beside the warehouse."""
        # Takes most of a second to import; commands that only show help or status should not wait for it.
        from pyiceberg.catalog.sql import SqlCatalog

        warehouse = self.home / "warehouse"
        warehouse.mkdir(parents=True, exist_ok=True)
        return SqlCatalog("lake", uri=f"sqlite:///{self.home / 'catalog.db'}", warehouse=f"file://{warehouse}")

    def city(self, name: str) -> CityState | None:
        """What was settled for a city; None if nothing of it is in the lake yet."""
        state = self._read_state()["cities"].get(name)
        return None if state is None else CityState(**state)

    def begin_city(self, name: str, wanted: CityState) -> CityState:
        """Settle a city's first change day and source, once. UsageError where a settled lake would be mixed up."""
        with self.writing():
            settled = self.city(name)
            if settled is None:
                document = self._read_state()
                document["cities"][name] = asdict(wanted)
                self._write_state(document)
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
        except (OSError, duckdb.Error) as error:
            if is_disk_full(error):
                raise DiskFull(
                    f"The disk of {self.home} is full: free some space and run again; nothing was half-written."
                ) from error
            raise

    def _check_version(self) -> None:
        version = self._read_state()["format"]
        if version > FORMAT:
            raise LakeError(
                f"The lake {self.home} was written by a newer crime-assets (lake format {version}, this one knows "
                f"{FORMAT}): upgrade crime-assets, or set another CRIME_HOME."
            )

    def _read_state(self) -> dict[str, dict[str, dict[str, str | int]] | int]:
        try:
            document = json.loads(self._state.read_text())
            if isinstance(document["format"], int) and isinstance(document["cities"], dict):
                return document
        except FileNotFoundError:
            return {"format": FORMAT, "cities": {}}
        except (ValueError, KeyError, TypeError):
            pass
        except OSError as error:
            raise LakeError(f"The lake {self.home} cannot be opened ({error.strerror}): check CRIME_HOME.") from error
        raise LakeError(f"{self._state} is damaged: restore it from a backup, or set another CRIME_HOME.")

    def _write_state(self, document: object) -> None:
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
        or any(words in str(cause).lower() for words in full)
        for cause in chain(error)
    )
