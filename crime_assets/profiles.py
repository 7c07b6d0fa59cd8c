"""The one reader of the environment. A profile builds the parts that the rest works with, each when first asked for.

Nothing here opens a network connection, and the app token never leaves the feed it is given to.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from pathlib import Path
from zoneinfo import ZoneInfo

from crime_assets import cities
from crime_assets.cities import City
from crime_assets.core.errors import UsageError
from crime_assets.engines import Engine
from crime_assets.feeds import Feed
from crime_assets.lakehouse.lake import CityState, Lake
from crime_assets.streams import LandingStore, Stream

FIRST_RUN_DAYS = 7
"""A lake that is begun without a first change day begins this many complete days ago."""

_CHOICES = {
    "CRIME_PROFILE": ("local",),
    "CRIME_FEED": ("sample", "export", "socrata"),
    "CRIME_ENGINE": ("duckdb",),
}


@dataclass(frozen=True)
class Settings:
    """What a person can set; the README's table of variables says the same."""

    home: Path = Path("lake")
    city: str = "chicago"
    feed: str = "sample"
    export: str = ""
    app_token: str = field(default="", repr=False)
    sample_rows: int = 250_000
    sample_seed: int = 7
    dagster_home: Path | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ) -> Settings:
        """Settings from environment variables; UsageError names the variable that is wrong."""
        for name, choices in _CHOICES.items():
            if (environment.get(name) or choices[0]) not in choices:
                raise UsageError(f"{name}={environment[name]} is not known: set it to one of {', '.join(choices)}.")
        return cls(
            home=_directory(environment, "CRIME_HOME", cls.home),
            city=environment.get("CRIME_CITY") or "chicago",
            feed=environment.get("CRIME_FEED") or "sample",
            export=environment.get("CRIME_EXPORT", ""),
            app_token=_token(environment, "SOCRATA_APP_TOKEN"),
            sample_rows=_whole_number(environment, "CRIME_SAMPLE_ROWS", cls.sample_rows),
            sample_seed=_whole_number(environment, "CRIME_SAMPLE_SEED", cls.sample_seed),
            dagster_home=Path(environment["DAGSTER_HOME"]) if environment.get("DAGSTER_HOME") else None,
        )


class Profile:
    """The local profile: directories, a SQLite catalog, DuckDB. `clock` gives the present moment, UTC."""

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.settings = settings
        self.clock = clock

    @cached_property
    def city(self) -> City:
        """The city that is asked for."""
        return cities.get(self.settings.city)

    @cached_property
    def lake(self) -> Lake:
        """The lake, opened; nothing is written by opening it."""
        return Lake(self.settings.home)

    @cached_property
    def landing(self) -> LandingStore:
        """Where deliveries lie."""
        from crime_assets.streams.directory import DirectoryStore

        return DirectoryStore(self.lake.landing)

    def stream(self) -> Stream:
        """A new stream into the landing store."""
        from crime_assets.streams.local import LocalStream

        return LocalStream(self.landing, self.city.name, self.clock)

    @cached_property
    def engine(self) -> Engine:
        """What runs SQL."""
        from crime_assets.engines.duckdb import DuckDBEngine

        return DuckDBEngine(self.lake, self.city)

    @cached_property
    def feed(self) -> Feed:
        """Where records come from."""
        match self.settings.feed:
            case "export":
                from crime_assets.feeds.export import ExportFeed

                if not self.settings.export:
                    raise UsageError("CRIME_FEED=export needs CRIME_EXPORT: set it to the files of a portal export.")
                cache = self.lake.home / "cache"
                return ExportFeed(self.city, self.settings.export, cache=cache, today=self.today)
            case "socrata":
                from crime_assets.feeds.socrata import SocrataFeed

                return SocrataFeed(self.city, app_token=self.settings.app_token or None)
            case _:
                from crime_assets.feeds.sample import SampleFeed

                state = self.state or self.wanted_state(self.first_change_day)
                return SampleFeed(
                    self.city,
                    origin=date.fromisoformat(state.first_change_day),
                    today=self.today,
                    rows=state.sample_rows,
                    seed=state.sample_seed,
                )

    @property
    def today(self) -> date:
        """The present day on the city's clock."""
        return self.clock().astimezone(ZoneInfo(self.city.timezone)).date()

    @property
    def state(self) -> CityState | None:
        """What was settled when the city's part of the lake began."""
        return self.lake.city(self.city.name)

    @property
    def first_change_day(self) -> date:
        """The lake's first change day; for a lake not yet begun, the one it would begin with."""
        state = self.state
        if state is not None:
            return date.fromisoformat(state.first_change_day)
        return self.today - timedelta(days=FIRST_RUN_DAYS)

    def wanted_state(self, first_change_day: date) -> CityState:
        """How the lake would begin with these settings."""
        settings = self.settings
        return CityState(settings.feed, first_change_day.isoformat(), settings.sample_rows, settings.sample_seed)

    def begin(self, first_change_day: date, *, anew: bool = False) -> CityState:
        """Begin the city's part of the lake unless it was begun; UsageError where it was begun with another kind.

        `anew` begins it again, where nothing has been loaded into it.
        """
        state = self.lake.begin_city(self.city.name, self.wanted_state(first_change_day), anew=anew)
        # The sample city's records reach back from the first change day, which is settled only now.
        self.__dict__.pop("feed", None)
        return state


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UsageError(f"{name}={text[:40]} is no whole number: set it to one, such as {default}.")
    return int(text)


def _directory(environment: Mapping[str, str], name: str, default: Path) -> Path:
    text = environment.get(name) or str(default)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{name}={text} names a person who has no home here: write the whole path.") from error


def _token(environment: Mapping[str, str], name: str) -> str:
    token = environment.get(name, "").strip()
    # It goes into a header; what refuses it there would show it.
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{name} holds characters that no token has: copy it again from the portal.")
    return token
