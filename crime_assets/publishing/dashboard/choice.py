"""What a person chose to see. It is part of the address, so that sharing an address shares the page.

Everything in an address is hostile until it is found among the values in the extract.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from urllib.parse import urlencode

from crime_assets.core.errors import UsageError
from crime_assets.core.sql import statement
from crime_assets.publishing.published import published_by
from crime_assets.publishing.reading import Extract, Shelf
from crime_assets.sources import cities

ALL = "all"
NONE = "none"
"""The value for an unknown place of a record."""
PERIODS = {"28d": "28 days", "365d": "365 days", "all": "all years"}
CLASSES = {
    "all": "All offenses",
    "violent": "Violent index crime",
    "property": "Property index crime",
    "other": "Other offenses",
}
UNMAPPED = "unmapped"
"""The class of records whose code is of none: they count in all offenses, and nobody can choose them alone."""
TITLES = {**CLASSES, UNMAPPED: "Offenses of no known class"}
"""Every class of offense that rows can be of, with titles."""
HOT_SPOTS = "hotspots"
MAPS = {
    "district": "Districts",
    "community_area": "Community areas",
    "beat": "Beats",
    HOT_SPOTS: "Hot spots",
}


@dataclass(frozen=True)
class Choice:
    """City, as-of day, period, offense class, district, beat, what the map shows, and another day to compare with."""

    city: str
    day: date
    period: str = "28d"
    offense_class: str = ALL
    district: str = ALL
    beat: str = ALL
    map: str = "district"
    beside: date | None = None

    @property
    def query(self) -> str:
        """As the query of an address; defaults are left out, except city and day."""
        usual = Choice(self.city, self.day)
        chosen = {
            name: getattr(self, name)
            for name in ("period", "offense_class", "district", "beat", "map")
            if getattr(self, name) != getattr(usual, name)
        }
        if self.beside is not None:
            chosen["beside"] = self.beside.isoformat()
        return urlencode({"city": self.city, "day": self.day.isoformat(), **chosen})

    def file(self, name: str, *, of_areas: bool = False) -> str:
        """The name of a file, without its ending, and what was chosen; the map only if it is a file `of_areas`."""
        usual = Choice(self.city, self.day)
        said = {
            "period": PERIODS[self.period],
            "offense_class": self.offense_class,
            "district": f"district {self.district}",
            "beat": f"beat {self.beat}",
            "map": f"by {MAPS[self.map]}" if of_areas else "",
        }
        parts = [text for field, text in said.items() if getattr(self, field) != getattr(usual, field)]
        beside = f"beside {self.beside}" if self.beside else ""
        # Places are texts of the feed, and a name of a file is part of a header.
        return re.sub("[^a-z0-9]+", "-", " ".join([self.city, f"{self.day}", name, *parts, beside]).lower()).strip("-")

    @property
    def link(self) -> str:
        """The address of its page."""
        return f"/?{self.query}"

    @property
    def parameters(self) -> dict[str, str]:
        """As parameters for the statements of sql/dashboard."""
        return {
            "period": self.period,
            "offense_class": self.offense_class,
            "district": self.district,
            "beat": self.beat,
        }

    @property
    def other(self) -> Choice | None:
        """The same on the other day, beside this one."""
        return None if self.beside is None else replace(self, day=self.beside, beside=self.day)

    @property
    def alone(self) -> Choice:
        """The same without the other day."""
        return replace(self, beside=None)

    def inside(self, district: str) -> Choice:
        """The same of a district, whose beats the map shows if the city publishes any."""
        return self.but(district=district, map="beat" if published_by(self.city).has("beat") else "district")

    def but(self, **other: str) -> Choice:
        """The same choice with other values; choosing another district drops the beat."""
        if "district" in other and "beat" not in other:
            other["beat"] = ALL
        # Only days are no texts, and they are never changed this way.
        return replace(self, **other)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Choices:
    """What can be chosen, given what was chosen; cities and maps with their titles."""

    cities: list[tuple[str, str]]
    days: list[date]
    districts: list[str]
    beats: list[str]
    maps: Mapping[str, str]


def read_choice(address: Mapping[str, str], extracts: Shelf, default_city: str) -> tuple[Choice, Choices, Extract]:
    """The choice in an address, what else can be chosen, and the extract. UsageError names an unknown value."""
    city = one_of("city", address.get("city", default_city), extracts.cities())
    days = extracts.days(city)
    day = address.get("day", days[0].isoformat())
    one_of("day", day, [known.isoformat() for known in days])
    extract = extracts.of(city, date.fromisoformat(day))
    district = address.get("district", ALL)
    districts = _places(extract, "districts", {})
    one_of("district", district, [ALL, *districts])
    beats = _places(extract, "beats", {"district": district}) if published_by(city).has("beat") else []
    maps = maps_of(city)
    choice = Choice(
        city,
        date.fromisoformat(day),
        one_of("period", address.get("period", "28d"), PERIODS),
        one_of("offense_class", address.get("offense_class", ALL), classes_of(city)),
        district,
        # A beat of another district does not count: the form keeps it when the district changes.
        beat if district != ALL and (beat := address.get("beat", ALL)) in beats else ALL,
        one_of("map", address.get("map", "district"), maps),
        _beside(address.get("beside", ""), day, days),
    )
    titles = [(name, cities.get(name).title) for name in extracts.cities()]
    return choice, Choices(titles, days, districts, beats if district != ALL else [], maps), extract


def classes_of(city: str) -> Mapping[str, str]:
    """The classes of offenses that a city publishes, with titles, and all of them."""
    published = {ALL, *cities.get(city).classes}
    return {name: title for name, title in CLASSES.items() if name in published}


def maps_of(city: str) -> Mapping[str, str]:
    """What maps of a city can show, with titles: areas that it publishes, and hot spots if its places tell of any."""
    published = published_by(city)
    return {
        level: title
        for level, title in MAPS.items()
        if (published.makes("hotspots") if level == HOT_SPOTS else published.has(level))
    }


def _beside(value: str, day: str, days: list[date]) -> date | None:
    """The day to compare with, if there is one and it is another."""
    if value in ("", day):
        return None
    return date.fromisoformat(one_of("day", value, [known.isoformat() for known in days]))


def one_of(name: str, value: str, known: Mapping[str, str] | list[str]) -> str:
    """The value of an address, if it is among those that are known. UsageError names it otherwise."""
    if value not in known:
        raise UsageError(f"There is no {name} {value[:40]!r} here: choose another.")
    return value


def _places(extract: Extract, name: str, parameters: Mapping[str, str]) -> list[str]:
    return [str(place) for place in extract.ask(statement("dashboard", name), parameters).column("place").to_pylist()]
