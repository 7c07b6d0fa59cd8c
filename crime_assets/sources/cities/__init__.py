"""What differs from city to city, as data: one module per city, each with a `CITY`.

To add a city, add a module here; nothing else lists them. No code that reads or writes belongs here. What the cities'
offense codes mean is in `codes`, a table for each city.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from crime_assets.core.errors import UsageError

Kind = Literal["text", "flag", "object"]


@dataclass(frozen=True)
class Boundaries:
    """Where the portal has the shapes of a city's areas of one kind, as GeoJSON."""

    dataset: str
    """Four-by-four id of the dataset."""
    name_property: str
    """Property of a feature with the area's code."""


@dataclass(frozen=True)
class City:
    """A city's feed, described. All names of source fields are the API's own (`case_number`, not `Case Number`)."""

    name: str
    """Short name; the Iceberg namespace and the `city=` part of every object key."""
    title: str
    domain: str
    """Host of the Socrata portal."""
    dataset: str
    """Four-by-four id of the dataset."""
    timezone: str
    """IANA name; change days are days of this clock."""
    lag_days: int
    """How many of the most recent days the city has not published yet at any time."""
    source_columns: Mapping[str, Kind]
    """Every column the source publishes today, and how its JSON looks: text, true/false, or a nested object."""
    columns: Mapping[str, str | tuple[str, ...]]
    """Column of `crimes` → source field it is typed from; several fields are joined with one space."""
    timestamp_formats: tuple[str, ...]
    """strptime formats, tried in turn; no text fits two of them with two meanings."""
    code_widths: Mapping[str, int] = field(default_factory=dict)
    """Columns of codes that lose leading zeros in spreadsheets → the width they are padded to."""
    unknown_markers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Column → texts that mean "unknown" and become NULL."""
    unknown_point: tuple[float, float] | None = None
    """(latitude, longitude) that the city publishes if it does not know the place."""
    renamed_categories: Mapping[str, str] = field(default_factory=dict)
    """primary_type as once published → as published now."""
    violent_codes: frozenset[str] = frozenset()
    property_codes: frozenset[str] = frozenset()
    """Offense codes (`fbi_code`) that count as violent and property index crime."""
    districts: frozenset[str] = frozenset()
    """Districts that may appear, those no longer on the map included."""
    bounding_box: tuple[float, float, float, float] = (-90.0, -180.0, 90.0, 180.0)
    """South, west, north, east."""
    serial_ids_from: date | None = None
    """The first change day from which records that were reported later have greater ids; None if ids tell nothing."""
    boundaries: Mapping[str, Boundaries] = field(default_factory=dict)
    """Code column of `crimes` → where the shapes of its areas are; maps of other columns show cells."""

    def today(self, now: datetime) -> date:
        """The day on the city's clock; `now` is a moment with a time zone."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def last_complete_day(self, as_of_day: date) -> date:
        """The last day that the city has published nearly completely by then: it has had a second change day."""
        return as_of_day - timedelta(days=self.lag_days + 1)

    @property
    def key_field(self) -> str:
        """Source field that identifies a record."""
        return self._single("id")

    @property
    def change_field(self) -> str:
        """Source field with the time of the last change."""
        return self._single("updated_on")

    @property
    def occurrence_field(self) -> str:
        """Source field with the day of occurrence; if day and time are two fields, the day."""
        source = self.columns["occurred_at"]
        return source if isinstance(source, str) else source[0]

    def formats_for(self, text: str | None) -> list[str]:
        """The timestamp formats, those that fit this text first: a failed attempt takes longer than a parse."""
        return sorted(self.timestamp_formats, key=lambda form: not _fits(text or "", form))

    def _single(self, column: str) -> str:
        source = self.columns[column]
        if not isinstance(source, str):
            raise ValueError(f"{self.name}: {column} must come from one source field, not {source}")
        return source


def _fits(text: str, form: str) -> bool:
    try:
        datetime.strptime(text, form)
    except ValueError:
        return False
    return True


def names() -> list[str]:
    """The names of all cities with a module."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if not module.ispkg)


def get(name: str) -> City:
    """The city of that name; UsageError if there is none."""
    if name not in names():
        raise UsageError(f"There is no city {name!r}: set CRIME_CITY to one of {', '.join(names())}.")
    city: City = importlib.import_module(f"{__name__}.{name}").CITY
    return city
