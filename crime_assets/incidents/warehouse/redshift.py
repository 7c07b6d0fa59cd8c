"""The warehouse in Amazon Redshift, which reads deliveries from S3 itself. Not run against a real one by tests."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

import orjson

from crime_assets.core import keys as places
from crime_assets.core.digests import text_digest
from crime_assets.core.errors import UsageError
from crime_assets.incidents.warehouse.loading import Loading, statements
from crime_assets.streams import LandingStore

_ROLE = re.compile(r"arn:aws(-cn|-us-gov)?:iam::[0-9]{12}:role/[A-Za-z0-9_+=,.@/-]{1,512}")
_LOCATION = re.compile(r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/[A-Za-z0-9_.=/-]{1,1024}")
_CONFLICT = re.compile(
    r"Serializable isolation violation|conflict with concurrent transaction|deadlock|already exists", re.IGNORECASE
)


def connecting(**where: Any) -> Callable[[], Any]:
    """What opens connections, given what `redshift_connector.connect` takes: host, port, database, user, password …"""
    return lambda: _driver().connect(**where)


class RedshiftWarehouse(Loading):
    """See `Warehouse`. The store must be in S3, in the region of the warehouse; `role` may read there."""

    def __init__(self, connect: Callable[[], Any], name: str, role: str, **others: Any) -> None:
        """`role` is an ARN; `others` are those of `Loading`. UsageError if it is no ARN of a role."""
        super().__init__(connect, name, **others)
        if not _ROLE.fullmatch(role):
            raise UsageError(
                f"{role[:200]!r} is not the ARN of a role: write it like arn:aws:iam::123456789012:role/name."
            )
        self._role = role

    def _copy(self, cursor: Any, store: LandingStore, keys: Sequence[str]) -> None:
        entries = [{"url": _in_s3(store, key), "mandatory": True} for key in keys]
        manifest = orjson.dumps({"entries": entries})
        key = places.load_manifest(text_digest(manifest.decode()))
        location = _in_s3(store, key)
        store.write(key, manifest)
        try:
            # COPY takes no parameters. Both values consist of characters that mean nothing in a text of SQL.
            (copy,) = statements("copy_redshift")
            cursor.execute(copy.replace(":manifest", f"'{location}'").replace(":role", f"'{self._role}'"))
        finally:
            store.delete(key)

    def _errors(self) -> type[Exception]:
        error: type[Exception] = _driver().Error
        return error

    def _is_conflict(self, error: Exception) -> bool:
        return _CONFLICT.search(f"{_part(error, 'M')} {_part(error, 'D')}") is not None

    def _told(self, error: Exception) -> str:
        return _part(error, "M").rstrip(".")


def _driver() -> Any:
    try:
        import redshift_connector
    except ImportError as error:
        raise UsageError(
            "A warehouse in Redshift needs redshift-connector: pip install 'crime-assets[live]'."
        ) from error
    return redshift_connector


def _part(error: Exception, letter: str) -> str:
    """A part of the server's answer by its letter in the protocol: M is the message, D the detail."""
    answer = error.args[0] if error.args else None
    return str(answer.get(letter, "")) if isinstance(answer, dict) else ""


def _in_s3(store: LandingStore, key: str) -> str:
    location = store.location(key)
    if not _LOCATION.fullmatch(location):
        raise UsageError(
            f"Redshift cannot read {location[:200]!r}: keep deliveries in S3, under names of letters, digits and _.=/-."
        )
    return location
