"""What differs from city to city, as data: one module per city, each with a `CITY`.

To add a city, add a module here; nothing else lists them. No code that reads or writes belongs here. What the cities'
offense codes mean is in `codes`, a table for each city.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from crime_assets.core.errors import UsageError
from crime_assets.sources.cities import residents
from crime_assets.sources.cities.across import Comparison
from crime_assets.sources.cities.codes import Code, crosswalk, native, nibrs

Kind = Literal["text", "flag", "object"]


@dataclass(frozen=True)
class First:
    """Fields of which the first that a record has is taken: the datasets of a city name the same thing differently."""

    fields: tuple[str | tuple[str, ...], ...]


OffenseClass = Literal["violent", "property", "other"]

Field = str | tuple[str, ...] | First
"""Where a column's text comes from: one source field, several joined with one space, or the first of some."""


@dataclass(frozen=True)
class Boundaries:
    """Where the portal has the shapes of a city's areas of one kind, as GeoJSON."""

    dataset: str
    """Four-by-four id of the dataset."""
    name_property: str
    """Property of a feature with the area's code."""


@dataclass(frozen=True)
class Source:
    """A dataset of a city's portal."""

    dataset: str
    """Its id: four-by-four on Socrata, the service and the names of its layers on ArcGIS."""
    fields: frozenset[str]
    """The fields of its records, under the API's names."""
    until: date | None = None
    """Records that occurred on this day or later are left to the city's other sources."""


@dataclass(frozen=True)
class City:
    """A city's feed, described. All names of source fields are the API's own (`case_number`, not `Case Number`)."""

    name: str
    """Short name; the Iceberg namespace and the `city=` part of every object key."""
    title: str
    domain: str
    """Host of the portal."""
    sources: tuple[Source, ...]
    """Its datasets, which together hold every crime; the newest is the last."""
    timezone: str
    """IANA name; change days are days of this clock."""
    lag_days: int
    """How many of the most recent days the city has not published yet at any time."""
    source_columns: Mapping[str, Kind]
    """Every column the source publishes today, and how its JSON looks: text, true/false, or a nested object."""
    columns: Mapping[str, Field]
    """Column of `crimes` → what it is typed from."""
    timestamp_formats: tuple[str, ...]
    """strptime formats, tried in turn; no text fits two of them with two meanings. One with the literal hour 24 means
    the end of the day."""
    licence: str = ""
    """What the city says of the use of its data, in one sentence: shown wherever figures are."""
    portal: str = "socrata"
    """The kind of portal: the module of `feeds` whose `open_feed` reads it."""
    page: str = ""
    """Address at which people find the data; empty: as on Socrata."""
    load_stamps: frozenset[str] = frozenset()
    """Fields with the time at which the portal loaded its records, changed or not: feeds leave them out."""
    not_published: frozenset[str] = frozenset()
    """Columns of `crimes` that the city says nothing of: its tables do not have them, nor anything made of them."""
    publishes: Literal["days", "quarters"] = "days"
    """What the city publishes at a time: single days, or whole quarters of a year."""
    points: Literal["places", "intersections", "station houses"] = "places"
    """What coordinates are: near the place (its block), the nearest intersection, or for some offenses a police
    station. Only the first may be taken for where crimes cluster."""
    key_type: Literal["long", "string"] = "long"
    """The type of `id`: whole numbers, or any text."""
    tidied: Mapping[str, str] = field(default_factory=dict)
    """Column → SQL in the Athena dialect, over all columns' texts, that gives the text to type; its own text is
    the column of that name. Not of `id`: publications are compared by keys as they come."""
    code_widths: Mapping[str, int] = field(default_factory=dict)
    """Columns of codes that lose leading zeros in spreadsheets → the width they are padded to."""
    unknown_markers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Column → texts that mean "unknown" and become NULL."""
    unknown_point: tuple[float, float] | None = None
    """(latitude, longitude) that the city publishes if it does not know the place."""
    renamed_categories: Mapping[str, str] = field(default_factory=dict)
    """primary_type as once published → as published now."""
    offense_classes: Mapping[str, OffenseClass] = field(default_factory=dict)
    """Offense code (`fbi_code`) → its class, of cities that publish the FBI's codes; any other code is unmapped."""
    scheme: str = ""
    """SQL in the Athena dialect that says by which of its schemes of `codes` the city has coded a record
    (`offense_code`): a name in quotes, if there is only one; 'nibrs' needs no table. Empty if the city publishes the
    FBI's codes."""
    districts: frozenset[str] = frozenset()
    """Districts that may appear, those no longer on the map included."""
    bounding_box: tuple[float, float, float, float] = (-90.0, -180.0, 90.0, 180.0)
    """South, west, north, east."""
    serial_ids_from: date | None = None
    """The first change day from which records that were reported later have greater ids; None if ids tell nothing."""
    boundaries: Mapping[str, Boundaries] = field(default_factory=dict)
    """Code column of `crimes` → where the shapes of its areas are; maps of other columns show cells."""
    counted: str = ""
    """SQL in the Athena dialect, over the columns of crimes: which rows insights count; all, if it is empty."""
    counted_words: str = ""
    """The same as a sentence for pages."""
    comparison: Comparison | None = None
    """What may be compared with other cities; None if nothing."""

    def today(self, now: datetime) -> date:
        """The day on the city's clock; `now` is a moment with a time zone."""
        return now.astimezone(ZoneInfo(self.timezone)).date()

    def last_complete_day(self, as_of_day: date, newest: date | None = None) -> date:
        """The last day that the city has published nearly completely by then: it has had a second change day.

        `newest` is the newest day with a crime by then, of cities without change stamps: their last publication may be
        from long before.
        """
        day = as_of_day - timedelta(days=self.lag_days + 1)
        if self.publishes == "quarters":
            after = day + timedelta(days=1)
            day = date(after.year, 3 * ((after.month - 1) // 3) + 1, 1) - timedelta(days=1)
        if self.change_field is not None or newest is None:
            return day
        # Whole quarters are complete to their last day.
        return min(day, newest if self.publishes == "quarters" else newest - timedelta(days=self.lag_days))

    @property
    def dataset(self) -> str:
        """The id of the newest dataset."""
        return self.sources[-1].dataset

    @property
    def source_page(self) -> str:
        """Address at which people find the data."""
        return self.page or f"https://{self.domain}/d/{self.dataset}"

    @property
    def key_field(self) -> str:
        """Source field that identifies a record."""
        return self._single("id")

    @property
    def key_fields(self) -> tuple[str, ...]:
        """The same of a city whose datasets have keys of different names: a record has one of them."""
        return tuple(field for (field,) in alternatives(self.columns["id"]))

    @property
    def change_field(self) -> str | None:
        """Source field with the time of the last change; None if records have no such stamp."""
        return self._single("updated_on") if "updated_on" in self.columns else None

    @property
    def class_codes(self) -> str:
        """Whose codes say to which class an offense belongs: the FBI's own, or NIBRS'."""
        return "NIBRS" if self.scheme else "FBI"

    @property
    def codes(self) -> Mapping[tuple[str, str], Code]:
        """What its offense codes are, by scheme and code; none if it publishes the FBI's."""
        if not self.scheme:
            return {}
        return native() if self.scheme == "'nibrs'" else crosswalk(self.name)

    @property
    def offenses(self) -> frozenset[str]:
        """The words of `nibrs.csv` for what it publishes: those that any of its codes is."""
        found = {nibrs()[code.nibrs_code].offense for code in self.codes.values()}
        return frozenset(found or {offense.offense for offense in nibrs().values()})

    @property
    def classes(self) -> frozenset[str]:
        """The classes of these."""
        return frozenset(one.offense_class for one in nibrs().values() if one.offense in self.offenses)

    @property
    def residents(self) -> Mapping[str, int]:
        """Area → people who live in it; empty if there is no table of them."""
        return residents.of(self.name)

    def fields_beside(self, there: Collection[str]) -> frozenset[str]:
        """The fields that must be there if these are: all of each dataset of which one is there that others lack.

        Not load stamps, which feeds leave out.
        """
        found, kinds = frozenset[str](), {source.fields for source in self.sources}
        for fields in kinds:
            own = fields.difference(*(kinds - {fields}))
            found |= fields if own & {*there} else frozenset()
        return (found or frozenset(self.source_columns)) - self.load_stamps

    @property
    def gives(self) -> frozenset[str]:
        """What it gives besides columns, of `core.insights.NEEDS`."""
        given = {"points": self.points == "places", "stamps": self.change_field is not None}
        # Whoever publishes the FBI's codes is Chicago so far: other cities have categories of their own.
        given["categories"] = not self.scheme
        return frozenset(name for name, is_given in given.items() if is_given)

    @property
    def occurrence_field(self) -> str:
        """Source field with the day of occurrence; if day and time are two fields, the day."""
        return alternatives(self.columns["occurred_at"])[0][0]

    def occurrence_in(self, fields: Collection[str]) -> str | None:
        """The same among the fields of one dataset or file; None if it has none."""
        choices = alternatives(self.columns["occurred_at"])
        return next((choice[0] for choice in choices if choice[0] in fields), None)

    def formats_for(self, text: str | None) -> list[str]:
        """The timestamp formats, those that fit this text first: a failed attempt takes longer than a parse."""
        return sorted(self.timestamp_formats, key=lambda form: not _fits(text or "", form))

    def _single(self, column: str) -> str:
        source = self.columns[column]
        if not isinstance(source, str):
            raise ValueError(f"{self.name}: {column} must come from one source field, not {source}")
        return source


def alternatives(source: Field | None) -> tuple[tuple[str, ...], ...]:
    """Fields that are joined, one tuple for each of those of which the first is taken; none if there is no source."""
    if source is None:
        return ()
    choices = source.fields if isinstance(source, First) else (source,)
    return tuple((choice,) if isinstance(choice, str) else choice for choice in choices)


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
