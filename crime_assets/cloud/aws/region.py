"""One region everywhere: what cannot be told from a name is asked of the service."""

from __future__ import annotations

from crime_assets.cloud.aws.clients import Clients
from crime_assets.cloud.aws.errors import explain
from crime_assets.core.errors import UsageError

_REGION_HEADER = "x-amz-bucket-region"


def check_bucket(clients: Clients, bucket: str, variable: str) -> None:
    """That a bucket is there, may be used, and is in the region. One sentence that names the variable where not."""
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
            f"The bucket {bucket} of {variable} is in {found} and AWS_REGION is {clients.region}: everything must be "
            "in one region, so set AWS_REGION to it, or use another bucket."
        )
