"""Reading extracts in order to show them: found in the landing store, copied to this machine, opened read-only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from datetime import date
from pathlib import Path
from typing import Generic, Protocol, TypeVar

import duckdb
import pyarrow as pa

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.publishing.database_files import copied, opened
from crime_assets.publishing.extract import ABOUT, FORMAT, About
from crime_assets.sources import cities
from crime_assets.streams import LandingStore

_OPEN = 4
"""Extracts kept open: that of the day people look at, and a few that they compare it with."""
_LOOK_EVERY_SECONDS = 2.0

_Found = TypeVar("_Found")


def lately(look: Callable[[], _Found]) -> Callable[[], _Found]:
    """`look`, cached for a few seconds: listing a store takes time."""
    last: list[tuple[float, _Found]] = []

    def found() -> _Found:
        if not last or time.monotonic() - last[0][0] > _LOOK_EVERY_SECONDS:
            last[:] = [(time.monotonic(), look())]
        return last[0][1]

    return found


class Extract:
    """One open extract. Several threads may query it at once. CrimeAssetsError if the file is not what it should be.

    `name` says which it is, as in "chicago for 2018-11-19".
    """

    def __init__(self, path: Path, name: str) -> None:
        self._name = name
        try:
            self._connection = opened(path)
        except duckdb.Error as error:
            raise self._unusable("is damaged") from error
        self.about = self._about()

    def ask(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """The answer to one of our statements; `parameters` are those that it names with a $."""
        try:
            return self._connection.cursor().sql(sql, params=dict(parameters)).to_arrow_table()
        except duckdb.Error as error:
            raise self._unusable("is damaged or of another release") from error

    def tables(self) -> frozenset[str]:
        """The names of its tables."""
        found = self.ask("SELECT table_name FROM duckdb_tables()", {}).column("table_name").to_pylist()
        return frozenset(found)

    def _about(self) -> About:
        rows = self.ask(f"FROM {ABOUT}", {}).to_pylist()
        if len(rows) != 1 or rows[0].get("format") != FORMAT:
            raise self._unusable("is of another release")
        try:
            return About(**rows[0])
        except TypeError as error:
            raise self._unusable("is damaged") from error

    def _unusable(self, what: str) -> CrimeAssetsError:
        return CrimeAssetsError(
            f"The extract of {self._name} {what}: materialize dashboard_extract for that day again."
        )


class Shelf(Protocol):
    """Where extracts are found. CrimeAssetsError where there is none, or none that can be read."""

    def cities(self) -> list[str]:
        """Names of the cities with extracts."""

    def days(self, city: str) -> list[date]:
        """The as-of days of a city, newest first."""

    def of(self, city: str, day: date) -> Extract:
        """The extract of a day."""


class Kept(Generic[_Found]):
    """Files of cities and days that are kept open, a few of them: those asked for last. Threads may ask at once."""

    def __init__(self, read: Callable[[str, date], _Found]) -> None:
        self._read = read
        self._lock = threading.Lock()
        self._open: dict[tuple[str, date], tuple[str, _Found]] = {}
        """The one asked for last at the end: city and day → etag and file."""

    def of(self, city: str, day: date, etag: str) -> _Found:
        """The file of a day, as `etag` names its content."""
        with self._lock:
            held = self._open.pop((city, day), None)
            # One that was made again takes the place of the old one, which is closed when its last reader is done.
            found = held if held is not None and held[0] == etag else (etag, self._read(city, day))
            self._open[city, day] = found
            if len(self._open) > _OPEN:
                del self._open[next(iter(self._open))]
            return found[1]


def etags_by_day(
    landing: LandingStore, prefix: str, city_of: Callable[[str], str | None], day_of: Callable[[str], date | None]
) -> dict[str, dict[date, str]]:
    """City → day → etag of the objects below a prefix. Folders of unknown cities are not ours."""
    found: dict[str, dict[date, str]] = {}
    known = cities.names()
    for item in landing.list(prefix):
        city, day = city_of(item.key), day_of(item.key)
        if city in known and city is not None and day is not None:
            found.setdefault(city, {})[day] = item.etag
    return found


class Extracts:
    """All extracts in a landing store; `cache` is a directory on this machine for copies of them."""

    def __init__(self, landing: LandingStore, cache: Path) -> None:
        self._landing = landing
        self._cache = cache
        self._seen = lately(self._look)
        self._kept = Kept(self._read)

    def cities(self) -> list[str]:
        """Names of the cities with extracts."""
        return sorted(self._seen())

    def days(self, city: str) -> list[date]:
        """The as-of days of a city, newest first. CrimeAssetsError if there are none (they may just have gone)."""
        found = self._seen().get(city)
        if not found:
            raise CrimeAssetsError(f"There is no extract of {city}: materialize dashboard_extract for a day first.")
        return sorted(found, reverse=True)

    def of(self, city: str, day: date) -> Extract:
        """The extract of a day. CrimeAssetsError if there is none, or none that can be read."""
        etag = self._seen().get(city, {}).get(day)
        if etag is None:
            raise CrimeAssetsError(f"There is no extract of {city} for {day}: choose a day from the list.")
        return self._kept.of(city, day, etag)

    def _look(self) -> dict[str, dict[date, str]]:
        return etags_by_day(self._landing, keys.EXTRACTS, keys.extract_city, keys.extract_day)

    def _read(self, city: str, day: date) -> Extract:
        content = self._landing.read(keys.extract(city, day))
        if content is None:
            raise CrimeAssetsError(f"The extract of {city} for {day} has just been removed: choose another day.")
        with copied(self._cache, content) as path:
            return Extract(path, f"{city} for {day}")
