"""boto3 clients: credentials, region and endpoints only from where boto3 itself looks for them."""

from __future__ import annotations

from typing import Any

from crime_assets.core.errors import UsageError


class Clients:
    """The clients of one profile, each made when first asked for; they may be used by several threads."""

    def __init__(self, region: str | None = None) -> None:
        """`region` overrides what boto3 would find."""
        self._wanted_region = region
        self._made: dict[str, Any] = {}
        self._session: Any = None

    @property
    def region(self) -> str:
        """The region everything is in. UsageError where none is set."""
        region: str | None = self.session.region_name
        if not region:
            raise UsageError("No AWS region is set: set AWS_REGION to the one that the buckets and services are in.")
        return region

    @property
    def session(self) -> Any:
        """The boto3 session. UsageError where boto3 is not installed."""
        if self._session is None:
            try:
                import boto3
            except ImportError as error:
                raise UsageError(
                    "CRIME_PROFILE=aws needs boto3: install the extra, as in pip install 'crime-assets[aws]'."
                ) from error
            self._session = boto3.Session(region_name=self._wanted_region)
        return self._session

    def client(self, service: str, **more: Any) -> Any:
        """The client of a service; `more` is said in its botocore Config instead of what is said for all.

        UsageError where no region is set.
        """
        name = f"{service} {more}"
        if name not in self._made:
            from botocore.config import Config

            common = {
                "retries": {"mode": "standard", "max_attempts": 5},
                "connect_timeout": 10,
                "read_timeout": 60,
                "max_pool_connections": 32,
            }
            config = Config(**common | more)
            self._made[name] = self.session.client(service, region_name=self.region, config=config)
        return self._made[name]
