"""Errors of catalogs and object storage that refuse or cannot be reached, in one sentence each."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from crime_assets.cloud.aws.errors import AwsError, explain
from crime_assets.core.errors import CrimeAssetsError, LakeError

_ARROW = re.compile(
    r"AWS Error (?P<code>[A-Z_]+)(?: \(HTTP status (?P<status>[0-9]+)\))? during (?P<operation>[A-Za-z]+) operation"
)
_LOCAL = re.compile(r"local file '(?P<path>[^']+)'")
_REFUSED = frozenset("ACCESS_DENIED INVALID_ACCESS_KEY_ID SIGNATURE_DOES_NOT_MATCH INVALID_SIGNATURE".split())
_MISSING = frozenset("NO_SUCH_BUCKET NO_SUCH_KEY RESOURCE_NOT_FOUND".split())


@contextmanager
def explained(place: str) -> Iterator[None]:
    """Turn errors of a catalog or of the tables' storage into one sentence; `place` is the lake or table."""
    try:
        yield
    except CrimeAssetsError:
        raise
    except Exception as error:
        told = refusal(error, place)
        if told is None:
            raise
        raise told from error


def refusal(error: Exception, place: str) -> CrimeAssetsError | None:
    """The error in one sentence; None if it comes neither from a catalog nor from object storage.

    Its cause does not count: pyiceberg's NoSuchTableError is caused by an error of the catalog but is not one.
    """
    if isinstance(error, OSError) and (found := _ARROW.search(str(error))):
        return _storage(found["code"], found["status"], found["operation"], place)
    if isinstance(error, FileNotFoundError):
        found = _LOCAL.search(str(error))
        return LakeError(
            f"{found['path'] if found else error} is missing, but {place} needs it: restore it, then run again."
        )
    return explain(error, f"use the lake {place}", "CRIME_LAKE and CRIME_CATALOG") or _catalog(error, place)


def _storage(code: str, status: str | None, operation: str, place: str) -> AwsError:
    """`status` is S3's, for errors without a code in Arrow, such as expired credentials."""
    if code in _REFUSED:
        return AwsError(
            f"AWS refused {operation} in {place} ({code}): check that the credentials are valid and may read and write "
            "the lake's bucket."
        )
    if code in _MISSING:
        return AwsError(f"A bucket or file of {place} does not exist ({code} during {operation}): check CRIME_LAKE.")
    if status in ("400", "403"):
        return AwsError(
            f"AWS refused {operation} in {place} (HTTP status {status}): the credentials may have expired, so renew "
            "them, then run again."
        )
    told = f"HTTP status {status}" if status else code
    return AwsError(f"The storage of {place} does not answer ({told} during {operation}): run again.")


def _catalog(error: Exception, place: str) -> LakeError | None:
    from pyiceberg import exceptions
    from requests.exceptions import ConnectionError as Unreachable
    from requests.exceptions import Timeout

    if isinstance(error, exceptions.CommitStateUnknownException):
        return LakeError(
            f"The catalog of {place} did not say whether it took a change: run again; nothing is done twice."
        )
    if isinstance(error, (exceptions.UnauthorizedError, exceptions.ForbiddenError, exceptions.OAuthError)):
        return LakeError(f"The catalog of {place} refused the credentials: correct CRIME_CATALOG_CREDENTIAL.")
    if isinstance(error, exceptions.RESTError):
        return LakeError(f"The catalog of {place} failed ({type(error).__name__}): run again later.")
    if isinstance(error, (Unreachable, Timeout)):
        return LakeError(
            f"The catalog of {place} cannot be reached: check CRIME_CATALOG and the network, then run again."
        )
    if _is_of_no_catalog(error):
        return LakeError(
            f"The address in CRIME_CATALOG does not answer like an Iceberg catalog ({type(error).__name__}): correct "
            "it, or check any proxy in front of the catalog, then run again."
        )
    return None


def _is_of_no_catalog(error: Exception) -> bool:
    """Whether it is about an answer that no catalog gives: HTML, an empty answer, a redirect, HTTP 501."""
    from pydantic import ValidationError
    from requests.exceptions import HTTPError, RequestException

    if isinstance(error, NotImplementedError):
        return isinstance(error.__cause__, HTTPError)
    if isinstance(error, ValidationError):
        # pyiceberg's answer classes have such names: TableResponse, ConfigResponse.
        return error.title.endswith("Response")
    return isinstance(error, RequestException)
