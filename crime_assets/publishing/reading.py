"""Extracts as those who show them read them: found in the landing store, copied to this machine, opened read-only."""

from __future__ import annotations

import threading
import time
from collections.abc import Mapping
from datetime import date
from functools import lru_cache
from pathlib import Path
from secrets import token_hex

import duckdb
import pyarrow as pa

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.publishing.extract import ABOUT, About
from crime_assets.streams import LandingStore

_OPEN = 4
"""Extracts held open: that of the day people look at, and a few that they compare it with."""
_LOOK_EVERY_SECONDS = 2.0


class Extract:
    """One extract, open. Several threads may ask it at once."""

    def __init__(self, path: Path) -> None:
        self._connection = duckdb.connect(str(path), read_only=True)
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")
        (row,) = self.ask(f"SELECT * FROM {ABOUT}", {}).to_pylist()  # noqa: S608 - a name of our own
        self.about = About(**row)

    def ask(self, sql: str, parameters: Mapping[str, object]) -> pa.Table:
        """The answer to a statement of ours; `parameters` are those it names with a $."""
        return self._connection.cursor().sql(sql, params=dict(parameters)).to_arrow_table()

    def tables(self) -> frozenset[str]:
        """The names of its tables."""
        found = self.ask("SELECT table_name FROM duckdb_tables()", {}).column("table_name").to_pylist()
        return frozenset(found)


class Extracts:
    """All extracts of a landing store; `cache` is a directory of this machine's for copies of them."""

    def __init__(self, landing: LandingStore, cache: Path) -> None:
        self._landing = landing
        self._cache = cache
        self._lock = threading.Lock()
        self._seen: tuple[float, dict[str, dict[date, str]]] = (float("-inf"), {})
        self._opened = lru_cache(maxsize=_OPEN)(self._open)

    def cities(self) -> list[str]:
        """Names of the cities that there are extracts of."""
        return sorted(self._look())

    def days(self, city: str) -> list[date]:
        """The as-of days of a city, newest first."""
        return sorted(self._look().get(city, {}), reverse=True)

    def of(self, city: str, day: date) -> Extract:
        """The extract of a day. CrimeAssetsError where there is none."""
        etag = self._look().get(city, {}).get(day)
        if etag is None:
            raise CrimeAssetsError(f"There is no extract of {city} for {day}: choose a day from the list.")
        with self._lock:
            return self._opened(keys.extract(city, day), etag)

    def _look(self) -> dict[str, dict[date, str]]:
        """City → day → etag, as it was a moment ago."""
        looked, found = self._seen
        if time.monotonic() - looked > _LOOK_EVERY_SECONDS:
            found = {}
            for item in self._landing.list(keys.EXTRACTS):
                city, day = keys.extract_city(item.key), keys.extract_day(item.key)
                if city is not None and day is not None:
                    found.setdefault(city, {})[day] = item.etag
            self._seen = (time.monotonic(), found)
        return found

    def _open(self, key: str, _: str) -> Extract:
        content = self._landing.read(key)
        if content is None:
            raise CrimeAssetsError("That day's extract has just been removed: choose another day.")
        self._cache.mkdir(parents=True, exist_ok=True)
        path = self._cache / f"{token_hex(8)}.duckdb"
        path.write_bytes(content)
        try:
            return Extract(path)
        finally:
            # What is open stays readable, and a copy that nobody knows of would stay for good.
            path.unlink()
