"""The only module that reads the environment. What the settings are for is decided where they are used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from crime_assets.core.errors import UsageError
from crime_assets.profiles.aws_settings import AwsSettings, Place, aws_settings
from crime_assets.profiles.of_city import asked_cities, of_city, set_by
from crime_assets.profiles.variables import directory, matching, optional, token, whole_number

__all__ = ["AwsSettings", "Place", "Settings"]

_CHOICES = {
    "CRIME_PROFILE": ("local", "aws"),
    "CRIME_FEED": ("sample", "export", "socrata", "portal", "legacy"),
    "CRIME_ENGINE": ("duckdb", "spark", "athena"),
}
_LOCAL_ONLY = ("CRIME_SOCKET", "CRIME_SERVICE", "CRIME_AUDIT_ANCHOR")
_STREAM = re.compile(r"[a-z0-9-]{1,40}")
_WAREHOUSE = re.compile(r"(postgresql|postgres|redshift)://[!-~]+")
# A password is not in it: it would be in listings of processes, and in what drivers say.
_LEGACY = re.compile(
    r"(?!.*[?&](?i:pass(word|wd)?)=)(postgresql|oracle\+oracledb|mariadb)://([^\s:@/?#]+@)?[^\s@/?#][^\s@]*"
)


@dataclass(frozen=True)
class Settings:
    """What a person can set; the README's tables of variables say the same. `aws` is None on the local profile."""

    home: Path = Path("lake")
    city: str = "chicago"
    cities: tuple[str, ...] = ()
    """The cities that one Dagster home keeps apart by name; empty where there is one city, whose name nothing needs."""
    feed: str = "sample"
    export: str = ""
    app_token: str = field(default="", repr=False)
    engine: str = "duckdb"
    sample_rows: int = 250_000
    sample_seed: int = 7
    small_numbers: int = 5
    forecast_cap: float | None = None
    """How many times its share of records an area may have of the cells on a forecast's list; None: any number."""
    boundaries: str = ""
    policy: Path | None = None
    audit_anchor: Path | None = None
    socket: Path | None = None
    service: str = ""
    service_token: str = field(default="", repr=False)
    oidc_secret: str = field(default="", repr=False)
    dagster_home: Path | None = None
    dbt: Path | None = None
    stream: str = ""
    """Name of a stream of live reports, in keys."""
    stream_source: str = ""
    """Where it is: a directory, or kinesis:NAME; empty for a directory beside the lake."""
    stream_zone: str = "Asia/Kolkata"
    alerts_topic: str = ""
    alerts_webhook: str = field(default="", repr=False)
    alerts_secret: str = field(default="", repr=False)
    warehouse: str = field(default="", repr=False)
    """Address of the warehouse of live reports, with its password."""
    legacy: str = field(default="", repr=False)
    """Address of the legacy database that is migrated, without its password."""
    legacy_password: str = field(default="", repr=False)
    aws: AwsSettings | None = None

    @property
    def stream_name(self) -> str:
        """The name of the stream of live reports in keys; empty where there is none."""
        return self.stream

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] = os.environ, city: str = "") -> Settings:
        """Settings from environment variables, of `city` or of the one that they name.

        UsageError names the variable that is wrong.
        """
        cities = asked_cities(environment)
        city = city or environment.get("CRIME_CITY") or next(iter(cities), cls.city)
        environment = of_city(environment, city, cities)
        for name, choices in _CHOICES.items():
            if (value := environment.get(name) or choices[0]) not in choices:
                named = set_by(environment, name, city)
                raise UsageError(f"{named}={value} is not known: set it to one of {', '.join(choices)}.")
        is_aws = environment.get("CRIME_PROFILE") == "aws"
        if is_aws and (unfit := [name for name in _LOCAL_ONLY if environment.get(name)]):
            raise UsageError(f"{unfit[0]} is for the local profile so far: unset it, or CRIME_PROFILE.")
        engine = environment.get("CRIME_ENGINE") or "duckdb"
        if engine == "athena" and not is_aws:
            raise UsageError("CRIME_ENGINE=athena needs AWS: set CRIME_PROFILE=aws too, or CRIME_ENGINE=duckdb.")
        return cls(
            home=directory(environment, "CRIME_HOME", cls.home),
            city=city,
            cities=cities,
            feed=environment.get("CRIME_FEED") or "sample",
            export=environment.get("CRIME_EXPORT", ""),
            app_token=token(environment, "SOCRATA_APP_TOKEN"),
            engine=engine,
            sample_rows=whole_number(environment, "CRIME_SAMPLE_ROWS", cls.sample_rows),
            small_numbers=whole_number(environment, "CRIME_SMALL_NUMBERS", cls.small_numbers),
            forecast_cap=_cap(environment),
            sample_seed=whole_number(environment, "CRIME_SAMPLE_SEED", cls.sample_seed),
            boundaries=_boundaries(environment),
            policy=optional(environment, "CRIME_POLICY"),
            audit_anchor=optional(environment, "CRIME_AUDIT_ANCHOR"),
            socket=optional(environment, "CRIME_SOCKET"),
            service=_service(environment),
            service_token=token(environment, "CRIME_TOKEN"),
            oidc_secret=token(environment, "CRIME_OIDC_SECRET"),
            dagster_home=Path(environment["DAGSTER_HOME"]) if environment.get("DAGSTER_HOME") else None,
            dbt=optional(environment, "CRIME_DBT"),
            stream=matching(environment, "CRIME_STREAM", _STREAM, "a stream's name: small letters, digits and -"),
            stream_source=environment.get("CRIME_STREAM_SOURCE", ""),
            stream_zone=environment.get("CRIME_STREAM_TIMEZONE") or cls.stream_zone,
            alerts_topic=environment.get("CRIME_ALERTS_TOPIC", ""),
            alerts_webhook=environment.get("CRIME_ALERTS_WEBHOOK", ""),
            alerts_secret=environment.get("CRIME_ALERTS_SECRET", ""),
            warehouse=_warehouse(environment),
            legacy=_legacy(environment),
            legacy_password=environment.get("CRIME_LEGACY_PASSWORD", ""),
            aws=aws_settings(environment, engine) if is_aws else None,
        )


def _service(environment: Mapping[str, str]) -> str:
    address = environment.get("CRIME_SERVICE", "")
    if address and not re.fullmatch(r"https://[A-Za-z0-9.-]+(:[0-9]{1,5})?/?", address):
        raise UsageError(f"CRIME_SERVICE={address} is no address: set it to one such as https://crime.city.example.")
    if address and not environment.get("CRIME_TOKEN"):
        raise UsageError("CRIME_SERVICE needs CRIME_TOKEN: ask who keeps the policy for a token.")
    return address


def _warehouse(environment: Mapping[str, str]) -> str:
    address = environment.get("CRIME_WAREHOUSE", "")
    # It may have a password in it, so it is not repeated.
    if address and not _WAREHOUSE.fullmatch(address):
        raise UsageError(
            "CRIME_WAREHOUSE is not the address of a warehouse: write it like postgresql://user@host/database, or "
            "redshift://user:password@host:5439/database?role=arn:aws:iam::123456789012:role/name."
        )
    return address


def _legacy(environment: Mapping[str, str]) -> str:
    address = environment.get("CRIME_LEGACY", "")
    # Somebody may have written a password into it, so it is not repeated.
    if address and not _LEGACY.fullmatch(address):
        raise UsageError(
            "CRIME_LEGACY is not the address of a legacy database: write it like postgresql://user@host/database, "
            "oracle+oracledb:// or mariadb://, and the password apart, in CRIME_LEGACY_PASSWORD."
        )
    return address


def _cap(environment: Mapping[str, str]) -> float | None:
    text = environment.get("CRIME_FORECAST_AREA_CAP", "")
    # Below 1 an area could have none of its own share.
    if text and (not re.fullmatch(r"[0-9]{1,4}(\.[0-9]{1,6})?", text) or float(text) < 1):
        raise UsageError(
            f"CRIME_FORECAST_AREA_CAP={text[:40]} is no cap: set it to 1 or more, such as 2.5, or unset it."
        )
    return float(text) if text else None


def _boundaries(environment: Mapping[str, str]) -> str:
    """`portal`, an absolute path, or nothing."""
    text = environment.get("CRIME_BOUNDARIES", "")
    return text if text in ("", "portal") else str(directory(environment, "CRIME_BOUNDARIES", Path()))
