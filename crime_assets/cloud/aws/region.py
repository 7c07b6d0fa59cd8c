"""One region everywhere: if a name does not tell the region, the service is asked."""

from __future__ import annotations

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explain
from crime_assets.core.errors import UsageError

_REGION_HEADER = "x-amz-bucket-region"


def check_bucket(clients: Clients, bucket: str, variable: str) -> None:
    """Check that a bucket exists, may be used, and is in the region; else an error that names the variable."""
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        answer = clients.client("s3").head_bucket(Bucket=bucket)
        found = answer["ResponseMetadata"]["HTTPHeaders"].get(_REGION_HEADER)
    except (ClientError, BotoCoreError) as error:
        response = getattr(error, "response", {})
        found = response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get(_REGION_HEADER)
        if found in (None, clients.region):
            told = explain(error, f"use the bucket {bucket}", variable)
            raise told or error from error
    if found not in (None, clients.region):
        raise UsageError(
            f"The bucket {bucket} of {variable} is in {found}, but AWS_REGION is {clients.region}: everything must be "
            "in one region, so set AWS_REGION to it, or use another bucket."
        )
