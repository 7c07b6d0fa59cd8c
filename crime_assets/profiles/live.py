"""The parts of live reports. Only what asks for them loads them: they need the extra `live`."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from crime_assets.core.errors import CrimeAssetsError, UsageError
from crime_assets.profiles.local import Profile
from crime_assets.streams import LandingStore

if TYPE_CHECKING:
    from crime_assets.incidents.firehose import Firehose
    from crime_assets.incidents.loop import Loop
    from crime_assets.incidents.sources import Source
    from crime_assets.incidents.sources.producing import Producer
    from crime_assets.incidents.spark.consumer import SparkLoop
    from crime_assets.incidents.state import State
    from crime_assets.incidents.telling import Channel
    from crime_assets.incidents.times import Calendar
    from crime_assets.incidents.warehouse import Warehouse

_KINESIS, _FIREHOSE = "kinesis:", "firehose:"


class LiveReports:
    """Each part is built when it is first asked for."""

    def __init__(self, profile: Profile) -> None:
        """UsageError if no stream is set, or what reads it is not installed."""
        if not profile.settings.stream:
            raise UsageError("There is no stream of live reports: set CRIME_STREAM to a name for it, such as fir.")
        try:
            import msgspec  # noqa: F401 - only whether it is there
        except ImportError as error:
            raise UsageError("Live reports need more packages: run `pip install 'crime-assets[live]'`.") from error
        self._profile = profile
        self.name = profile.settings.stream

    @cached_property
    def store(self) -> LandingStore:
        """Where what is published lies."""
        return self._profile.landing

    @cached_property
    def calendar(self) -> Calendar:
        """The clock by which rules count; UsageError if it is none."""
        from crime_assets.incidents.times import Calendar

        zone = self._profile.settings.stream_zone
        try:
            return Calendar(zone)
        except (KeyError, ValueError, OSError) as error:
            raise UsageError(
                f"CRIME_STREAM_TIMEZONE={zone[:80]} is no time zone: give its name, such as Asia/Kolkata."
            ) from error

    @property
    def epoch(self) -> str:
        """The chains that count: those of the present state. CrimeAssetsError if nothing has read the stream yet."""
        from crime_assets.incidents.status import read_epoch

        epoch = read_epoch(self.store, self.name)
        if epoch is None:
            first = "start `crime-assets stream run`" if self.is_read_here else "materialize fir_deliveries"
            raise CrimeAssetsError(f"Nothing has read the stream {self.name} yet: {first}.")
        return epoch

    @property
    def is_read_here(self) -> bool:
        """Whether a consumer reads the stream and raises alerts; Firehose writes it to the landing store otherwise."""
        return not self._profile.settings.stream_source.startswith(_FIREHOSE)

    def check_read_here(self) -> None:
        """UsageError if the stream has no consumer, because Firehose writes it to the landing store."""
        if not self.is_read_here:
            raise UsageError(
                "What Firehose delivers is not read by a consumer: the asset fir_deliveries takes it. Who wants alerts "
                f"reads the stream itself: CRIME_STREAM_SOURCE={_KINESIS}NAME."
            )

    @cached_property
    def firehose(self) -> Firehose | None:
        """What Firehose writes, if that is the source; UsageError if its prefix cannot be."""
        from crime_assets.incidents.firehose import Firehose

        if self.is_read_here:
            return None
        prefix = self._profile.settings.stream_source.removeprefix(_FIREHOSE)
        if not prefix or "live/".startswith(prefix) or prefix.startswith("live/"):
            raise UsageError(
                f"CRIME_STREAM_SOURCE={_FIREHOSE}{prefix[:80]} is no prefix of what Firehose writes: give one of the "
                "landing store that nothing else has, such as firehose:fir/."
            )
        return Firehose(self.store, prefix, self.name, self.calendar)

    @property
    def home(self) -> Path:
        """Where the state lies, and by default the stream."""
        return self._profile.settings.home / "live" / self.name

    def source(self, *, is_live: bool = True) -> Source:
        """The stream, to be read; UsageError if Firehose does that."""
        self.check_read_here()
        if kinesis := self._kinesis:
            from crime_assets.incidents.sources.kinesis import KinesisSource

            return KinesisSource(self._client("kinesis"), kinesis, self.name)
        from crime_assets.incidents.sources.directory import DirectorySource

        return DirectorySource(self._directory, self.name, is_live=is_live)

    def producer(self, clock: Callable[[], datetime]) -> Producer:
        """The stream, to be written; `clock` tells when a message arrives in a directory; UsageError with Firehose."""
        self.check_read_here()
        if kinesis := self._kinesis:
            from crime_assets.incidents.sources.producing import KinesisProducer

            return KinesisProducer(self._client("kinesis"), kinesis)
        from crime_assets.incidents.sources.producing import DirectoryProducer

        return DirectoryProducer(self._directory, clock)

    @property
    def has_begun(self) -> bool:
        """Whether a stream in a directory has messages, or had some; of Kinesis it is not known."""
        return not self._kinesis and (self._directory / "shards").exists()

    def state(self) -> State:
        """What is known of the stream, opened to be written; StreamBusy if another process has it."""
        self.check_read_here()
        from crime_assets.incidents.rules import all_rules
        from crime_assets.incidents.state import State

        return State(self.home, self.name, self.calendar, all_rules(), self._profile.clock)

    def loop(self, state: State, warn: Callable[[str], None], *, is_live: bool = True) -> Loop:
        """The consumer of the stream."""
        from crime_assets.incidents.loop import Loop

        source = self.source(is_live=is_live)
        return Loop(source, state, self.store, self.calendar, self._profile.clock, warn=warn)

    def spark_loop(self, warn: Callable[[str], None]) -> SparkLoop:
        """The consumer of the stream by Spark; UsageError if it is not a directory."""
        from crime_assets.incidents.rules import all_rules
        from crime_assets.incidents.spark.consumer import SparkLoop
        from crime_assets.incidents.spark.site import claim

        if self._kinesis:
            raise UsageError("Spark reads live reports from a directory only: unset CRIME_ENGINE to read from Kinesis.")
        spark, now = self._profile.spark(), self._profile.clock
        site = claim(str(self._directory), self.store, self.name, self.calendar.zone, now())
        return SparkLoop(spark, site, self.calendar, all_rules(), now, warn=warn)

    def channels(self) -> list[Channel]:
        """Who is told of alerts."""
        from crime_assets.incidents.telling import Channel, TopicChannel, WebhookChannel

        settings, found = self._profile.settings, list[Channel]()
        if settings.alerts_topic:
            from crime_assets.cloud.aws.clients import Clients

            found.append(TopicChannel(Clients(), settings.alerts_topic))
        if settings.alerts_webhook:
            found.append(WebhookChannel(settings.alerts_webhook, settings.alerts_secret))
        return found

    def warehouse(self) -> Warehouse:
        """Where reports are loaded into, beside the lake; UsageError if none is set, or its address is none."""
        from crime_assets.incidents.warehouse.addresses import open_warehouse

        address = self._profile.settings.warehouse
        if not address:
            raise UsageError("There is no warehouse of live reports: set CRIME_WAREHOUSE to its address.")
        return open_warehouse(address)

    @property
    def _kinesis(self) -> str:
        """The name of a Kinesis stream; empty if it is a directory."""
        source = self._profile.settings.stream_source
        return source.removeprefix(_KINESIS) if source.startswith(_KINESIS) else ""

    @property
    def _directory(self) -> Path:
        source = self._profile.settings.stream_source
        return Path(source).expanduser() if source else self.home / "source"

    def _client(self, service: str) -> object:
        from crime_assets.cloud.aws.clients import Clients

        return Clients().client(service)
