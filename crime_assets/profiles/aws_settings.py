"""What a person can set of the aws profile, out of an environment that is given."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date

from crime_assets.core.errors import UsageError
from crime_assets.profiles.variables import matching, token

_NEEDED_ON_AWS = {
    "CRIME_LAKE": "s3://your-bucket/lake",
    "CRIME_LANDING": "s3://your-bucket/landing",
    "CRIME_FIREHOSE": "the name of the delivery stream",
    "CRIME_FIRST_DAY": "the day the lake is to begin with, such as 2026-01-01",
}
_PLACE = re.compile(r"s3://(?P<bucket>[a-z0-9][a-z0-9.-]{1,61}[a-z0-9])(?P<prefix>(/[A-Za-z0-9._=-]+)*)/?")
_NAME = re.compile(r"[A-Za-z0-9._-]{1,128}")
_SECRET = re.compile(r"[A-Za-z0-9/_+=.@:-]{1,512}")
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


def aws_settings(environment: Mapping[str, str], engine: str) -> AwsSettings:
    """Those of the aws profile. UsageError names the variable that is wrong or missing."""
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
        firehose=matching(environment, "CRIME_FIREHOSE", _NAME, "the name of a delivery stream"),
        first_day=_day(environment, "CRIME_FIRST_DAY"),
        region=_region(environment),
        catalog=catalog,
        catalog_credential=token(environment, "CRIME_CATALOG_CREDENTIAL"),
        athena_workgroup=matching(environment, "CRIME_ATHENA_WORKGROUP", _NAME, "the name of a workgroup"),
        spark_job=matching(environment, "CRIME_SPARK_JOB", _JOB, "glue:JOB or emr-serverless:APPLICATION"),
        mask_key=matching(environment, "CRIME_MASK_KEY", _SECRET, "the name of a secret in Secrets Manager"),
        notices_topic=environment.get("CRIME_NOTICES_TOPIC", ""),
        metrics_namespace=environment.get("CRIME_METRICS_NAMESPACE", ""),
        documents=matching(environment, "CRIME_DOCUMENTS", _TABLE, "the name of a DynamoDB table"),
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
