"""The lake as a place: where it lies, its version, its first change day, its catalog, its one writer."""

from __future__ import annotations

import errno
import json
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import date
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import quote

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError, DiskFull, LakeError, UsageError, chain
from crime_assets.lakehouse.place.catalog_file import CATALOG
from crime_assets.lakehouse.place.commits import committed
from crime_assets.lakehouse.place.lock import writer_lock
from crime_assets.lakehouse.place.opening import has_data, own, settle
from crime_assets.lakehouse.place.refusals import explained, refusal
from crime_assets.lakehouse.place.warehouse import CACHE
from crime_assets.streams import LandingStore
from crime_assets.streams.directory import DirectoryStore

if TYPE_CHECKING:
    from pyiceberg.catalog import Catalog
    from pyiceberg.table import Table

FORMAT = 1
"""Increased when an older release could no longer read what this one writes."""

_CHANGE_COUNTER = 24
"""Where a SQLite file has its change counter, 4 bytes (https://www.sqlite.org/fileformat.html)."""

_PATIENCE_SECONDS = 600.0

_STATE, _STATES = "lake.json", "lake/city="
_CITY = re.compile(rf"{_STATES}(?P<name>[A-Za-z0-9_-]+)[.]json")
_REMEMBERED_SECONDS = 1.0
_Result = TypeVar("_Result")


@dataclass(frozen=True)
class CityState:
    """What was recorded when a city's part of the lake began; it never changes."""

    feed: str
    first_change_day: str
    sample_rows: int
    sample_seed: int


@dataclass(frozen=True)
class Remote:
    """Where a lake on object storage lies. `name` is what a person calls it, `documents` keeps its few small files.

    `catalog` are pyiceberg's properties of its catalog; what pyiceberg finds in its own configuration for a catalog
    called `lake` is in force beside them.
    """

    name: str
    documents: LandingStore
    catalog: Mapping[str, str] = field(repr=False)


class Lake:
    """A lake in the directory `home`, or on object storage, of which `home` keeps copies of what was needed.

    Opening it reads one small file; the catalog is opened when first asked for.
    """

    def __init__(self, home: Path, remote: Remote | None = None) -> None:
        # Tables name their files by whole paths: those that lead through a link could lead elsewhere tomorrow.
        self.home = home.resolve()
        self.landing = self.home / "landing"
        self.staging = self.home / "staging"
        self.warehouse = self.home / "warehouse"
        self.loaded: dict[tuple[str, str], tuple[bytes, Table | None]] = {}
        self._remote = remote
        self.is_refilled = False
        """Set while lost tables are loaded again: only then may a city that had crimes have none."""
        self._is_settled = False
        self._asked = 0
        self._asked_at = float("-inf")
        # Arrow takes what follows these for no part of a path.
        if {"?", "#"} & set(str(self.home)):
            raise UsageError(f"The lake cannot live in {self.home}: set CRIME_HOME to a path without ? and #.")
        if not str(self.home).isprintable():
            raise UsageError(
                f"The lake cannot live in {str(self.home)!r}: set CRIME_HOME to a path without such characters."
            )
        if remote is None:
            own(self)
        self._cities()

    @property
    def cities(self) -> set[str]:
        """The cities whose part was begun."""
        return set(self._cities())

    @property
    def name(self) -> str:
        """Where the lake lies, for a person."""
        return self._remote.name if self._remote else str(self.home)

    @cached_property
    def catalog(self) -> Catalog:
        """The Iceberg catalog: a SQLite file beside the warehouse, or that of the object storage."""
        self.settle()
        self.warehouse.mkdir(parents=True, exist_ok=True)
        # Catalogs take most of a second to import; commands that only show help or status should not wait for it.
        if self._remote is None:
            from pyiceberg.catalog.sql import SqlCatalog

            database = quote(str(self.home / "catalog.db"))
            return SqlCatalog(CATALOG, uri=f"sqlite:///{database}", warehouse=f"file://{self.warehouse}")
        from pyiceberg.catalog import load_catalog

        own = {"py-io-impl": "pyiceberg.io.pyarrow.PyArrowFileIO", CACHE: str(self.warehouse)}
        with explained(self.name):
            catalog = load_catalog(CATALOG, **self._remote.catalog, **own)
        # What a catalog's server says of itself goes before what it is asked for: not in what is this machine's own.
        catalog.properties.update(own)
        commits = partial(committed, catalog, catalog.commit_table)
        for name, step in (("commit_table", commits), ("create_table", catalog.create_table)):
            setattr(catalog, name, self._refreshing(step))
        return catalog

    def _refreshing(self, step: Callable[..., _Result]) -> Callable[..., _Result]:
        def refreshing(*arguments: object, **named: object) -> _Result:
            try:
                return step(*arguments, **named)
            finally:
                self.refresh()

        return refreshing

    def catalog_changes(self) -> bytes:
        """Something that stays the same while no table has changed, as far as is known; empty without a catalog.

        For a SQLite catalog it is the file's own count of changes. Other catalogs do not count: what they said stands
        for a second, unless `refresh` is called, and a commit on what is outdated is refused by them.
        """
        if self._remote is not None:
            if time.monotonic() - self._asked_at > _REMEMBERED_SECONDS:
                self._asked_at = time.monotonic()
                self._asked += 1
            return str(self._asked).encode()
        self.settle()
        try:
            with (self.home / "catalog.db").open("rb") as file:
                file.seek(_CHANGE_COUNTER)
                return file.read(4)
        except FileNotFoundError:
            return b""

    def settle(self) -> None:
        """See, once, that all of a local lake is there and where it says."""
        if self._remote is None and not self._is_settled:
            settle(self, set(self._cities()))
            self._is_settled = True

    def refresh(self) -> None:
        """Forget what a catalog said: something else than `lakehouse.iceberg.tables` has committed to it."""
        self._asked_at = float("-inf")

    def city(self, name: str) -> CityState | None:
        """What was settled for a city; None if nothing of it is in the lake yet. LakeError where that is lost."""
        state = self._cities().get(name)
        if state is None and (self.has_merged(name) or (self._remote is None and has_data(self.warehouse, name))):
            document = self._documents.location(f"{_STATES}{name}.json" if self._remote else _STATE)
            raise LakeError(
                f"The lake {self.name} has change days of {name}, but the record of how it began is gone: restore "
                f"{document} from a backup."
            )
        return state

    def has_pulled(self, city: str) -> bool:
        """Whether change days of a city were pulled."""
        return self._has(keys.manifests_prefix(city))

    def has_lost(self, city: str) -> bool:
        """Whether a city without crimes had some: its days are known as merged, or were until it was to be refilled."""
        return not self.is_refilled and (self.has_merged(city) or self._has(keys.refill(city)))

    def has_merged(self, city: str) -> bool:
        """Whether change days of a city were merged, as the landing store knows it: then there are tables, or were."""
        return self._has(keys.merged_prefix(city))

    def _has(self, prefix: str) -> bool:
        landing = self._remote.documents if self._remote else DirectoryStore(self.landing)
        return next(iter(landing.list(prefix)), None) is not None

    def begin_city(self, name: str, wanted: CityState, *, anew: bool = False) -> CityState:
        """Settle a city's first change day and source. UsageError where simulated and real crimes would be mixed.

        `anew` settles them again, for a lake that nothing has been loaded into.
        """
        with self.writing():
            settled = None if anew else self.city(name)
            if settled is None and self._remote:
                settled = self._begin_apart(name, wanted, anew)
            elif settled is None:
                settled = self._begin_beside_others(name, wanted)
        if "sample" in (settled.feed, wanted.feed) and settled.feed != wanted.feed:
            raise UsageError(
                f"The lake {self.name} was begun with CRIME_FEED={settled.feed}: simulated and real crimes are never "
                f"mixed, so set {self.another_place} for CRIME_FEED={wanted.feed}."
            )
        return settled

    @contextmanager
    def writing(self, wait_seconds: float = _PATIENCE_SECONDS) -> Iterator[None]:
        """Hold the lake's writer lock. LakeBusy after `wait_seconds`; a full disk becomes DiskFull."""
        try:
            self.home.mkdir(parents=True, exist_ok=True)
            with writer_lock(self.home / ".lock", wait_seconds):
                self.refresh()
                yield
        except CrimeAssetsError:
            raise
        except Exception as error:
            # The system, Arrow, DuckDB and SQLite each say it with errors of their own.
            if is_disk_full(error):
                raise DiskFull(
                    f"The disk of {self.home} is full: free some space and run again; nothing was half-written."
                ) from error
            told = refusal(error, self.name) if self._remote else None
            if told is not None:
                raise told from error
            raise

    @property
    def is_remote(self) -> bool:
        """Whether the lake lies on object storage."""
        return self._remote is not None

    @property
    def another_place(self) -> str:
        """What a person sets to begin another lake."""
        return "another CRIME_LAKE and another CRIME_LANDING" if self._remote else "another CRIME_HOME"

    @property
    def _documents(self) -> LandingStore:
        return self._remote.documents if self._remote else DirectoryStore(self.home)

    def _cities(self) -> dict[str, CityState]:
        if self._remote is None:
            return self._read_cities(_STATE)
        # Others may keep things of theirs beside the documents.
        documents = filter(None, (_CITY.fullmatch(found.key) for found in self._documents.list(_STATES)))
        read = {document["name"]: self._read_cities(document[0]) for document in documents}
        return {name: cities[name] for name, cities in read.items() if name in cities}

    def _read_cities(self, key: str) -> dict[str, CityState]:
        try:
            content = self._documents.read(key)
            if content is None:
                return {}
            document = json.loads(content)
            version = int(document["format"])
            if version > FORMAT:
                raise LakeError(
                    f"The lake {self.name} was written by a newer crime-assets (lake format {version}, this one knows "
                    f"{FORMAT}): upgrade crime-assets, or set {self.another_place}."
                )
            self._check_own(document.get("place"))
            cities = {str(name): CityState(**state) for name, state in document["cities"].items()}
            for state in cities.values():
                date.fromisoformat(state.first_change_day)
            return cities
        except OSError as error:
            raise LakeError(f"The lake {self.name} cannot be opened ({error.strerror}): check CRIME_HOME.") from error
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise self._damaged(key) from error

    @property
    def _place(self) -> dict[str, str] | None:
        """What a lake on object storage is known by; one in a directory may be moved."""
        return {"lake": self._remote.name, "landing": self._documents.location("")} if self._remote else None

    def _check_own(self, place: Mapping[str, str] | None) -> None:
        """LakeError if the documents are those of another lake, of which these prefixes may be a copy."""
        if self._remote is not None and place is not None and place != self._place:
            raise LakeError(
                f"What {self._documents.location('')} says is of the lake {place['lake']} with the landing store "
                f"{place['landing']}: set CRIME_LAKE and CRIME_LANDING to these two, or set {self.another_place}."
            )

    def _begin_beside_others(self, name: str, wanted: CityState) -> CityState:
        """One document has all cities, for one machine writes it under its lock."""
        self._documents.write(_STATE, _document({**self._cities(), name: wanted}))
        return wanted

    def _begin_apart(self, name: str, wanted: CityState, anew: bool) -> CityState:
        """Machines share no lock: each city has a document of its own, and the first that writes it settles it."""
        key = f"{_STATES}{name}.json"
        if anew:
            self._documents.write(key, _document({name: wanted}, self._place))
            return wanted
        if self._documents.write_new(key, _document({name: wanted}, self._place)):
            return wanted
        settled = self.city(name)
        if settled is None:
            raise self._damaged(key)
        return settled

    def _damaged(self, key: str) -> LakeError:
        return LakeError(
            f"{self._documents.location(key)} of the lake {self.name} is damaged: restore it from a backup, or set "
            f"{self.another_place}."
        )


def _document(cities: Mapping[str, CityState], place: Mapping[str, str] | None = None) -> bytes:
    document: dict[str, object] = {"format": FORMAT, "cities": {name: asdict(state) for name, state in cities.items()}}
    if place is not None:
        document["place"] = place
    return json.dumps(document, indent=1).encode()


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
