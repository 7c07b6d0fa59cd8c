"""What AWS errors mean to a person: one sentence each, which says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from crime_assets.core.errors import CrimeAssetsError


class AwsError(CrimeAssetsError):
    """An AWS service refused, or could not be reached."""


class AwsThrottled(AwsError):
    """A service throttled us, in spite of retries."""


_REFUSED = frozenset(
    "AccessDenied AccessDeniedException Forbidden 403 UnauthorizedOperation UnrecognizedClientException "
    "InvalidAccessKeyId SignatureDoesNotMatch ExpiredToken ExpiredTokenException InvalidClientTokenId "
    "InvalidSignatureException AuthFailure NotAuthorized "
    "AuthorizationError AuthorizationErrorException".split()
)
_THROTTLED = frozenset(
    "Throttling ThrottlingException ThrottledException TooManyRequestsException SlowDown RequestLimitExceeded "
    "ServiceUnavailableException ServiceUnavailable ProvisionedThroughputExceededException "
    "LimitExceededException ConcurrentRunsExceededException KMSThrottlingException".split()
)
_MISSING = frozenset(
    "NoSuchBucket ResourceNotFoundException NotFoundException EntityNotFoundException NotFound 404".split()
)


@contextmanager
def explained(action: str, thing: str) -> Iterator[None]:
    """Turn what boto3 raises into one sentence.

    `action` says what was attempted ("read the bucket crimes"), `thing` which variable or part names the resource
    ("CRIME_LANDING"). AwsThrottled if AWS asked for fewer requests, AwsError otherwise.
    """
    try:
        yield
    except Exception as error:
        told = explain(error, action, thing)
        if told is None:
            raise
        raise told from error


def explain(error: Exception, action: str, thing: str) -> AwsError | None:
    """The error in one sentence; None if it is not an error of boto3."""
    try:
        from botocore.exceptions import BotoCoreError, ClientError, EndpointConnectionError, NoCredentialsError
    except ImportError:
        return None
    if isinstance(error, ClientError):
        told = error.response.get("Error", {})
        return _refusal(str(told.get("Code", "")), str(told.get("Message", "")), action, thing)
    if isinstance(error, NoCredentialsError):
        return AwsError(
            f"There are no AWS credentials to {action}: sign in with `aws sso login`, or set AWS_PROFILE or "
            "AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY."
        )
    if isinstance(error, EndpointConnectionError):
        return AwsError(f"AWS cannot be reached to {action}: check the network and AWS_ENDPOINT_URL, then run again.")
    if isinstance(error, BotoCoreError):
        return AwsError(f"It was not possible to {action} ({type(error).__name__}): check the network, then run again.")
    return None


def _refusal(code: str, message: str, action: str, thing: str) -> AwsError:
    if code in _REFUSED:
        return AwsError(
            f"AWS refused to {action} ({code}): check that the credentials are valid and allow this, and that {thing} "
            "names what they are for."
        )
    if code in _THROTTLED:
        return AwsThrottled(f"AWS was too busy to {action} ({code}): run again later, nothing was lost.")
    if code in _MISSING:
        return AwsError(f"It was not possible to {action}: it does not exist ({code}); create it, or correct {thing}.")
    reason = f"{code}: {' '.join(message.split())[:200]}" if message else code
    return AwsError(f"AWS could not {action} ({reason}); look at {thing}, then run again.")
