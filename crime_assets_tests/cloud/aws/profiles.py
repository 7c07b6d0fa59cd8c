"""The aws profile on the servers that stand for AWS."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from crime_assets.profiles import Settings
from crime_assets.profiles.aws import AwsProfile
from crime_assets_tests.build import ticking_clock
from crime_assets_tests.cloud.aws.firehose_server import DeliveryStream
from crime_assets_tests.cloud.aws.servers import ACCESS_KEY, REGION, SECRET_KEY, Seaweed


def aws_variables(aws: Seaweed, firehose: DeliveryStream, home: Path, first_day: str) -> dict[str, str]:
    """The variables of a new lake on SeaweedFS's S3 and REST catalog, fed by the delivery stream."""
    return {
        "CRIME_PROFILE": "aws",
        "CRIME_HOME": str(home),
        "CRIME_LAKE": f"s3://{aws.table_bucket()}",
        "CRIME_LANDING": f"s3://{firehose.bucket}/{firehose.prefix}",
        "CRIME_FIREHOSE": firehose.name,
        "CRIME_CATALOG": aws.catalog,
        "CRIME_CATALOG_CREDENTIAL": f"{ACCESS_KEY}:{SECRET_KEY}",
        "CRIME_FIRST_DAY": first_day,
        "AWS_REGION": REGION,
    }


def aws_profile(variables: Mapping[str, str], now: str) -> AwsProfile:
    """The profile of these variables, with a clock that begins at `now` (UTC)."""
    settings = Settings.from_environment(variables)
    assert settings.aws is not None
    return AwsProfile(settings, settings.aws, ticking_clock(now))
