"""The file of a day's forecasts that pages read: written from the lake, found in the landing store, opened read-only.

One file, so that a reader has either the whole old one or the whole new one. Small numbers are in it: they are hidden
when something is shown, not here.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
from h3.api import basic_str as h3

from crime_assets.core import keys
from crime_assets.core.errors import CrimeAssetsError
from crime_assets.lakehouse.writing.forecasts import PLACES, SAID, read
from crime_assets.lakehouse.writing.forecasts import days as days_said
from crime_assets.lakehouse.writing.history import history_before
from crime_assets.profiles import Profile
from crime_assets.publishing.database_files import copied, opened, packed
from crime_assets.publishing.forecast_hiding import as_shown
from crime_assets.publishing.forecast_tables import TABLES, tables_of
from crime_assets.publishing.reading import Kept, etags_by_day, lately
from crime_assets.streams import LandingStore

FORMAT = 1
"""Increased when columns of the tables or fields of `About` change: older files are made again at the next forecast."""
KEPT_DAYS = 13
"""Number of as-of days, the newest ones, whose files are kept: a quarter of weekly forecasts."""

_ABOUT = "about"


@dataclass(frozen=True)
class About:
    """What a file is about: `cells` and `km2` are of the study area, whose digest is `area_id`.

    `has_boundaries`: the city's boundaries were kept when the study area was made. `first_published` is the first
    as-of day that was ever said, `first_change_day` the lake's: windows of earlier days are replayed.
    """

    format: int
    city: str
    title: str
    as_of_day: date
    area_id: str
    cells: int
    km2: float
    has_boundaries: bool
    first_published: date
    first_change_day: date


class ForecastFile:
    """What one file says. Several threads may ask it at once. CrimeAssetsError if the file is not what it should be.

    `name` says which it is, as in "chicago as of 2018-11-18".
    """

    def __init__(self, path: Path, name: str) -> None:
        try:
            with opened(path) as connection:
                self.about = _about(connection, name)
                self._tables = {table: _table(connection, table) for table in TABLES}
        except duckdb.Error as error:
            raise _unusable(name, "are damaged") from error
        self._lock = threading.Lock()
        self._shown: dict[int, Mapping[str, pa.Table]] = {}

    def tables(self, threshold: int) -> Mapping[str, pa.Table]:
        """The tables by name, as anyone may see them: counts below `threshold` are hidden, and what would tell them.

        `areas`, `exposure`, `cells` and `scores` have a column `hidden`: the names of the columns that are NULL for
        that reason. `expected` of a cell is among them where a count is published that is small there.
        """
        with self._lock:
            if threshold not in self._shown:
                self._shown[threshold] = as_shown(self._tables, threshold)
            return self._shown[threshold]


class Forecasts:
    """All files of forecasts in a landing store; `cache` is a directory on this machine for copies of them."""

    def __init__(self, landing: LandingStore, cache: Path) -> None:
        self._landing = landing
        self._cache = cache
        self._seen = lately(self._look)
        self._kept = Kept(self._read)

    def days(self, city: str) -> list[date]:
        """The as-of days of a city, newest first; none if nothing was forecast."""
        return sorted(self._seen().get(city, {}), reverse=True)

    def of(self, city: str, day: date) -> ForecastFile:
        """The file of a day. CrimeAssetsError if there is none, or none that can be read."""
        etag = self._seen().get(city, {}).get(day)
        if etag is None:
            raise CrimeAssetsError(f"There are no forecasts of {city} as of {day}: choose a day from the list.")
        return self._kept.of(city, day, etag)

    def _look(self) -> dict[str, dict[date, str]]:
        return etags_by_day(self._landing, keys.FORECASTS, keys.forecast_city, keys.forecast_day)

    def _read(self, city: str, day: date) -> ForecastFile:
        content = self._landing.read(keys.forecast(city, day))
        if content is None:
            raise CrimeAssetsError(f"The forecasts of {city} as of {day} have just been removed: choose another day.")
        with copied(self._cache, content) as path:
            return ForecastFile(path, f"{city} as of {day}")


def days_to_write(profile: Profile, asked: date) -> list[date]:
    """The day asked for, and those whose files no one can read, such as those of another release; in order."""
    landing, city = profile.landing, profile.city
    shelf = Forecasts(landing, profile.lake.staging / "forecasts")

    def is_read(day: date) -> bool:
        try:
            shelf.of(city.name, day)
        except CrimeAssetsError:
            return False
        return True

    others = days_said(profile.lake, city).intersection(shelf.days(city.name)) - {asked}
    return sorted({asked, *(day for day in others if not is_read(day))})


def write(profile: Profile, day: date) -> dict[str, int]:
    """Make the file of an as-of day from the lake, replacing an earlier one; returns rows by table.

    Files older than the newest KEPT_DAYS are removed. CrimeAssetsError if nothing was forecast as of that day.
    """
    lake, city, landing = profile.lake, profile.city, profile.landing
    said = days_said(lake, city)
    if day not in said:
        raise CrimeAssetsError(f"Nothing was forecast as of {day}: materialize forecast_totals for that Sunday first.")
    tables = tables_of(lake, city, day)
    cells = read(lake, city, SAID[0], [day], ["cell"])["cell"].unique().to_pylist()
    about = About(
        format=FORMAT,
        city=city.name,
        title=city.title,
        as_of_day=day,
        area_id=tables["totals"]["area_id"][0].as_py(),
        cells=len(cells),
        km2=round(sum(h3.cell_area(cell, "km^2") for cell in cells), 1),
        has_boundaries=bool(pc.any(read(lake, city, PLACES)["is_inside"]).as_py()),
        first_published=min(said),
        # A lake without a history knows nothing that is older than its first forecast.
        first_change_day=history_before(lake, city) or min(said),
    )
    content = packed(lake.staging, {**tables, _ABOUT: pa.Table.from_pylist([asdict(about)])})
    landing.write(keys.forecast(city.name, day), content)
    for old in _kept(landing, city.name)[KEPT_DAYS:]:
        landing.delete(keys.forecast(city.name, old))
    return {name: rows.num_rows for name, rows in tables.items()}


def _kept(landing: LandingStore, city: str) -> list[date]:
    """The as-of days with files, newest first."""
    found = (keys.forecast_day(item.key) for item in landing.list(keys.forecasts_prefix(city)))
    return sorted((day for day in found if day is not None), reverse=True)


def _about(connection: duckdb.DuckDBPyConnection, name: str) -> About:
    rows = connection.sql(f"FROM {_ABOUT}").to_arrow_table().to_pylist()
    if len(rows) != 1 or rows[0].get("format") != FORMAT:
        raise _unusable(name, "are of another release")
    try:
        return About(**rows[0])
    except TypeError as error:
        raise _unusable(name, "are damaged") from error


def _table(connection: duckdb.DuckDBPyConnection, name: str) -> pa.Table:
    """A table of the file; moments in UTC, whatever the zone of this machine."""
    found = connection.sql(f"FROM {name}").to_arrow_table()
    for number, field in enumerate(found.schema):
        if pa.types.is_timestamp(field.type):
            found = found.set_column(number, field.name, found[field.name].cast(pa.timestamp("us", tz="UTC")))
    return found


def _unusable(name: str, what: str) -> CrimeAssetsError:
    return CrimeAssetsError(f"The forecasts of {name} {what}: materialize forecast_pages for that day again.")
