"""The local profile: directories, a SQLite catalog, DuckDB or Spark in this process. Nothing to start, no account."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.core.errors import UsageError
from crime_assets.engines import Engine
from crime_assets.lakehouse.place.lake import CityState, Lake
from crime_assets.profiles.settings import Settings
from crime_assets.sources import cities
from crime_assets.sources.cities import City
from crime_assets.sources.feeds import AnyFeed
from crime_assets.streams import LandingStore, Stream
from crime_assets.streams.inventory import merged_days

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from crime_assets.cloud.notices import Notices
    from crime_assets.governance.access import Access
    from crime_assets.governance.keys import MaskKey
    from crime_assets.lakehouse.writers import Writer
    from crime_assets.sources.feeds.boundaries import BoundarySource

FIRST_RUN_DAYS = 7
"""A lake that is started without a first change day begins this many complete days ago."""


class Profile:
    """The parts, each built when first asked for. `clock` gives the present moment, UTC.

    Nothing here opens a network connection, and the app token never leaves the feed it is given to.
    """

    def __init__(self, settings: Settings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.settings = settings
        self.clock = clock
        self._spark: SparkSession | None = None
        self._feed: tuple[date, AnyFeed] | None = None

    @cached_property
    def city(self) -> City:
        """The city that the settings name."""
        city = cities.get(self.settings.city)
        # Ids of the sample city follow the day of occurrence, so they do not tell when a record was reported.
        # Nor do a department's own numbers.
        return replace(city, serial_ids_from=None) if self.settings.feed in {"sample", "legacy"} else city

    @cached_property
    def lake(self) -> Lake:
        """The lake, opened; opening it writes nothing."""
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
        if self.settings.engine == "spark":
            from crime_assets.engines.spark import SparkEngine

            return SparkEngine(self.lake, self.city, self.spark, self._merged)
        from crime_assets.engines.duckdb import DuckDBEngine

        # A policy is about one city, and roles on AWS read the tables of one.
        has_cities = self.settings.policy is None and self.settings.aws is None
        return DuckDBEngine(self.lake, self.city, self._merged, has_cities=has_cities)

    @cached_property
    def access(self) -> Access | None:
        """Who may see what, by the policy; None if there is none, and whoever reads the files sees all."""
        if self.settings.policy is None:
            return None
        from crime_assets.governance.access import Access
        from crime_assets.governance.gates import GateMaker
        from crime_assets.governance.trail import Trail

        home, settings = self.lake.home, self.settings
        gates = GateMaker(
            self.lake, self.city, self._merged, self.mask_key, home / "gates", small_numbers=settings.small_numbers
        )
        trail = Trail(home / "trail", settings.audit_anchor, self.clock)
        return Access(self.settings.policy, gates, lambda: self.today, lambda: self.engine, trail)

    def mask_key(self) -> MaskKey:
        """The key of keyed hashes, made if there is none."""
        from crime_assets.governance.keys import mask_key

        return mask_key(self.lake.home / "governance")

    def drift(self) -> list[str]:
        """What people are let see otherwise than the policy says: nothing here, where gates are made by it."""
        return []

    def _merged(self) -> list[date]:
        return merged_days(self.landing, self.city.name)

    @cached_property
    def writer(self) -> Writer:
        """What brings records into the curated tables."""
        if self.settings.engine == "spark":
            from crime_assets.lakehouse.spark.writer import SparkWriter

            return SparkWriter(self.lake, self.city, self.landing, self.spark)
        from crime_assets.lakehouse.writers import EmbeddedWriter

        return EmbeddedWriter(self.lake, self.city, self.landing)

    def spark(self) -> SparkSession:
        """The one Spark session of this process, with the lake's catalog; it starts a JVM."""
        from crime_assets.lakehouse.spark.session import spark_settings

        if self._spark is None:
            self._spark = _session(spark_settings(self.lake))
        return self._spark

    @property
    def feed(self) -> AnyFeed:
        """Where records come from, as of today: a process that runs for weeks gets a new feed each day."""
        if self._feed is None or self._feed[0] != self.today:
            self._feed = (self.today, self._open_feed())
        return self._feed[1]

    def _open_feed(self) -> AnyFeed:
        match self.settings.feed:
            case "export":
                return self._export_feed()
            case "legacy":
                return self._legacy_feed()
            case "socrata" | "portal":
                return self._portal_feed()
            case _:
                return self._sample_feed()

    def _sample_feed(self) -> AnyFeed:
        from crime_assets.sources.feeds.sample import SampleFeed, planted
        from crime_assets.sources.feeds.sample.publications import SamplePublications

        state = self.state or self.wanted_state(self.first_change_day)
        origin = date.fromisoformat(state.first_change_day)
        city, today, rows, seed = self.city, self.today, state.sample_rows, state.sample_seed
        if city.change_field is None:
            return SamplePublications(city, origin=origin, today=today, rows=rows, seed=seed)
        return SampleFeed(city, origin=origin, today=today, rows=rows, seed=seed, planted=planted.around(origin))

    def _portal_feed(self) -> AnyFeed:
        if self.settings.feed not in {"portal", self.city.portal}:
            raise UsageError(f"The portal of {self.city.title} is another kind of portal: set CRIME_FEED=portal.")
        feeds = import_module(f"crime_assets.sources.feeds.{self.city.portal}")
        feed: AnyFeed = feeds.open_feed(self.city, self.settings.app_token or None, self.clock)
        return feed

    def _export_feed(self) -> AnyFeed:
        from crime_assets.sources.feeds.export import ExportFeed
        from crime_assets.sources.feeds.export_publications import ExportPublications

        if not self.settings.export:
            raise UsageError("CRIME_FEED=export needs CRIME_EXPORT: set it to the files of a portal export.")
        of_the_city = ExportFeed if self.city.change_field else ExportPublications
        return of_the_city(self.city, self.settings.export, cache=self.lake.home / "cache", today=self.today)

    def _legacy_feed(self) -> AnyFeed:
        from crime_assets.sources.feeds.legacy import LegacyFeed

        if self.city.change_field is None:
            raise UsageError(
                f"CRIME_FEED=legacy needs records with a change stamp, and those of {self.city.title} have none: set "
                "another CRIME_FEED."
            )
        return LegacyFeed(self.city, self.landing, cache=self.lake.home / "cache", today=self.today)

    @property
    def boundaries(self) -> BoundarySource | None:
        """Where the city's boundaries are fetched from; None if they are not fetched. The sample city has its own."""
        usual = {"socrata": "portal", "portal": "portal", "sample": "sample"}
        wanted = self.settings.boundaries or usual.get(self.settings.feed, "")
        if not wanted or not self.city.boundaries:
            return None
        from crime_assets.sources.feeds.boundaries import DirectoryBoundaries, PortalBoundaries
        from crime_assets.sources.feeds.sample.boundaries import DRAWN, SampleBoundaries

        match wanted:
            case "portal":
                return PortalBoundaries(self.city, app_token=self.settings.app_token or None)
            case "sample":
                return SampleBoundaries(self.city) if self.city.name == DRAWN else None
        return DirectoryBoundaries(Path(wanted))

    @property
    def notices(self) -> Notices | None:
        """Who is notified about a day: nobody, on this profile."""
        return None

    @property
    def today(self) -> date:
        """Today on the city's clock."""
        return self.city.today(self.clock())

    @property
    def state(self) -> CityState | None:
        """What was recorded when the city's part of the lake began; None if it has not begun."""
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
        feed = self.city.portal if settings.feed == "portal" else settings.feed
        return CityState(feed, first_change_day.isoformat(), settings.sample_rows, settings.sample_seed)

    def begin(self, first_change_day: date, *, anew: bool = False) -> CityState:
        """Begin the city's part of the lake unless it has begun; UsageError if it began with another kind of source.

        `anew` begins it again if nothing has been loaded into it.
        """
        state = self.lake.begin_city(self.city.name, self.wanted_state(first_change_day), anew=anew)
        # The sample city's records reach back from the first change day, which is fixed only now.
        self._feed = None
        return state


def _session(settings: dict[str, str]) -> SparkSession:
    try:
        from dagster_pyspark import LazyPySparkResource
    except ImportError:
        # A job elsewhere has Spark without Dagster.
        from pyspark.sql import SparkSession

        builder = SparkSession.builder.appName("crime-assets")
        for name, value in settings.items():
            builder = builder.config(name, value)
        return builder.getOrCreate()
    session: SparkSession = LazyPySparkResource(spark_config=settings).spark_session
    return session
