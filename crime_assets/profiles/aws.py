"""The aws profile: S3, Firehose, a Glue or REST catalog, Athena or Spark. The same graph; only these parts differ.

AWS is not contacted before a part is used: definitions load without a network.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.region import check_bucket
from crime_assets.cloud.notices import Notices
from crime_assets.core.errors import UsageError
from crime_assets.engines import Engine
from crime_assets.lakehouse.place.lake import CityState, Lake, Remote
from crime_assets.profiles.local import Profile
from crime_assets.profiles.settings import AwsSettings, Settings
from crime_assets.streams import LandingStore, Stream

if TYPE_CHECKING:
    from crime_assets.governance.keys import MaskKey


class AwsProfile(Profile):
    """The parts on AWS; `CRIME_HOME` is where this machine keeps copies and spills."""

    def __init__(
        self, settings: Settings, aws: AwsSettings, clock: Callable[[], datetime] = lambda: datetime.now(UTC)
    ) -> None:
        super().__init__(settings, clock)
        self.aws = aws
        self.clients = Clients(aws.region)

    @cached_property
    def lake(self) -> Lake:
        """The lake, opened; its buckets are checked first."""
        places = {"CRIME_LANDING": self.aws.landing, "CRIME_LAKE": self.aws.lake}
        for variable, place in places.items():
            check_bucket(self.clients, place.bucket, variable)
        lake = Lake(self.settings.home, Remote(str(self.aws.lake), self.landing, self._catalog))
        state = lake.city(self.city.name)
        if state is not None and state.first_change_day != str(self.aws.first_day):
            raise UsageError(
                f"The lake begins with change day {state.first_change_day} and CRIME_FIRST_DAY is "
                f"{self.aws.first_day}: set it to {state.first_change_day}."
            )
        return lake

    @cached_property
    def landing(self) -> LandingStore:
        """Where deliveries lie."""
        from crime_assets.streams.s3 import S3Store

        return S3Store(self.clients.client("s3"), self.aws.landing.bucket, self.aws.landing.prefix)

    def stream(self) -> Stream:
        """A new stream that Firehose writes into the landing store."""
        from crime_assets.streams.firehose import FirehoseStream

        return FirehoseStream(self.clients.client("firehose"), self.aws.firehose)

    @cached_property
    def engine(self) -> Engine:
        """What runs SQL. If Spark is a job elsewhere: Athena, given a workgroup and the Glue catalog, else DuckDB."""
        is_remote_spark = self.settings.engine == "spark" and self.aws.spark_job
        can_ask_athena = self.aws.athena_workgroup and self.aws.catalog == "glue"
        if self.settings.engine == "athena" or (is_remote_spark and can_ask_athena):
            from crime_assets.engines.athena import AthenaEngine

            return AthenaEngine(self.lake, self.city, self.clients, self.aws.athena_workgroup, merged=self._merged)
        if is_remote_spark:
            from crime_assets.engines.duckdb import DuckDBEngine

            return DuckDBEngine(self.lake, self.city, self._merged)
        return super().engine

    @cached_property
    def notices(self) -> Notices | None:
        """Who is notified about a day; None if neither a topic nor a namespace is set."""
        if not (self.aws.notices_topic or self.aws.metrics_namespace):
            return None
        return Notices(self.clients, self.aws.notices_topic, self.aws.metrics_namespace)

    def drift(self) -> list[str]:
        """What Lake Formation, Athena and masked tables let people see otherwise than the policy says."""
        if self.access is None:
            return []
        from crime_assets.governance.aws.drift import drifted
        from crime_assets.governance.aws.readers import readers
        from crime_assets.governance.gates import seen_columns
        from crime_assets.governance.governed import behind

        policy = self.access.policy()
        wanted = readers(policy, seen_columns(self.lake, self.city))
        return [
            *drifted(policy.city, str(self.aws.lake).removeprefix("s3://"), wanted, self.clients),
            *behind(self.lake, self.city, policy, self.mask_key),
        ]

    def mask_key(self) -> MaskKey:
        """The key of keyed hashes, from Secrets Manager: machines come and go, and masked values stay the same."""
        from crime_assets.governance.keys import secret_key

        if not self.aws.mask_key:
            raise UsageError(
                "The policy masks by a keyed hash: set CRIME_MASK_KEY to the name of a secret in Secrets Manager whose "
                "binary value is 32 random bytes."
            )
        return secret_key(self.clients.client("secretsmanager"), self.aws.mask_key)

    @property
    def first_change_day(self) -> date:
        """The lake's first change day, without asking the lake: definitions load without a network."""
        return self.aws.first_day

    def begin(self, first_change_day: date, *, anew: bool = False) -> CityState:
        """Begin the city's part of the lake with the configured day, whichever day is run first."""
        return super().begin(self.aws.first_day, anew=anew)

    @property
    def _catalog(self) -> dict[str, str]:
        """pyiceberg's properties of the catalog."""
        region = self.clients.region
        properties = {"warehouse": str(self.aws.lake), "s3.region": region, "client.region": region}
        endpoint: str = self.clients.client("s3").meta.endpoint_url
        if endpoint not in (f"https://s3.{region}.amazonaws.com", "https://s3.amazonaws.com"):
            properties["s3.endpoint"] = endpoint
        if self.aws.catalog == "glue":
            return {"type": "glue", **properties}
        credential = self.aws.catalog_credential
        if credential and ":" not in credential:
            properties["token"] = credential
        elif credential:
            properties["credential"] = credential
            # The address from the REST specification; pyiceberg is about to stop assuming it.
            properties["oauth2-server-uri"] = f"{self.aws.catalog.rstrip('/')}/v1/oauth/tokens"
        return {"type": "rest", "uri": self.aws.catalog, **properties}
