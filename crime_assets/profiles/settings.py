"""The only module that reads the environment. What the settings are for is decided where they are used."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from crime_assets.core.errors import UsageError
from crime_assets.profiles.of_city import asked_cities, of_city, set_by

_CHOICES = {
    "CRIME_PROFILE": ("local", "aws"),
    "CRIME_FEED": ("sample", "export", "socrata", "portal", "legacy"),
    "CRIME_ENGINE": ("duckdb", "spark", "athena"),
}
_LOCAL_ONLY = ("CRIME_SOCKET", "CRIME_SERVICE", "CRIME_AUDIT_ANCHOR")
_NEEDED_ON_AWS = {
    "CRIME_LAKE": "s3://your-bucket/lake",
    "CRIME_LANDING": "s3://your-bucket/landing",
    "CRIME_FIREHOSE": "the name of the delivery stream",
    "CRIME_FIRST_DAY": "the day the lake is to begin with, such as 2026-01-01",
}
_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[A-Za-z0-9._=-]+)*)/?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,512}")
_STREAM = re.compile(r"[a-z0-9-]{1,40}")
_WAREHOUSE = re.compile(r"(postgresql|postgres|redshift)://[!-~]+")
# A password is not in it: it would be in listings of processes, and in what drivers say.
_LEGACY = re.compile(
    r"(?!.*[?&](?i:pass(word|wd)?)=)(postgresql|oracle\+oracledb|mariadb)://([^\s:@/?#]+@)?[^\s@/?#][^\s@]*"
)
_TABLE = re.compile(r"[A-Za-z0-9_.-]{3,255}")
_JOB = re.compile(r"(?P<service>glue|emr-serverless):(?P<name>[A-Za-z0-9._-]{1,255})")


@dataclass(frozen=True)
class Place:
    """A prefix in a bucket; the prefix has no leading or trailing slash and may be empty."""

    bucket: str
    prefix: str

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")

    def holds(self, other: Place) -> bool:
        """Whether the other place is the same or lies in this one."""
        return f"{other}/".startswith(f"{self}/")


@dataclass(frozen=True)
class AwsSettings:
    """What a person can set of the aws profile."""

    lake: Place
    landing: Place
    firehose: str
    first_day: date
    region: str | None = None
    catalog: str = "glue"
    catalog_credential: str = field(default="", repr=False)
    athena_workgroup: str = ""
    spark_job: str = ""
    mask_key: str = ""
    notices_topic: str = ""
    metrics_namespace: str = ""
    documents: str = ""
    """The DynamoDB table of documents out of a legacy database."""


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
            home=_directory(environment, "CRIME_HOME", cls.home),
            city=city,
            cities=cities,
            feed=environment.get("CRIME_FEED") or "sample",
            export=environment.get("CRIME_EXPORT", ""),
            app_token=_token(environment, "SOCRATA_APP_TOKEN"),
            engine=engine,
            sample_rows=_whole_number(environment, "CRIME_SAMPLE_ROWS", cls.sample_rows),
            small_numbers=_whole_number(environment, "CRIME_SMALL_NUMBERS", cls.small_numbers),
            forecast_cap=_cap(environment),
            sample_seed=_whole_number(environment, "CRIME_SAMPLE_SEED", cls.sample_seed),
            boundaries=_boundaries(environment),
            policy=_optional(environment, "CRIME_POLICY"),
            audit_anchor=_optional(environment, "CRIME_AUDIT_ANCHOR"),
            socket=_optional(environment, "CRIME_SOCKET"),
            service=_service(environment),
            service_token=_token(environment, "CRIME_TOKEN"),
            oidc_secret=_token(environment, "CRIME_OIDC_SECRET"),
            dagster_home=Path(environment["DAGSTER_HOME"]) if environment.get("DAGSTER_HOME") else None,
            dbt=_optional(environment, "CRIME_DBT"),
            stream=_matching(environment, "CRIME_STREAM", _STREAM, "a stream's name: small letters, digits and -"),
            stream_source=environment.get("CRIME_STREAM_SOURCE", ""),
            stream_zone=environment.get("CRIME_STREAM_TIMEZONE") or cls.stream_zone,
            alerts_topic=environment.get("CRIME_ALERTS_TOPIC", ""),
            alerts_webhook=environment.get("CRIME_ALERTS_WEBHOOK", ""),
            alerts_secret=environment.get("CRIME_ALERTS_SECRET", ""),
            warehouse=_warehouse(environment),
            legacy=_legacy(environment),
            legacy_password=environment.get("CRIME_LEGACY_PASSWORD", ""),
            aws=_aws(environment, engine) if is_aws else None,
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


def _aws(environment: Mapping[str, str], engine: str) -> AwsSettings:
    needed = dict(_NEEDED_ON_AWS)
    if engine == "athena":
        needed["CRIME_ATHENA_WORKGROUP"] = "the name of the workgroup"
    if environment.get("CRIME_LEGACY"):
        needed["CRIME_DOCUMENTS"] = "the name of the DynamoDB table of documents"
    for name, example in needed.items():
        if not environment.get(name):
            raise UsageError(f"CRIME_PROFILE=aws needs {name}: set it to {example}.")
    catalog = _catalog(environment)
    if engine == "athena" and catalog != "glue":
        raise UsageError(
            f"CRIME_ENGINE=athena needs the Glue catalog, but CRIME_CATALOG={catalog} is another: unset it."
        )
    lake, landing = _place(environment, "CRIME_LAKE"), _place(environment, "CRIME_LANDING")
    if lake.holds(landing) or landing.holds(lake):
        raise UsageError(
            f"CRIME_LAKE={lake} and CRIME_LANDING={landing} are the same or one lies in the other: set them to places "
            "apart, such as s3://your-bucket/lake and s3://your-bucket/landing."
        )
    return AwsSettings(
        lake=lake,
        landing=landing,
        firehose=_matching(environment, "CRIME_FIREHOSE", _NAME, "the name of a delivery stream"),
        first_day=_day(environment, "CRIME_FIRST_DAY"),
        region=_region(environment),
        catalog=catalog,
        catalog_credential=_token(environment, "CRIME_CATALOG_CREDENTIAL"),
        athena_workgroup=_matching(environment, "CRIME_ATHENA_WORKGROUP", _NAME, "the name of a workgroup"),
        spark_job=_matching(environment, "CRIME_SPARK_JOB", _JOB, "glue:JOB or emr-serverless:APPLICATION"),
        mask_key=_matching(environment, "CRIME_MASK_KEY", _SECRET, "the name of a secret in Secrets Manager"),
        notices_topic=environment.get("CRIME_NOTICES_TOPIC", ""),
        metrics_namespace=environment.get("CRIME_METRICS_NAMESPACE", ""),
        documents=_matching(environment, "CRIME_DOCUMENTS", _TABLE, "the name of a DynamoDB table"),
    )


def _region(environment: Mapping[str, str]) -> str | None:
    """The region; None where only boto3's own configuration knows it."""
    one, other = environment.get("AWS_REGION"), environment.get("AWS_DEFAULT_REGION")
    if one and other and one != other:
        raise UsageError(f"AWS_REGION is {one} and AWS_DEFAULT_REGION is {other}: set both to the same, or only one.")
    return one or other or None


def _place(environment: Mapping[str, str], name: str) -> Place:
    found = _PLACE.fullmatch(environment[name])
    if found is None or {".", ".."} & set(found["prefix"].split("/")):
        raise UsageError(f"{name}={environment[name]} is not a place on S3: write it like {_NEEDED_ON_AWS[name]}.")
    return Place(found["bucket"], found["prefix"].strip("/"))


def _matching(environment: Mapping[str, str], name: str, pattern: re.Pattern[str], what: str) -> str:
    text = environment.get(name, "")
    if text and not pattern.fullmatch(text):
        raise UsageError(f"{name}={text} is not right: set it to {what}.")
    return text


def _catalog(environment: Mapping[str, str]) -> str:
    text = environment.get("CRIME_CATALOG") or "glue"
    if text != "glue" and not re.fullmatch(r"https?://[^\s@?#]+", text):
        raise UsageError(
            f"CRIME_CATALOG={text} is neither glue nor the address of an Iceberg REST catalog: write it like "
            "https://catalog.example.org, without a password in it."
        )
    return text


def _day(environment: Mapping[str, str], name: str) -> date:
    try:
        return date.fromisoformat(environment[name])
    except ValueError as error:
        raise UsageError(f"{name}={environment[name]} is not a day: write it like 2026-01-01.") from error


def _whole_number(environment: Mapping[str, str], name: str, default: int) -> int:
    text = environment.get(name) or str(default)
    if not re.fullmatch("[0-9]{1,18}", text):
        raise UsageError(f"{name}={text[:40]} is not a whole number: set it to one, such as {default}.")
    return int(text)


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
    return text if text in ("", "portal") else str(_directory(environment, "CRIME_BOUNDARIES", Path()))


def _directory(environment: Mapping[str, str], name: str, default: Path) -> Path:
    text = environment.get(name) or str(default)
    try:
        return Path(text).expanduser().absolute()
    except RuntimeError as error:
        raise UsageError(f"{name}={text} names a user without a home directory here: write the whole path.") from error


def _optional(environment: Mapping[str, str], name: str) -> Path | None:
    return _directory(environment, name, Path()) if environment.get(name) else None


def _token(environment: Mapping[str, str], name: str) -> str:
    token = environment.get(name, "").strip()
    # It goes into a header; an error raised there would show it.
    if not (token.isascii() and token.isprintable()):
        raise UsageError(f"{name} has characters that no token has: copy it again from the portal.")
    return token
